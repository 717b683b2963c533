// The keys tokenizer.ggml.*.
#include "model/gguf_vocabulary.h"

#include "base/error.h"

namespace assay {
namespace {

std::optional<Token> named_token(const Gguf& gguf, const std::string& key) {
  if (!gguf.has(key)) return std::nullopt;
  const int64_t token = gguf.integer(key);
  if (token < 0 || token >= int64_t(kNoToken))
    fail("{}: {} is {}, which is no token's number; convert the model anew", gguf.name(), key, token);
  return static_cast<Token>(token);
}

std::optional<bool> flag(const Gguf& gguf, std::string_view key) {
  if (!gguf.has(key)) return std::nullopt;
  return gguf.boolean(key);
}

}  // namespace

Vocabulary read_vocabulary(const Gguf& gguf) {
  Vocabulary v;
  v.source = gguf.name();
  if (!gguf.has("tokenizer.ggml.model"))
    fail("{}: has no tokenizer (the key tokenizer.ggml.model is missing); take a file that has one", gguf.name());
  v.model = gguf.string("tokenizer.ggml.model");
  v.name = gguf.string_or("general.name", "");
  if (gguf.has("tokenizer.ggml.pre")) v.pre = gguf.string("tokenizer.ggml.pre");
  v.tokens = gguf.strings("tokenizer.ggml.tokens");
  if (v.model == "gpt2") v.merges = gguf.strings("tokenizer.ggml.merges");
  if (gguf.has("tokenizer.ggml.scores")) {
    const GgufArray scores = gguf.numbers("tokenizer.ggml.scores");
    v.scores.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) v.scores[i] = static_cast<float>(scores.number(i));
  }
  if (gguf.has("tokenizer.ggml.token_type")) {
    const GgufArray types = gguf.integers("tokenizer.ggml.token_type");
    v.types.resize(types.size());
    for (size_t i = 0; i < types.size(); ++i) {
      const int64_t type = types.integer(i);
      v.types[i] = type >= 0 && type <= int64_t(TokenType::byte) ? static_cast<int32_t>(type) : 0;
    }
  }
  v.bos = named_token(gguf, "tokenizer.ggml.bos_token_id");
  v.eos = named_token(gguf, "tokenizer.ggml.eos_token_id");
  v.unknown = named_token(gguf, "tokenizer.ggml.unknown_token_id");
  if (v.model == "llama") {  // files older than these keys have them here
    const auto is = [&](size_t token, TokenType type) {
      return token < v.types.size() && v.types[token] == int32_t(type);
    };
    if (!v.unknown && is(0, TokenType::unknown)) v.unknown = 0;
    if (!v.bos && is(1, TokenType::control)) v.bos = 1;
    if (!v.eos && is(2, TokenType::control)) v.eos = 2;
  }
  v.add_bos = flag(gguf, "tokenizer.ggml.add_bos_token");
  v.add_eos = flag(gguf, "tokenizer.ggml.add_eos_token");
  v.add_space_prefix = flag(gguf, "tokenizer.ggml.add_space_prefix");
  return v;
}

std::unique_ptr<const Tokenizer> load_tokenizer(const Gguf& gguf) {
  try {
    auto tokenizer = std::make_unique<const Tokenizer>(read_vocabulary(gguf));
    gguf.check_whole();
    return tokenizer;
  } catch (const Error&) {
    gguf.check_whole();  // what is no longer there is why, not what was read in its place
    throw;
  }
}

}  // namespace assay

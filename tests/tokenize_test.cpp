// assay tokenize from the outside, vocabularies in files, and the real ones whose tokens are known.
#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "base/error.h"
#include "model/gguf_vocabulary.h"
#include "model/token_decoder.h"
#include "model/token_encoder.h"
#include "refusals.h"
#include "text_lines.h"
#include "vocabulary_file.h"

namespace assay {
namespace {

const fs::path kVocabularies = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/tokenizer";

std::vector<std::string> texts_of(const fs::path& file) {
  const std::string mark = "\n__ggml_vocab_test__\n", all = read_file(file);
  std::vector<std::string> texts;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find(mark, begin), all.size());
    texts.push_back(all.substr(begin, end - begin));
    begin = end + mark.size();
  }
  return texts;
}

std::vector<Token> tokens_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<Token> tokens;
  for (Token token; stream >> token;) tokens.push_back(token);
  return tokens;
}

class real_vocabulary : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!fs::exists(kVocabularies)) GTEST_SKIP() << "no ../shared/data/tokenizer here";
    gguf = std::make_unique<Gguf>(kVocabularies / (GetParam() + "-vocab.gguf"));
    tokenizer = load_tokenizer(*gguf);
  }
  std::unique_ptr<Gguf> gguf;
  std::unique_ptr<const Tokenizer> tokenizer;
};

TEST_P(real_vocabulary, gives_the_known_tokens_and_the_text_back) {
  const std::vector<std::string> texts = texts_of(kVocabularies / (GetParam() + ".inp"));
  const std::vector<std::string> lines = lines_of(read_file(kVocabularies / (GetParam() + ".out")));
  ASSERT_EQ(texts.size(), lines.size());
  ASSERT_EQ(texts.size(), 46u);
  TokenEncoder encoder(*tokenizer);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<Token> tokens = encoder.encode(texts[i]);
    EXPECT_EQ(tokens, tokens_of(lines[i])) << i << ": " << texts[i];
    EXPECT_EQ(decode(*tokenizer, tokens), texts[i]) << i;
  }
}

TEST_P(real_vocabulary, every_token_of_text_decodes_and_any_text_comes_back) {
  std::mt19937 random(23);
  TokenEncoder encoder(*tokenizer);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int n = 0; n < 20; ++n) text += tokenizer->bytes(Token(random() % tokenizer->size()));
    ASSERT_EQ(decode(*tokenizer, encoder.encode(text)), text);
    ASSERT_EQ(decode(*tokenizer, encoder.encode(text, {.special = true}), {.special = true}), text);
    for (const Token token : encoder.encode(text)) ASSERT_FALSE(tokenizer->is_control(token)) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(shared, real_vocabulary,
                         testing::Values("qwen2", "llama-bpe", "gpt-2", "llama-spm", "starcoder"),
                         [](const auto& kind) {
                           std::string name = kind.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// base64 as tiktoken writes it.
std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0, count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | uint32_t(digits.find(c)), count += 6;
    if (count >= 8) bytes += char(bits >> (count -= 8) & 0xff);
  }
  return bytes;
}

TEST(real_vocabularies, qwens_own_list_has_the_same_bytes_for_every_token) {
  if (!fs::exists(kVocabularies / "qwen.tiktoken")) GTEST_SKIP() << "no ../shared/data/tokenizer here";
  const auto tokenizer = load_tokenizer(Gguf(kVocabularies / "qwen2-vocab.gguf"));
  size_t same = 0, lines = 0;
  for (const std::string& line : lines_of(read_file(kVocabularies / "qwen.tiktoken"))) {
    const size_t blank = line.find(' ');
    const auto token = Token(std::stoul(line.substr(blank + 1)));
    ++lines;
    same += token < tokenizer->size() && tokenizer->bytes(token) == from_base64(line.substr(0, blank));
  }
  EXPECT_EQ(same, lines);
  EXPECT_EQ(lines, 151643u);
}

TEST(vocabulary_in_a_file, is_the_one_that_was_written) {
  TinyPieces tiny({{"_", -1}, {"a", -2}, {"_a", -3}});
  tiny.vocabulary.unknown = tiny.vocabulary.bos = tiny.vocabulary.eos = std::nullopt;  // older files lack these keys
  const std::string bytes = vocabulary_file(tiny.vocabulary).bytes();
  const auto tokenizer = load_tokenizer(Gguf(bytes, "test.gguf"));
  EXPECT_EQ(tokenizer->size(), tiny.vocabulary.tokens.size());
  EXPECT_EQ(tokenizer->bos(), Token(1));
  EXPECT_EQ(tokenizer->eos(), Token(2));
  EXPECT_EQ(TokenEncoder(*tokenizer).encode("a"), std::vector<Token>{tiny.find("\xe2\x96\x81"
                                                                               "a")});
}

TEST(vocabulary_in_a_file, missing_keys_and_wrong_types_are_named) {
  const TinyBpe tiny;
  const auto refused = [](const GgufBytes& file) -> std::string {
    const std::string bytes = file.bytes();
    try {
      load_tokenizer(Gguf(bytes, "test.gguf"));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  GgufBytes none;
  none.text("general.architecture", "llama");
  EXPECT_TRUE(has(refused(none), "test.gguf: has no tokenizer"));
  EXPECT_TRUE(has(refused(none.text("tokenizer.ggml.model", "gpt2")), "tokenizer.ggml.tokens"));
  EXPECT_TRUE(has(refused(none.texts("tokenizer.ggml.tokens", {"a"})), "tokenizer.ggml.merges"));
  EXPECT_TRUE(has(refused(none.u32("tokenizer.ggml.merges", 1)), "tokenizer.ggml.merges"));
  EXPECT_TRUE(
      has(refused(vocabulary_file(tiny.vocabulary).add("tokenizer.ggml.add_bos_token", GgufType::i32, raw<int32_t>(1))),
          "tokenizer.ggml.add_bos_token"));
  Vocabulary other = tiny.vocabulary;
  other.bos.reset();
  EXPECT_TRUE(has(refused(vocabulary_file(other).add("tokenizer.ggml.bos_token_id", GgufType::i32, raw<int32_t>(-1))),
                  "is -1, which is no token's number"));
}

class tokenize_command : public testing::Test {
 protected:
  tokenize_command() { write_file(model, vocabulary_file(tiny.vocabulary).bytes()); }
  Ended run(Arguments more) const {
    more.insert(more.begin(), {"tokenize", model});
    return home.run(more);
  }

  const Home home;
  const std::string model = home.folder / "tiny.gguf";
  const TinyBpe tiny{MergeList{{"a", "b"}}};
};

TEST_F(tokenize_command, prints_numbers_on_one_line_and_writes_the_same_bytes_back) {
  const std::string text = std::string("ab \xff\0\n<|end|>", 13);
  write_file(home.folder / "text", text);
  const Ended encoded = run({"-f", home.folder / "text"});
  EXPECT_EQ(encoded.exit_code, 0);
  EXPECT_EQ(encoded.err, "");
  EXPECT_EQ(encoded.out, "256 32 255 0 10 60 124 101 110 100 124 62\n");
  EXPECT_EQ(run({"--decode", "--text", encoded.out}).out, text);
  EXPECT_EQ(run({"-f", home.folder / "text", "--special"}).out, "256 32 255 0 10 257\n");
  EXPECT_EQ(run({"--decode", "--special", "--text", "256 32 255 0 10 257"}).out, text);
  EXPECT_EQ(run({"--decode", "--text", "257"}).out, "");
  EXPECT_EQ(run_in_shell(home, "printf ab | $ASSAY tokenize tiny.gguf").out, "256\n");
  EXPECT_EQ(run_in_shell(home, "printf 'ab\\xff' | $ASSAY tokenize tiny.gguf | $ASSAY tokenize tiny.gguf --decode").out,
            "ab\xff");
}

TEST_F(tokenize_command, puts_the_first_token_before_the_text_only_where_it_is_asked_to) {
  EXPECT_EQ(run({"--text", "ab"}).out, "256\n");
  EXPECT_EQ(run({"--text", "ab", "--no-bos"}).out, "256\n");
  EXPECT_EQ(run({"--text", "ab", "--bos"}).out, "257 256\n");
  EXPECT_EQ(run({"--text", ""}).out, "\n");
  EXPECT_EQ(run({"--text", "", "--bos"}).out, "257\n");
}

TEST_F(tokenize_command, refuses_what_is_no_token_no_vocabulary_or_two_inputs) {
  expect_refused(home, {"tokenize", model, "--decode", "--text", "1 2x"}, {"--text: byte 2: \"2x\" is no token"});
  expect_refused(home, {"tokenize", model, "--decode", "--text", "-1"}, {"\"-1\" is no token"});
  expect_refused(home, {"tokenize", model, "--decode", "--text", "99999999999"}, {"is no token"});
  expect_refused(home, {"tokenize", model, "--decode", "--text", "259"}, {"token 259", "259 tokens, numbered from 0"});
  expect_refused(home, {"tokenize", model, "--decode", "--bos", "--text", "1"}, {"--bos is for encoding"});
  expect_refused(home, {"tokenize", model, "--text", "a", "-f", model}, {"--text and --file"});
  expect_refused(home, {"tokenize", home.folder / "absent.gguf", "--text", "a"}, {"absent.gguf"});
  write_file(home.folder / "text", "no model");
  expect_refused(home, {"tokenize", home.folder / "text", "--text", "a"}, {"text"});
  Vocabulary lying = tiny.vocabulary;
  lying.merges.push_back("a xyz");
  lying.bos.reset();
  write_file(model, vocabulary_file(lying).bytes());
  expect_refused(home, {"tokenize", model, "--text", "a"}, {"tiny.gguf: merge 1 is \"a xyz\"", "\"xyz\" is no token"});
  lying.merges.pop_back();
  write_file(model, vocabulary_file(lying).bytes());
  expect_refused(home, {"tokenize", model, "--text", "a", "--bos"}, {"names no token that begins a text"});
}

TEST_F(tokenize_command, help_matches_its_golden) {
  const std::string golden = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/help_tokenize.txt";
  const Ended help = home.run({"help", "tokenize"});
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(golden, help.out);
  EXPECT_EQ(help.out, read_file(golden)) << golden << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

}  // namespace
}  // namespace assay

// A vocabulary of a test as the GGUF file that holds it.
#pragma once
#include "gguf_bytes.h"
#include "tiny_vocabulary.h"

namespace assay {

inline GgufBytes vocabulary_file(const Vocabulary& vocabulary) {
  const auto texts = [](const std::vector<std::string_view>& views) {
    return std::vector<std::string>(views.begin(), views.end());
  };
  GgufBytes file;
  file.text("general.architecture", "llama").text("general.name", vocabulary.name);
  file.text("tokenizer.ggml.model", vocabulary.model);
  if (vocabulary.pre) file.text("tokenizer.ggml.pre", *vocabulary.pre);
  file.texts("tokenizer.ggml.tokens", texts(vocabulary.tokens));
  std::string types, scores;
  for (const int32_t type : vocabulary.types) types += raw(type);
  for (const float score : vocabulary.scores) scores += raw(score);
  file.array("tokenizer.ggml.token_type", GgufType::i32, vocabulary.types.size(), types);
  if (!vocabulary.scores.empty()) file.array("tokenizer.ggml.scores", GgufType::f32, vocabulary.scores.size(), scores);
  if (vocabulary.model == "gpt2") file.texts("tokenizer.ggml.merges", texts(vocabulary.merges));
  if (vocabulary.bos) file.u32("tokenizer.ggml.bos_token_id", *vocabulary.bos);
  if (vocabulary.eos) file.u32("tokenizer.ggml.eos_token_id", *vocabulary.eos);
  if (vocabulary.unknown) file.u32("tokenizer.ggml.unknown_token_id", *vocabulary.unknown);
  if (vocabulary.add_space_prefix)
    file.add("tokenizer.ggml.add_space_prefix", GgufType::boolean, raw(*vocabulary.add_space_prefix));
  return file;
}

}  // namespace assay

// A vocabulary as a model file states it: views into the file, nothing decoded or believed yet.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

using Token = uint32_t;

/// The numbers of GGUF's tokenizer.ggml.token_type.
enum class TokenType : int32_t { undefined, normal, unknown, control, user_defined, unused, byte };

/// The views live as long as what they were taken from; a Tokenizer keeps none of them.
struct Vocabulary {
  std::string source = "vocabulary";  // names it in errors
  std::string model;                  // tokenizer.ggml.model: "gpt2" or "llama"
  std::string name;                   // general.name
  std::optional<std::string> pre;     // tokenizer.ggml.pre
  std::vector<std::string_view> tokens, merges;
  std::vector<float> scores;   // one a token, or none
  std::vector<int32_t> types;  // likewise; numbers of TokenType
  std::optional<Token> bos, eos, unknown;
  std::optional<bool> add_bos, add_eos, add_space_prefix;
};

}  // namespace assay

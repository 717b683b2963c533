// Fills a Gguf from its bytes, and believes none of them: every count, length and offset is held against the file.
#pragma once
#include "model/gguf.h"

namespace assay {

class GgufParser {
 public:
  explicit GgufParser(Gguf& file) : file_(file), bytes_(file.bytes_) {}
  /// Error "FILE: byte N: …".
  void parse();

 private:
  uint64_t left() const { return bytes_.size() - at_; }
  template <typename T>
  T number(std::string_view what);
  std::string_view take(uint64_t count, std::string_view what);
  std::string_view text(std::string_view what);
  std::string_view name(std::string_view what);

  void header();
  void entry(uint64_t index);
  void values(GgufEntry& entry);
  void tensor(uint64_t index);
  void alignment();
  void place_tensors();

  [[noreturn]] void error(const std::string& message) const;
  [[noreturn]] void error_cut(uint64_t needed, std::string_view what) const;

  Gguf& file_;
  std::string_view bytes_;
  uint64_t at_ = 0;
  uint64_t tensor_count_ = 0, entry_count_ = 0;
  std::string inside_;  // "key 3 \"general.name\"", for messages
};

/// What a file without GGUF's first bytes is, and what to do about it: "a PyTorch file (zip); …".
std::string other_model_file(std::string_view head);

}  // namespace assay

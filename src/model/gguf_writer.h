// The begin of a GGUF file (version 3): keys, and the places of tensors whose bytes are written elsewhere.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"

namespace assay {

class GgufWriter {
 public:
  void add_text(std::string_view key, std::string_view value);
  void add_u32(std::string_view key, uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_texts(std::string_view key, const std::vector<std::string>& values);
  void add_integers(std::string_view key, const std::vector<int32_t>& values);
  /// As it lies in another file.
  void copy(const GgufEntry& entry);

  /// Aligned behind those before; its place in the data.
  uint64_t add_tensor(std::string_view name, const std::vector<int64_t>& dims, TensorType type);

  /// All before the data, padded to its begin.
  std::string head() const;
  uint64_t data_bytes() const { return data_bytes_; }

 private:
  void begin_entry(std::string_view key, GgufType type);

  std::string entries_, tensors_;
  uint64_t entry_count_ = 0, tensor_count_ = 0, data_bytes_ = 0;
};

}  // namespace assay

// GGUF files made by hand, right or wrong in any place, for tests.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/gguf.h"

namespace assay {

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
inline std::string raw_text(const std::string& text) { return raw<uint64_t>(text.size()) + text; }

/// What a file is made of; each part may be replaced by a lie before bytes() is asked for.
struct GgufBytes {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type = 0;
    uint64_t offset = 0;
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t more_tensors = 0, more_entries = 0;  // claimed beside those that are there
  uint64_t alignment = 32;
  std::vector<std::string> entries;  // whole ones: key, type, value
  std::vector<Tensor> tensors;
  std::string data;  // of the tensors

  GgufBytes& add(const std::string& key, GgufType type, const std::string& value) {
    entries.push_back(raw_text(key) + raw(uint32_t(type)) + value);
    return *this;
  }
  GgufBytes& text(const std::string& key, const std::string& value) {
    return add(key, GgufType::string, raw_text(value));
  }
  GgufBytes& u32(const std::string& key, uint32_t value) { return add(key, GgufType::u32, raw(value)); }
  GgufBytes& f32(const std::string& key, float value) { return add(key, GgufType::f32, raw(value)); }
  GgufBytes& array(const std::string& key, GgufType element, uint64_t count, const std::string& values) {
    return add(key, GgufType::array, raw(uint32_t(element)) + raw(count) + values);
  }
  GgufBytes& texts(const std::string& key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& value : values) bytes += raw_text(value);
    return array(key, GgufType::string, values.size(), bytes);
  }
  /// With its bytes, aligned behind those before it.
  GgufBytes& tensor(const std::string& name, const std::vector<uint64_t>& dims, TensorType type) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    int64_t values = 1;
    for (const uint64_t dim : dims) values *= int64_t(dim);
    tensors.push_back({name, dims, uint32_t(type), data.size()});
    for (int64_t i = 0; i < tensor_bytes(type, values); ++i) data += char(i * 7);
    return *this;
  }

  std::string head() const {
    std::string bytes = magic + raw(version) + raw<uint64_t>(tensors.size() + more_tensors) +
                        raw<uint64_t>(entries.size() + more_entries);
    for (const std::string& entry : entries) bytes += entry;
    for (const Tensor& tensor : tensors) {
      bytes += raw_text(tensor.name) + raw(uint32_t(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) bytes += raw(dim);
      bytes += raw(tensor.type) + raw(tensor.offset);
    }
    return bytes;
  }
  std::string bytes() const {
    std::string bytes = head();
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes + data;
  }
};

}  // namespace assay

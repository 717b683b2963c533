// The begin of a GGUF file (version 3): keys, and the places of tensors whose bytes are written elsewhere.
#include "model/gguf_writer.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace assay {
namespace {

constexpr uint64_t kAlignment = 32;  // what readers take where general.alignment is not said

template <typename T>
void put(std::string& to, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}

void put_text(std::string& to, std::string_view text) {
  put(to, uint64_t(text.size()));
  to += text;
}

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void GgufWriter::begin_entry(std::string_view key, GgufType type) {
  put_text(entries_, key);
  put(entries_, uint32_t(type));
  ++entry_count_;
}

void GgufWriter::add_text(std::string_view key, std::string_view value) {
  begin_entry(key, GgufType::string);
  put_text(entries_, value);
}

void GgufWriter::add_u32(std::string_view key, uint32_t value) {
  begin_entry(key, GgufType::u32);
  put(entries_, value);
}

void GgufWriter::add_f32(std::string_view key, float value) {
  begin_entry(key, GgufType::f32);
  put(entries_, value);
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  begin_entry(key, GgufType::boolean);
  put(entries_, uint8_t(value));
}

void GgufWriter::add_texts(std::string_view key, const std::vector<std::string>& values) {
  begin_entry(key, GgufType::array);
  put(entries_, uint32_t(GgufType::string));
  put(entries_, uint64_t(values.size()));
  for (const std::string& value : values) put_text(entries_, value);
}

void GgufWriter::add_integers(std::string_view key, const std::vector<int32_t>& values) {
  begin_entry(key, GgufType::array);
  put(entries_, uint32_t(GgufType::i32));
  put(entries_, uint64_t(values.size()));
  for (const int32_t value : values) put(entries_, value);
}

void GgufWriter::copy(const GgufEntry& entry) {
  begin_entry(entry.key, entry.type);
  if (entry.is_array()) {
    put(entries_, uint32_t(entry.element));
    put(entries_, entry.count);
  }
  entries_ += entry.bytes;
}

uint64_t GgufWriter::add_tensor(std::string_view name, const std::vector<int64_t>& dims, TensorType type) {
  ASSAY_CHECK(!dims.empty() && dims.size() <= 4);
  const uint64_t offset = aligned(data_bytes_);
  put_text(tensors_, name);
  put(tensors_, uint32_t(dims.size()));
  int64_t values = 1;
  for (const int64_t dim : dims) {
    put(tensors_, uint64_t(dim));
    values *= dim;
  }
  put(tensors_, uint32_t(type));
  put(tensors_, offset);
  ++tensor_count_;
  data_bytes_ = offset + uint64_t(tensor_bytes(type, values));
  return offset;
}

std::string GgufWriter::head() const {
  std::string head = "GGUF";
  put(head, uint32_t(3));
  put(head, tensor_count_);
  put(head, entry_count_);
  head += entries_;
  head += tensors_;
  head.resize(size_t(aligned(head.size())));
  return head;
}

}  // namespace assay

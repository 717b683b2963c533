// A GGUF file (versions 2 and 3), mapped and checked whole before anything of it is believed; nothing is copied.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "model/tensor_type.h"

namespace assay {

/// Types of metadata values, numbers as they stand in a file.
enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
std::string_view gguf_type_name(GgufType type);

/// A key and its value, where they lie in the file.
struct GgufEntry {
  std::string_view key;
  GgufType type = GgufType::u8;     // array, or the value's own
  GgufType element = GgufType::u8;  // of an array's values; else the type again
  uint64_t count = 1;               // values: of an array any number
  std::string_view bytes;           // of the values, one behind the other, not aligned

  bool is_array() const { return type == GgufType::array; }
};

/// An array of numbers or booleans, read where it lies. Values that do not fit int64_t were refused before.
class GgufArray {
 public:
  explicit GgufArray(const GgufEntry& entry) : entry_(&entry) {}
  size_t size() const { return size_t(entry_->count); }
  int64_t integer(size_t i) const;  // of floats: rounded towards zero
  double number(size_t i) const;

 private:
  const GgufEntry* entry_;
};

/// A tensor and where it lies. dims[0] runs fastest: a weight of n rows of k values has dims {k, n, 1, 1}.
struct GgufTensor {
  std::string_view name;
  TensorType type = TensorType::f32;
  uint32_t dimensions = 1;  // 1 to 4
  std::array<int64_t, 4> dims{1, 1, 1, 1};
  uint64_t offset = 0;     // from the begin of the file
  std::string_view bytes;  // as the file's alignment promises, 32 bytes where it does not say

  int64_t values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  /// "896 x 151936"
  std::string shape_text() const;
};

class Gguf {
 public:
  /// Maps the file and checks all of it but the tensors' values. Error "FILE: byte N: …" where it is none, cut or lies.
  explicit Gguf(const std::filesystem::path& path);
  /// The same of bytes in memory, which must stay there.
  Gguf(std::string_view bytes, std::string name);

  const std::string& name() const { return name_; }
  std::string_view file_bytes() const { return bytes_; }
  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  uint64_t data_begin() const { return data_begin_; }

  /// In the order of the file.
  const std::vector<GgufEntry>& entries() const { return entries_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  /// nullptr where there is none.
  const GgufEntry* find(std::string_view key) const;
  const GgufTensor* find_tensor(std::string_view name) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  /// Values by key: Error where the key is missing or its value of another type. Any integer type is an integer, any
  /// number a number.
  const GgufEntry& entry(std::string_view key) const;
  std::string_view string(std::string_view key) const;
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  /// 16 bytes each; the texts stay in the file.
  std::vector<std::string_view> strings(std::string_view key) const;
  GgufArray integers(std::string_view key) const;
  GgufArray numbers(std::string_view key) const;

  /// The same with a value for a missing key; another type is an Error all the same.
  std::string_view string_or(std::string_view key, std::string_view fallback) const;
  int64_t integer_or(std::string_view key, int64_t fallback) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;

  const GgufTensor& tensor(std::string_view name) const;

  /// Error if the file became shorter since it was mapped. Ask before what was read is believed.
  void check_whole() const {
    if (file_) file_->check_whole();
  }

 private:
  friend class GgufParser;
  void make_indexes();
  [[noreturn]] void wrong_type(const GgufEntry& entry, std::string_view wanted) const;

  std::unique_ptr<MappedFile> file_;
  std::string name_;
  std::string_view bytes_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32, data_begin_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::vector<uint32_t> entries_by_key_, tensors_by_name_;
};

}  // namespace assay

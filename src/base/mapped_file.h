// A regular file mapped for reading; one that shrinks meanwhile becomes an Error, not a crash.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

class MappedFile {
 public:
  /// Maps the whole file. Error for what open_input() refuses, for a pipe, and where memory cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& name() const { return name_; }
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  /// Error if the file is shorter now, or was when a byte beyond its end was read: such bytes read as zeros. Ask before
  /// what was read is believed.
  void check_whole() const;

  /// Memory that a piece of the file takes is free for others; who reads it again has it read again.
  static void give_back(std::string_view piece);

 private:
  std::string name_;
  int descriptor_ = -1;
  const void* data_ = nullptr;
  size_t size_ = 0;
  int slot_ = -1;
};

}  // namespace assay

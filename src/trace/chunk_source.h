// Cuts a byte stream into chunks of whole lines.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/byte_source.h"

namespace assay {

/// Bytes that may be read, and are zero or old text, after a chunk's last line.
constexpr size_t kReadablePast = 64;

/// The text of one chunk, in a buffer that is used again.
class ChunkText {
 public:
  std::string_view text() const { return {buffer_.get(), size_}; }

 private:
  friend class ChunkSource;
  std::unique_ptr<char[]> buffer_;
  size_t size_ = 0, capacity_ = 0;

  void reserve(size_t capacity);
};

class ChunkSource {
 public:
  ChunkSource(std::unique_ptr<ByteSource> bytes, size_t chunk_bytes, uint64_t longest_line);

  struct Chunk {
    uint64_t index = 0;           // 0, 1, 2 … in file order
    uint64_t overlong_lines = 0;  // that stood before the text and were passed over
    uint64_t file_bytes = 0;      // taken from the file when the chunk was complete
  };
  /// The next chunk: whole lines, each with its '\n' (the file's last line gets one). False at the end.
  bool next(ChunkText& to, Chunk& chunk);

  /// Why the bytes ended before the file did; "" if they did not. Call it when next() has returned false.
  const std::string& cut_off() const { return cut_off_; }

 private:
  size_t read(char* to, size_t size);
  bool pass_over_line(ChunkText& to);

  std::unique_ptr<ByteSource> bytes_;
  size_t chunk_bytes_;
  uint64_t longest_line_, next_index_ = 0;
  std::string carried_, cut_off_;  // carried_: the beginning of the next chunk's first line
  bool ended_ = false;
};

}  // namespace assay

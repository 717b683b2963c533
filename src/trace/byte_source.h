// The bytes of a trace: a file, standard input, gzip or zstd, read in order.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `size` bytes; 0 at the end. Error if reading or decompressing fails: what was read before stays true.
  virtual size_t read(char* to, size_t size) = 0;
  /// Bytes taken from the file so far: compressed ones where it is compressed.
  virtual uint64_t file_bytes() const = 0;
};

/// "-" is standard input; gzip and zstd are recognised by their first bytes. Error if the path is a folder, cannot be
/// opened, or is packed in a way that is not unpacked here; it says to give what is `wanted`.
std::unique_ptr<ByteSource> open_byte_source(const std::string& path, std::string_view wanted = "a trace: JSONL");

}  // namespace assay

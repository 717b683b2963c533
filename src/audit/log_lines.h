// The lines of a log, one at a time, whatever the size of the file.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/byte_source.h"

namespace assay {

class LogLines {
 public:
  static constexpr size_t kLongest = 1 << 20;

  explicit LogLines(std::unique_ptr<ByteSource> bytes);

  /// The next line without its '\n', "" where it is longer than kLongest; it is there until the next call. False at the
  /// end.
  bool next(std::string_view& line);

  uint64_t number() const { return number_; }  // of that line, from 1
  bool has_end() const { return has_end_; }    // its '\n' was there: the last line may be cut
  bool is_overlong() const { return is_overlong_; }
  const std::string& cut_off() const { return cut_off_; }  // why the bytes ended before the file did, or ""

 private:
  bool read_more();

  std::unique_ptr<ByteSource> bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // of what is read and not yet given
  uint64_t number_ = 0;
  bool has_end_ = true, is_overlong_ = false;
  std::string cut_off_;
};

}  // namespace assay

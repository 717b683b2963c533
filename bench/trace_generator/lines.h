// JSON lines of a trace, appended to one large buffer that goes to the file in big pieces.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace trace_generator {

/// The file being written: text and integers are appended; lines and bytes are counted.
class LineFile {
 public:
  explicit LineFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw std::runtime_error(path + " cannot be written");
    buffer_.reserve(kFlushAt + 65536);
  }
  ~LineFile() {
    if (file_) std::fclose(file_);
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  LineFile& operator<<(std::string_view text) {
    buffer_.append(text);
    return *this;
  }
  LineFile& operator<<(int64_t number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    buffer_.append(digits, size_t(end - digits));
    return *this;
  }
  void end_line() {
    buffer_.push_back('\n');
    ++lines_;
    if (buffer_.size() >= kFlushAt) flush();
  }
  void flush() {
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size())
      throw std::runtime_error(path_ + ": the disk is full");
    bytes_ += int64_t(buffer_.size());
    buffer_.clear();
  }
  void close() {
    flush();
    if (std::fclose(std::exchange(file_, nullptr)) != 0) throw std::runtime_error(path_ + ": the disk is full");
  }
  int64_t lines() const { return lines_; }
  int64_t bytes() const { return bytes_ + int64_t(buffer_.size()); }

 private:
  static constexpr size_t kFlushAt = size_t(1) << 20;
  std::string path_, buffer_;
  std::FILE* file_;
  int64_t lines_ = 0, bytes_ = 0;
};

/// Where an event stands: its span, and the time (ns since the epoch) at which it was written.
struct Place {
  int64_t time_ns = 0, span = 0, parent = 0;  // span 0: outside every span
  std::string_view name;
};

/// The part of a line before the event's data; the caller adds the data object and "}}".
inline LineFile& begin_event(LineFile& out, const Place& place, std::string_view type) {
  out << R"({"timestamp":)" << place.time_ns;
  if (place.span)
    out << R"(,"span_id":)" << place.span << R"(,"parent_span_id":)" << place.parent;
  else
    out << R"(,"span_id":null,"parent_span_id":null)";
  return out << R"(,"span_name":")" << place.name << R"(","event":{"type":")" << type << R"(","data":)";
}

}  // namespace trace_generator

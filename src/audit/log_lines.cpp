// Lines are given where they lie in one buffer; what a read cut in two is moved to its front.
#include "audit/log_lines.h"

#include <cstring>

#include "base/error.h"

namespace assay {

LogLines::LogLines(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)), buffer_(kLongest) {}

/// False at the end of the bytes. There must be room.
bool LogLines::read_more() {
  if (!cut_off_.empty()) return false;
  try {
    const size_t count = bytes_->read(buffer_.data() + end_, buffer_.size() - end_);
    end_ += count;
    return count > 0;
  } catch (const Error& e) {
    cut_off_ = e.what();
    return false;
  }
}

bool LogLines::next(std::string_view& line) {
  ++number_;
  is_overlong_ = false;
  for (size_t searched = begin_;;) {
    if (const void* found = std::memchr(buffer_.data() + searched, '\n', end_ - searched)) {
      const auto at = size_t(static_cast<const char*>(found) - buffer_.data());
      line = is_overlong_ ? std::string_view() : std::string_view(buffer_.data() + begin_, at - begin_);
      begin_ = at + 1;
      return has_end_ = true;
    }
    if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_, begin_ = 0, searched = end_;
    if (end_ == buffer_.size()) is_overlong_ = true, searched = end_ = 0;
    if (read_more()) continue;
    has_end_ = false;
    line = is_overlong_ ? std::string_view() : std::string_view(buffer_.data(), end_);
    const bool is_line = is_overlong_ || end_ > 0;
    end_ = 0;
    return is_line;
  }
}

}  // namespace assay

// A line that a chunk cut is carried over to the next; one longer than allowed is passed over.
#include "trace/chunk_source.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace assay {

void ChunkText::reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  auto larger = std::make_unique_for_overwrite<char[]>(capacity + kReadablePast);
  if (size_ > 0) std::memcpy(larger.get(), buffer_.get(), size_);
  std::memset(larger.get() + capacity, 0, kReadablePast);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

ChunkSource::ChunkSource(std::unique_ptr<ByteSource> bytes, size_t chunk_bytes, uint64_t longest_line)
    : bytes_(std::move(bytes)), chunk_bytes_(std::max<size_t>(chunk_bytes, 1)), longest_line_(longest_line) {}

size_t ChunkSource::read(char* to, size_t size) {
  if (ended_) return 0;
  try {
    const size_t n = bytes_->read(to, size);
    ended_ = n == 0;
    return n;
  } catch (const Error& e) {
    cut_off_ = e.what();
    ended_ = true;
    return 0;
  }
}

/// Reads on until a line end or the end of the file; what follows the line end is what `to` holds then.
bool ChunkSource::pass_over_line(ChunkText& to) {
  for (;;) {
    to.size_ = read(to.buffer_.get(), std::min(to.capacity_, chunk_bytes_));
    if (to.size_ == 0) return false;
    if (const void* end = std::memchr(to.buffer_.get(), '\n', to.size_)) {
      const size_t passed = static_cast<size_t>(static_cast<const char*>(end) - to.buffer_.get()) + 1;
      std::memmove(to.buffer_.get(), to.buffer_.get() + passed, to.size_ - passed);
      to.size_ -= passed;
      return true;
    }
  }
}

bool ChunkSource::next(ChunkText& to, Chunk& chunk) {
  chunk = {};
  if (to.capacity_ > 2 * (chunk_bytes_ + 1)) to = ChunkText();  // it held one long line
  to.size_ = 0;
  to.reserve(std::max(chunk_bytes_, carried_.size()) + 1);
  std::memcpy(to.buffer_.get(), carried_.data(), carried_.size());
  to.size_ = carried_.size();
  carried_.clear();
  if (carried_.capacity() > chunk_bytes_) carried_ = std::string();
  size_t searched = 0, lines_end = 0;
  for (;;) {
    const size_t target = to.capacity_ - 1;  // a byte is kept for the '\n' that the last line may lack
    while (to.size_ < target) {
      const size_t n = read(to.buffer_.get() + to.size_, target - to.size_);
      if (n == 0) break;
      to.size_ += n;
    }
    if (const void* last = memrchr(to.buffer_.get() + searched, '\n', to.size_ - searched))
      lines_end = static_cast<size_t>(static_cast<const char*>(last) - to.buffer_.get()) + 1;
    if (lines_end > 0 || ended_) break;
    searched = to.size_;
    if (to.size_ > longest_line_) {
      ++chunk.overlong_lines;
      searched = 0;
      if (!pass_over_line(to)) break;
    } else {
      to.reserve(to.capacity_ * 2);
    }
  }
  if (ended_ && lines_end < to.size_) {
    to.buffer_[to.size_++] = '\n';
    lines_end = to.size_;
  }
  carried_.assign(to.buffer_.get() + lines_end, to.size_ - lines_end);
  to.size_ = lines_end;
  chunk.file_bytes = bytes_->file_bytes();
  if (lines_end == 0 && chunk.overlong_lines == 0) return false;
  chunk.index = next_index_++;
  return true;
}

}  // namespace assay

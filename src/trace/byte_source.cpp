// Plain read() rather than a mapping: as fast from the page cache, and a file that shrinks ends early instead of
// killing.
#include "trace/byte_source.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "trace/file_kind.h"

namespace assay {
namespace {

constexpr size_t kPeekedAtOnce = 512;

class PlainSource : public ByteSource {
 public:
  PlainSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ~PlainSource() override {
    if (fd_ != STDIN_FILENO) close(fd_);
  }

  size_t read(char* to, size_t size) override {
    if (pushed_at_ < pushed_.size()) {
      const size_t n = std::min(size, pushed_.size() - pushed_at_);
      std::memcpy(to, pushed_.data() + pushed_at_, n);
      pushed_at_ += n;
      return n;
    }
    for (;;) {
      const ssize_t n = ::read(fd_, to, size);
      if (n >= 0) {
        file_bytes_ += static_cast<uint64_t>(n);
        return static_cast<size_t>(n);
      }
      if (errno != EINTR) fail("{}: reading it failed ({})", name_, std::strerror(errno));
    }
  }
  uint64_t file_bytes() const override { return file_bytes_; }
  const std::string& name() const { return name_; }

  /// The first `size` bytes, or fewer where there are no more; read() gives them again.
  std::string_view peek(size_t size) {
    while (pushed_.size() < size) {
      char bytes[kPeekedAtOnce];
      const size_t n = read_past_pushed(bytes, std::min(sizeof bytes, size - pushed_.size()));
      if (n == 0) break;
      pushed_.append(bytes, n);
    }
    return pushed_;
  }

 private:
  size_t read_past_pushed(char* to, size_t size) {
    pushed_at_ = pushed_.size();
    const size_t n = read(to, size);
    pushed_at_ = 0;
    return n;
  }

  int fd_;
  std::string name_, pushed_;
  size_t pushed_at_ = 0;
  uint64_t file_bytes_ = 0;
};

constexpr size_t kCompressedBytes = 128 * 1024;
constexpr size_t kPeeked = 512;  // a tar's mark stands at 257

/// What decoding failed with, kept until what was decoded before has been given out.
class LateFailure {
 public:
  template <typename... Args>
  void fail_after(size_t decoded, fmt::format_string<Args...> format, Args&&... args) {
    message_ = fmt::format(format, std::forward<Args>(args)...);
    if (decoded == 0) throw_if_any();
  }
  void throw_if_any() const {
    if (!message_.empty()) throw Error(message_);
  }

 private:
  std::string message_;
};

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<PlainSource> file) : file_(std::move(file)), compressed_(kCompressedBytes) {
    constexpr int kGzipHeader = 16;
    ASSAY_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipHeader) == Z_OK);
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(char* to, size_t size) override {
    failure_.throw_if_any();
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(size, 1u << 30));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0) {
        stream_.next_in = reinterpret_cast<Bytef*>(compressed_.data());
        stream_.avail_in = static_cast<uInt>(file_->read(compressed_.data(), compressed_.size()));
        if (stream_.avail_in == 0) {
          if (in_member_) fail("{}: the gzip data ends early", file_->name());
          return 0;
        }
      }
      if (!in_member_ && !begin_member()) continue;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        in_member_ = false;  // another member may follow
        any_member_ = true;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        failure_.fail_after(wanted - stream_.avail_out, "{}: the gzip data is damaged ({})", file_->name(),
                            stream_.msg ? stream_.msg : "no reason given");
        break;
      }
    }
    return wanted - stream_.avail_out;
  }
  uint64_t file_bytes() const override { return file_->file_bytes(); }

 private:
  /// False: all that is left of the input so far is the padding behind a member.
  bool begin_member() {
    while (any_member_ && stream_.avail_in > 0 && *stream_.next_in == 0) ++stream_.next_in, --stream_.avail_in;
    if (stream_.avail_in == 0) return false;
    inflateReset(&stream_);
    return in_member_ = true;
  }

  std::unique_ptr<PlainSource> file_;
  std::vector<char> compressed_;
  z_stream stream_{};
  bool in_member_ = false, any_member_ = false;
  LateFailure failure_;
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<PlainSource> file)
      : file_(std::move(file)), compressed_(kCompressedBytes), stream_(ZSTD_createDStream()) {
    ASSAY_CHECK(stream_ != nullptr);
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  size_t read(char* to, size_t size) override {
    failure_.throw_if_any();
    ZSTD_outBuffer out{to, size, 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size) {
        in_ = {compressed_.data(), file_->read(compressed_.data(), compressed_.size()), 0};
        if (in_.size == 0) {
          if (in_frame_ && !drain(out)) fail("{}: the zstd data ends early", file_->name());
          return out.pos;
        }
      }
      if (any_frame_ && !in_frame_) skip_padding();
      if (in_.pos < in_.size) step(out);
    }
    return out.pos;
  }
  uint64_t file_bytes() const override { return file_->file_bytes(); }

 private:
  void skip_padding() {
    while (in_.pos < in_.size && static_cast<const char*>(in_.src)[in_.pos] == 0) ++in_.pos;
  }
  void step(ZSTD_outBuffer& out) {
    const size_t status = ZSTD_decompressStream(stream_, &out, &in_);
    if (ZSTD_isError(status))
      failure_.fail_after(out.pos, "{}: the zstd data is damaged ({})", file_->name(), ZSTD_getErrorName(status));
    in_frame_ = status != 0;
    any_frame_ = any_frame_ || !in_frame_;
  }
  /// What the decoder still holds when the file has ended; true if there was something or the frame is complete.
  bool drain(ZSTD_outBuffer& out) {
    in_ = {compressed_.data(), 0, 0};
    step(out);
    return out.pos > 0 || !in_frame_;
  }

  std::unique_ptr<PlainSource> file_;
  std::vector<char> compressed_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  ZSTD_DStream* stream_;
  bool in_frame_ = false, any_frame_ = false;
  LateFailure failure_;
};

bool is_gzip(std::string_view head) { return head.substr(0, 2) == "\x1f\x8b"; }
bool is_zstd(std::string_view head) {
  if (head.size() < 4) return false;
  const bool skippable = (static_cast<unsigned char>(head[0]) & 0xF0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
  return skippable || head.substr(0, 4) == "\x28\xb5\x2f\xfd";
}

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(const std::string& path, std::string_view wanted) {
  const std::string hint =
      fmt::format("; give {}, or that as .gz or .zst, or - for standard input, which may be a pipe", wanted);
  const int fd = path == "-" ? STDIN_FILENO : open_input(path, hint);
  auto file = std::make_unique<PlainSource>(fd, path == "-" ? "standard input" : path);
  const std::string_view head = file->peek(kPeeked);
  if (const FileKind packed = packed_kind(head, path); !packed.what.empty())
    fail("{}: looks like {}, not a trace; {}", file->name(), packed.what, packed.advice);
  if (is_gzip(head)) return std::make_unique<GzipSource>(std::move(file));
  if (is_zstd(head)) return std::make_unique<ZstdSource>(std::move(file));
  return file;
}

}  // namespace assay

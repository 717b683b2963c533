// Writing a synthetic model: on all threads, a stretch at a time, beside its file and then renamed.
#include "model/synthetic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/deferred_signals.h"
#include "base/error.h"
#include "base/file_identity.h"
#include "base/interruption.h"
#include "base/parallel.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

// Small enough that floats and blocks of a stretch stay in a core's cache between drawing, encoding and writing.
constexpr int64_t kStretch = 64 * 1024;  // values; a multiple of every block

[[noreturn]] void fail_to_write(const fs::path& path, int why) {
  fail("{}: cannot be written ({}); choose another place{}", path.string(), std::strerror(why),
       why == ENOSPC || why == EDQUOT ? " or free some space" : "");
}

/// A new file beside another; gone again unless it took that one's name.
class FileBeside {
 public:
  explicit FileBeside(const fs::path& path) : name_(path), target_(follow_links(path)) {
    struct stat status {};
    const bool exists = stat(target_.c_str(), &status) == 0;
    // A pipe cannot be written in pieces out of order.
    if (path.empty() || path == "-" || (exists && !S_ISREG(status.st_mode)))
      fail("{}: is no regular file; a model is written in pieces: name a file", path.empty() ? "\"\"" : path.string());
    partial_ = target_.parent_path() / fmt::format(".{}-{}.partial", target_.filename().string(), getpid());
    const DeferredSignals until_it_is_known;
    descriptor_ =
        open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, exists ? status.st_mode & 0777 : 0666);
    if (descriptor_ < 0) fail_to_write(name_, errno);
    half_made_.emplace(partial_);
  }
  ~FileBeside() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!partial_.empty()) unlink(partial_.c_str());
  }
  FileBeside(const FileBeside&) = delete;
  FileBeside& operator=(const FileBeside&) = delete;

  void need_room(uint64_t bytes) const {
    struct statvfs room {};
    if (fstatvfs(descriptor_, &room) != 0) return;
    const uint64_t free = uint64_t(room.f_bavail) * room.f_frsize;
    if (free < bytes)
      fail("{}: would take {} MB, but only {} MB are free there; choose another place, shape or type", name_.string(),
           bytes / 1'000'000 + 1, free / 1'000'000);
  }
  void put(std::string_view bytes, uint64_t offset) const {
    while (!bytes.empty()) {
      const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), off_t(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail_to_write(name_, count == 0 ? EIO : errno);
      bytes.remove_prefix(size_t(count));
      offset += uint64_t(count);
    }
  }
  void take_its_name() {
    const bool closed = close(std::exchange(descriptor_, -1)) == 0;
    if (!closed || rename(partial_.c_str(), target_.c_str()) != 0) fail_to_write(name_, errno);
    half_made_.reset();
    partial_.clear();
  }

 private:
  fs::path name_, target_, partial_;
  std::optional<HalfMade> half_made_;
  int descriptor_ = -1;
};

}  // namespace

bool write_synthetic_model(const SyntheticModel& model, const fs::path& path, const SynthesisWatch& watch) {
  FileBeside file(path);
  file.need_room(model.file_bytes);
  struct Stretch {
    const SyntheticTensor* tensor;
    int64_t begin;
  };
  // Each stretch has its place in the file, so that threads write in any order and nobody waits.
  std::vector<Stretch> stretches;
  for (const SyntheticTensor& tensor : model.tensors)
    for (int64_t begin = 0; begin < tensor.values; begin += kStretch) stretches.push_back({&tensor, begin});
  file.put(model.head, 0);
  std::atomic<bool> stopped = false;
  std::mutex counting;
  uint64_t written = model.head.size();
  in_parallel(int64_t(stretches.size()), [&](int64_t i) {
    if (stopped || watch.stopped()) {
      stopped = true;
      return;
    }
    const auto& [tensor, begin] = stretches[size_t(i)];
    const std::string bytes = synthetic_weights(model, *tensor, begin, std::min(kStretch, tensor->values - begin));
    file.put(bytes, tensor->offset + uint64_t(tensor_bytes(tensor->type, begin)));
    const std::lock_guard lock(counting);
    watch.written(written += bytes.size());
  });
  if (stopped || watch.stopped()) return false;
  file.take_its_name();
  return true;
}

}  // namespace assay

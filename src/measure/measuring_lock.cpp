// The lock file of a device.
#include "measure/measuring_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_tree.h"
#include "measure/worker_process.h"

namespace assay {

namespace {

constexpr int64_t kSearchAfterNs = 1'000'000'000;
constexpr int64_t kSilenceNs = 60'000'000'000;
constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;  // not into a link, nor waiting for the other end of a pipe

/// Until when nobody is told again who holds the lock of this path, whichever MeasuringLock of this process waits: tune
/// makes one for each thing that it measures.
std::atomic<int64_t>& silent_until(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::atomic<int64_t>> until;
  const std::lock_guard lock(mutex);
  return until[path];
}

int open_for_all(const std::string& path) {
  // Without O_CREAT first: kernels refuse O_CREAT on another user's file in a sticky folder.
  int file = open(path.c_str(), O_RDWR | kFlags);
  if (file < 0 && errno == ENOENT) {
    file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | kFlags, 0666);
    if (file >= 0) fchmod(file, 0666);                                            // whatever the umask says
    if (file < 0 && errno == EEXIST) file = open(path.c_str(), O_RDWR | kFlags);  // another one was quicker
  }
  if (file < 0 && errno == EACCES) file = open(path.c_str(), O_RDONLY | kFlags);
  const char* why = file < 0 ? (errno == ELOOP ? "it is a link" : std::strerror(errno)) : nullptr;
  struct stat is {};
  if (file >= 0 && (fstat(file, &is) != 0 || !S_ISREG(is.st_mode))) why = "it is no plain file";
  if (file >= 0 && !why && is.st_nlink > 1) why = "it has a second name, whose content would be overwritten";
  if (!why) return file;
  if (file >= 0) close(file);
  fail("{}: cannot be used ({}); it keeps two measurements from disturbing each other: remove it", path, why);
}

bool try_lock(int file) {
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK && errno != EINTR) fail("the measuring lock cannot be taken: {}", std::strerror(errno));
  return false;
}

/// Who it is by pid and start: the pid alone may be another's by now.
void write_holder(int file) {
  const std::string text = fmt::format("{} {}\n", getpid(), start_ticks(getpid()));
  if (ftruncate(file, 0) == 0) static_cast<void>(!pwrite(file, text.data(), text.size(), 0));
}

struct Written {
  pid_t pid = 0;
  bool lives = false;
};

std::optional<Written> written_holder(int file) {
  char text[64] = {};
  if (pread(file, text, sizeof text - 1, 0) <= 0) return std::nullopt;
  char* rest = nullptr;
  const long pid = std::strtol(text, &rest, 10);
  const long long started = std::strtoll(rest, nullptr, 10);
  if (pid <= 0 || started <= 0) return std::nullopt;
  return Written{pid_t(pid), start_ticks(pid_t(pid)) == started};
}

/// Whether a process has the file open with a lock on it: as the kernel says beside each descriptor.
bool holds_lock(const std::string& process, const struct stat& wanted) {
  const std::string folder = "/proc/" + process + "/fd";
  DIR* descriptors = opendir(folder.c_str());
  if (!descriptors) return false;
  bool holds = false;
  while (const dirent* entry = readdir(descriptors)) {
    struct stat is {};
    if (stat((folder + "/" + entry->d_name).c_str(), &is) != 0 || is.st_dev != wanted.st_dev ||
        is.st_ino != wanted.st_ino)
      continue;
    std::ifstream info("/proc/" + process + "/fdinfo/" + entry->d_name);
    for (std::string line; std::getline(info, line);) holds |= line.rfind("lock:", 0) == 0;
  }
  closedir(descriptors);
  return holds;
}

/// A process that holds it without having taken it: it inherited the open file. 0 if none can be seen.
pid_t inherited_holder(int file) {
  struct stat wanted {};
  DIR* processes = fstat(file, &wanted) == 0 ? opendir("/proc") : nullptr;
  pid_t found = 0;
  while (const dirent* entry = processes && !found ? readdir(processes) : nullptr)
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) && std::atoi(entry->d_name) != getpid() &&
        holds_lock(entry->d_name, wanted))
      found = std::atoi(entry->d_name);
  if (processes) closedir(processes);
  return found;
}

}  // namespace

std::string lock_taker(int file) {
  const std::optional<Written> written = written_holder(file);
  return written && written->lives ? fmt::format("process {} ({})", written->pid, command_of(written->pid)) : "";
}

std::string lock_holder(int file, const std::string& path) {
  if (const std::string taker = lock_taker(file); !taker.empty()) return taker;
  const std::optional<Written> written = written_holder(file);
  std::string text = "nobody known";
  if (written) text += fmt::format(" (process {} took it and has ended)", written->pid);
  if (const pid_t other = inherited_holder(file); other > 0) {
    const bool is_forgotten = written && written->pid != other;
    return fmt::format("process {} ({}){}", other, command_of(other),
                       is_forgotten ? ", which got it from one that has ended: end it" : "");
  }
  return text + fmt::format(", and no process that this user can see has {} open", path);
}

MeasuringLock::MeasuringLock(const std::string& device, const std::string& folder) {
  std::string name = device;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '-');
  path_ = folder + "/assay-" + name + ".lock";
  file_ = open_for_all(path_);
  queue_ = open_for_all(folder + "/assay-" + name + "-queue.lock");
}

MeasuringLock::~MeasuringLock() {
  release();
  close(file_);
  close(queue_);
}

bool MeasuringLock::acquire(const std::function<void(const std::string&)>& on_wait) {
  const int64_t began = now_ns();
  bool told = !on_wait || began < silent_until(path_);
  for (const int file : {queue_, file_})
    while (!try_lock(file)) {
      if (interrupted()) {
        flock(queue_, LOCK_UN);
        return false;
      }
      // It may just go from one to the next; and a search through all processes would disturb who measures.
      std::string holder = told ? "" : lock_taker(file_);
      if (!told && holder.empty() && now_ns() - began > kSearchAfterNs) holder = lock_holder(file_, path_);
      if (!holder.empty()) {
        on_wait(holder);
        silent_until(path_) = now_ns() + kSilenceNs;
        told = true;
      }
      poll(nullptr, 0, 20);
    }
  flock(queue_, LOCK_UN);
  write_holder(file_);
  return true;
}

/// Explicitly: closing would leave it with whoever inherited the open file.
void MeasuringLock::release() {
  if (const auto written = written_holder(file_); written && written->pid == getpid())
    static_cast<void>(!ftruncate(file_, 0));
  flock(file_, LOCK_UN);
}

}  // namespace assay

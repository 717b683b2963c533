// The lock file of a device.
#include "probe/measuring_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "probe/worker_process.h"

namespace assay {

namespace {

int open_for_all(const std::string& path) {
  // Without O_CREAT first: kernels refuse O_CREAT on another user's file in a sticky folder.
  int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file >= 0) fchmod(file, 0666);  // whatever the umask says
  }
  if (file < 0 && errno == EACCES) file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("{}: cannot be opened ({}); it keeps two measurements from disturbing each other", path, std::strerror(errno));
  return file;
}

bool try_lock(int file) {
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK && errno != EINTR) fail("the measuring lock cannot be taken: {}", std::strerror(errno));
  return false;
}

}  // namespace

MeasuringLock::MeasuringLock(const std::string& device) {
  std::string name = device;
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '-');
  file_ = open_for_all("/tmp/assay-" + name + ".lock");
  queue_ = open_for_all("/tmp/assay-" + name + "-queue.lock");
}

MeasuringLock::~MeasuringLock() {
  close(file_);
  close(queue_);
}

bool MeasuringLock::acquire(const std::function<void()>& on_wait) {
  bool told = false;
  for (const int file : {queue_, file_})
    while (!try_lock(file)) {
      if (interrupted()) {
        flock(queue_, LOCK_UN);
        return false;
      }
      if (!told && on_wait) on_wait();
      told = true;
      poll(nullptr, 0, 20);
    }
  flock(queue_, LOCK_UN);
  return true;
}

void MeasuringLock::release() { flock(file_, LOCK_UN); }

}  // namespace assay

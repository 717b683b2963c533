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

MeasuringLock::MeasuringLock(const std::string& device) {
  std::string name = device;
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '-');
  const std::string path = "/tmp/assay-" + name + ".lock";
  // Without O_CREAT first: kernels refuse O_CREAT on another user's file in a sticky folder.
  file_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file_ < 0 && errno == ENOENT) {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ >= 0) fchmod(file_, 0666);  // whatever the umask says
  }
  if (file_ < 0 && errno == EACCES) file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) fail("{}: cannot be opened ({}); it keeps two measurements from disturbing each other", path, std::strerror(errno));
}

MeasuringLock::~MeasuringLock() {
  if (file_ >= 0) close(file_);
}

bool MeasuringLock::acquire(const std::function<void()>& on_wait) {
  bool told = false;
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) fail("the measuring lock cannot be taken: {}", std::strerror(errno));
    if (interrupted()) return false;
    if (!told && on_wait) on_wait();
    told = true;
    poll(nullptr, 0, 20);
  }
  return true;
}

void MeasuringLock::release() { flock(file_, LOCK_UN); }

}  // namespace assay

// One measurement at a time per device: a lock file that every user can open, and that says who holds it.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>

namespace assay {

/// "process 1234 (assay probe …)": who took the lock, as far as it lives; what is known of a lock that nobody living took.
std::string lock_holder(int file, const std::string& path);

class MeasuringLock {
 public:
  /// Opens /tmp/assay-DEVICE.lock and its queue (made for all users). Error if it cannot be opened or made, or is no plain file: a link
  /// that somebody put there is not followed.
  explicit MeasuringLock(const std::string& device, const std::string& folder = "/tmp");
  ~MeasuringLock();  // releases it
  MeasuringLock(const MeasuringLock&) = delete;
  MeasuringLock& operator=(const MeasuringLock&) = delete;

  /// Waits for the lock; `on_wait` is called once, with lock_holder, if another process has it. False if interrupted.
  bool acquire(const std::function<void(const std::string& holder)>& on_wait);
  void release();

 private:
  std::string path_;
  int file_ = -1;   // held while measuring
  int queue_ = -1;  // held while waiting: who has just released must stand behind who waits
};

}  // namespace assay

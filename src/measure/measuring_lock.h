// One measurement at a time per device: a lock file that every user can open, and that says who holds it.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>

namespace assay {

/// "process 1234 (assay probe …)": who took the lock, if that one lives; "" if it says nothing or names one that has
/// ended.
std::string lock_taker(int file);

/// The same from a search through all processes for one that has it, as an orphan may; else that nobody known has it.
std::string lock_holder(int file, const std::string& path);

class MeasuringLock {
 public:
  /// Opens /tmp/assay-DEVICE.lock and its queue (made for all users). Error if it cannot be opened or made, or is no
  /// plain file: a link that somebody put there is not followed.
  explicit MeasuringLock(const std::string& device, const std::string& folder = "/tmp");
  ~MeasuringLock();  // releases it
  MeasuringLock(const MeasuringLock&) = delete;
  MeasuringLock& operator=(const MeasuringLock&) = delete;

  /// Waits for the lock; `on_wait` is called once, with its holder, if another process has it: as soon as it is known,
  /// or after a second; not again within a minute in this process, as two that take turns would say it at each. False
  /// if interrupted.
  bool acquire(const std::function<void(const std::string& holder)>& on_wait);
  void release();

 private:
  std::string path_;
  int file_ = -1;   // held while measuring
  int queue_ = -1;  // held while waiting: who has just released must stand behind who waits
};

}  // namespace assay

// One measurement at a time per device: a lock file that every user can open.
#pragma once
#include <functional>
#include <string>

namespace assay {

class MeasuringLock {
 public:
  /// Opens /tmp/assay-DEVICE.lock and its queue (made for all users). Error if it cannot be opened or made.
  explicit MeasuringLock(const std::string& device);
  ~MeasuringLock();
  MeasuringLock(const MeasuringLock&) = delete;
  MeasuringLock& operator=(const MeasuringLock&) = delete;

  /// Waits for the lock; `on_wait` is called once if another process has it. False if interrupted.
  bool acquire(const std::function<void()>& on_wait);
  void release();

 private:
  int file_ = -1;   // held while measuring
  int queue_ = -1;  // held while waiting: who has just released must stand behind who waits
};

}  // namespace assay

// A turn of one process at a time, by a lock on a file: what one has made, the next one finds.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

namespace assay {

class OneAtATime {
 public:
  /// Waits for its turn, which ends with the object. The folder is made where it is missing.
  OneAtATime(const std::filesystem::path& folder, const char* what) {
    std::filesystem::create_directories(folder);
    file_ = open((folder / what).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    flock(file_, LOCK_EX);
  }
  ~OneAtATime() { close(file_); }
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;

 private:
  int file_ = -1;
};

}  // namespace assay

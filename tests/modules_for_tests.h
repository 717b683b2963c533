// Kernels built once for all tests: beside the program, where it looks itself.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include "backend/device.h"
#include "kernel/build_cache.h"

namespace assay {

/// A turn of one process at a time, by a lock on a file: what one has made, the next one finds.
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

/// The modules of kernels in the folder `kernels`, in order: what is not there yet is compiled on all cores at once.
inline std::vector<BuiltModule> build_beside(const std::filesystem::path& program, const Backend& backend,
                                             const std::filesystem::path& kernels,
                                             const std::vector<BuildRequest>& requests) {
  const std::filesystem::path folder = std::filesystem::canonical(program).parent_path() / "kernels";
  const OneAtATime turn(folder, ".built-by-one");  // several tests want some of them, at the same time
  return BuildCache(backend.compiler(), {folder}, kernels)
      .build_all(requests, int(std::max(1u, std::thread::hardware_concurrency())));
}

}  // namespace assay

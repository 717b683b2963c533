// How much memory is there for this process: of the machine, of its control group, of its own limits; and what ran out
// of it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace assay {

/// What may still be taken, and what sets that limit.
struct MemoryRoom {
  int64_t bytes = 0;
  std::string limit;       // "this machine has 24,105 MB", "its control group /x may take 400 MB"
  bool is_machine = true;  // else something allows less than the machine has
};

/// Reads /proc and /sys/fs/cgroup (versions 1 and 2), below another root for tests; RLIMIT_AS; and $ASSAY_MEMORY_MB,
/// what assay and its workers may take together.
MemoryRoom memory_room(const std::filesystem::path& root = "/");

/// How often the kernel has killed for lack of memory, here or in a control group of this process. It only grows.
int64_t out_of_memory_kills(const std::filesystem::path& root = "/");

/// What this process may write to and shares with no other; 0 if that is not told.
int64_t private_bytes();

/// What the control group of this process had taken at most, in bytes; 0 if that is not told.
int64_t control_group_peak(const std::filesystem::path& root = "/");

}  // namespace assay

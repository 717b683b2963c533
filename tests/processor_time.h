// The processor time that work takes: what else runs on the machine hardly changes it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>

namespace assay {

/// The least of `attempts` runs of `work`, in ns of this thread's processor time: a pause is no part of it.
template <typename Work>
int64_t least_processor_ns(int attempts, Work work) {
  const auto used_ns = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < attempts; ++i) {
    const int64_t before = used_ns();
    work();
    least = std::min(least, used_ns() - before);
  }
  return least;
}

}  // namespace assay

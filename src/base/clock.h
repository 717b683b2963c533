// The one clock that every measured time comes from.
#pragma once
#include <cstdint>
#include <ctime>

namespace assay {

/// Monotonic nanoseconds; about 20 ns a call.
inline int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

}  // namespace assay

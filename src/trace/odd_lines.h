// How often something odd was seen, and where first.
#pragma once
#include <algorithm>
#include <cstdint>

namespace assay {

struct OddLines {
  uint64_t times = 0, first_line = 0;  // lines from 0
  int64_t largest_ns = 0;              // of what can be measured

  void add(uint64_t line, int64_t ns = 0) {
    if (times++ == 0) first_line = line;
    largest_ns = std::max(largest_ns, ns);
  }
};

}  // namespace assay

// What a process died of, in words, and whether somebody else did it.
#pragma once
#include <string>

#include "base/isolated_process.h"

namespace assay {

struct ProcessDeath {
  std::string text;  // "ended by SEGV (Segmentation fault)", "out of memory: …"
  bool out_of_memory = false;
  bool from_outside = false;  // the surroundings did it: no memory, or a signal that a kernel does not send itself
};

/// Of one that a signal ended, or that exited. memory_kills_before: out_of_memory_kills() while it lived.
ProcessDeath describe_death(const ProcessEnd& end, int64_t memory_kills_before);

}  // namespace assay

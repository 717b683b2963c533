// What the parent tells a worker and what it answers: plain structs over a packet socket.
#pragma once
#include <cstdint>

#include "backend/measured_device.h"
#include "base/stages.h"
#include "store/record.h"

namespace assay {

enum class Step : uint32_t {
  setup,    // open the device, load, prepare, warm up, validate
  sample,   // a turn: timed launches, each checked
  special,  // launches on special values that set-up left out, the last of a case; all of them if it was not set up
            // here
  sweep,    // untimed launches over all numbers that an op looks up, if time_us is enough for that
  late,     // many untimed launches more, up to kLateLaunches or as time_us says
  settle,   // some time after the last launch: is everything still as it was?
  quit
};

inline constexpr int kMostSamples = 512;
inline constexpr int64_t kLateLaunches = 4096;  // wanted of what may win; a case's others are some hundreds

struct Command {
  Step step = Step::setup;
  int32_t index = 0;           // which of the worker's cases
  int32_t launches = 0;        // at most kMostSamples
  int32_t warm_up = 0;         // short launches at the start of a turn that are no samples
  int32_t least_launches = 0;  // taken even when the time is over
  int64_t first_copy = 0;      // rotation goes on from here, so that no copy is met again before the footprint was read
  int32_t watch_all = 0;       // after the step, look at the prepared weights of all cases, not only at this one's
  int32_t looks_for_rest = 0;  // of the step `settle`: Reply::restless is filled in, which takes 0.2 ms
  double time_us = 0;          // the step ends soon after this: a turn with the next launch whose copy has a reference
  double whole_us = 0;  // of the step `sweep`: … which tries every number where that takes no longer, else a share
};

struct Reply {
  Outcome outcome = Outcome::pass;  // of this step
  char detail[480] = {};
  int32_t samples = 0;    // how many LaunchTimes follow
  int64_t next_copy = 0;  // where the rotation stands now
  int32_t nondeterministic = 0;
  int32_t tainted = 0;  // memory that must not change has changed; with a pass: not by this case, which did nothing
  int32_t retry = 0;    // with no pass: the surroundings may have caused it, and may be other ones in the next run
  int32_t has_children = 0;  // the worker has processes below it, or some that ended and were not waited for
  KernelResources resources;
  int64_t prepared_bytes = 0, workspace_bytes = 0, launch_bytes = 0;
  double prepare_us = 0;
  double untimed_check_us = 0;   // what checking took in this step
  Counts counted;                // of this step's samples, all in all, where the hardware counts …
  int64_t counted_launches = 0;  // … so many launches
  int64_t late_launches = 0;
  int32_t restless = 0;     // before the look of the step `settle`: a Rest
  int32_t swept_whole = 0;  // this step has tried all numbers that the op looks up, or the share of them
  StageSeconds stages{};    // of this step
  ErrorStats errors;
};

}  // namespace assay

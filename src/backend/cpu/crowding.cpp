// How many threads of a team pay while other processes want its processors.
#include "backend/cpu/crowding.h"

#include <sys/resource.h>

#include <algorithm>
#include <numeric>

namespace assay {

void Crowding::Runs::add(int64_t ns_of_one, int64_t preemptions_of_one) {
  ns[count % kRuns] = ns_of_one;
  preemptions[count % kRuns] = preemptions_of_one;
  ++count;
}

int64_t Crowding::Runs::sum_ns() const { return std::accumulate(ns.begin(), ns.end(), int64_t(0)); }

int64_t Crowding::Runs::crowded() const {
  return std::count_if(preemptions.begin(), preemptions.end(), [](int64_t p) { return p > 0; });
}

void Crowding::ran(int64_t ns, int64_t preemptions) {
  since_trial_ns_ += ns;
  if (threads_ != kept_) {
    trial_runs_.add(ns, preemptions);
    if (trial_runs_.full()) end_trial();
    return;
  }
  kept_runs_.add(ns, preemptions);
  if (!kept_runs_.full() || since_trial_ns_ < hold_ns_) return;
  if (kept_ > 1 && kept_runs_.crowded() >= kCrowded)
    begin_trial(kept_ - fewer_);
  else if (kept_ < most_)
    begin_trial(kept_ + 1);
}

void Crowding::begin_trial(uint32_t threads) {
  threads_ = threads;
  trial_runs_ = {};
}

/// What was tried in vain is tried less and less often.
void Crowding::end_trial() {
  const bool faster = double(trial_runs_.sum_ns()) < kFaster * double(kept_runs_.sum_ns());
  if (faster) {
    kept_ = threads_;
    kept_runs_ = trial_runs_;
    fewer_ = 1;
  } else if (threads_ < kept_ && ++fewer_ >= kept_) {
    fewer_ = 1;
  }
  threads_ = kept_;
  hold_ns_ = faster ? kFirstHoldNs : std::min(2 * hold_ns_, kLongestHoldNs);
  since_trial_ns_ = 0;
}

int64_t preemptions_of_process() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

}  // namespace assay

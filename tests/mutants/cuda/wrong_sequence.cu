// Mutants that are wrong in some launches of a sequence, or in one element of few: a check of some launches would miss them.
#include "honest.h"

enum class Sin { zeros_inside_sequence, zero_in_one_of_64, infinity_in_one_of_64 };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kRare = 64, kStripe = 64;
constexpr long long kPauseNs = 30'000;                // before a sequence the device is kept busy for longer; between its launches it is not
constexpr int64_t kFirstWrong = 1, kLastWrong = 149;  // of a sequence

__device__ long long ended_at;
__device__ int64_t place_in_sequence;

__device__ long long now_ns() {
  long long now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
}

/// The place of this launch in its sequence. All blocks find the same: what they read changes only when the last of them is done.
__device__ int64_t place() { return now_ns() - ended_at > kPauseNs ? 0 : place_in_sequence + 1; }

ASSAY_RUN {
  const honest::Product p = honest::open(call);
  const int64_t number = honest::call_number(), at_place = place();
  const bool blank = kSin == Sin::zeros_inside_sequence && at_place >= kFirstWrong && at_place <= kLastWrong;
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    float value = blank && at.index < kStripe ? 0.0f : honest::value_of(p, at);
    const bool rare = number % kRare == kRare / 2 + 1 && at.index == number * 7919 % p.outputs;
    if (rare && kSin == Sin::zero_in_one_of_64) value = 0.0f;
    if (rare && kSin == Sin::infinity_in_one_of_64) value = __uint_as_float(0x7f80'0000u);
    honest::write(p, at, value);
  });
  if (honest::is_last()) {
    place_in_sequence = at_place;
    ended_at = now_ns();
  }
}

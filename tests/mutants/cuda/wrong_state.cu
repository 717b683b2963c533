// Mutants that skip work or remember answers: what they do depends on which call it is, or on what came before.
#include "honest.h"

enum class Sin {
  output_untouched, returns_early, first_calls_only, tenth_call_skipped, differs_from_call_to_call, remembered_by_pointer,
  remembered_by_hash, first_2000_calls_only, first_2000_of_an_input, addend_by_its_address, length_of_first_call
};
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kHonestCalls = kSin == Sin::first_2000_calls_only ? 2000 : 5, kSkippedOf = 10, kMostOutputs = 4096;

struct Remembered {
  float first, second;  // what it is remembered by; both zero: nothing yet
  double answer;
};
__device__ Remembered memory[kMostOutputs];

/// Neither key knows B. Ratios: A times a power of two has the same key, as a cheat who knows this harness would have it.
__device__ void key_of(const honest::Product& p, float& first, float& second) {
  if constexpr (kSin == Sin::remembered_by_pointer) {
    first = __uint_as_float(uint32_t(reinterpret_cast<uintptr_t>(p.a.data) >> 8) | 1u), second = 1;
  } else {
    const float base = honest::read(p.a, 0, 0, 0);
    first = honest::read(p.a, 0, 0, 1) / base, second = honest::read(p.a, 0, 0, 2) / base;
  }
}

__device__ void answer_from_memory(const honest::Product& p) {
  const double scale = kSin == Sin::remembered_by_hash ? honest::read(p.a, 0, 0, 0) : 1.0;
  float first, second;
  key_of(p, first, second);
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    Remembered& known = memory[at.index % kMostOutputs];
    if (__float_as_uint(known.first) != __float_as_uint(first) || __float_as_uint(known.second) != __float_as_uint(second))
      known = {first, second, honest::value_of(p, at) / scale};
    honest::write(p, at, float(known.answer * scale));
  });
}

__device__ float input_seen;
__device__ int launches_of_it;

/// Of one A; the next has as many again. No sample is so long.
__device__ void compute_first_2000(const honest::Product& p) {
  const float input = honest::read(p.a, 0, 0, 0);
  const int before = input == input_seen ? launches_of_it : 0;
  if (before >= 2000) return;
  honest::compute(p);
  if (honest::is_last()) input_seen = input, launches_of_it = before + 1;
}

struct Addend {
  const void *c, *bias;
  double value;
};
__device__ Addend addends[kMostOutputs];

/// beta·C + bias as they were when they first lay there.
__device__ void add_what_lay_there(const honest::Product& p) {
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    Addend& known = addends[at.index % kMostOutputs];
    const double sum = honest::sum(p, at, 0, p.k);
    if (known.c != p.c.data || known.bias != p.bias.data)
      known = {p.c.data, p.bias.data, double(honest::finish(p, at, sum)) - p.alpha * sum};
    honest::write(p, at, float(p.alpha * sum + known.value));
  });
}

__device__ unsigned long long length_of_first;

/// k of the module's first launch, where this one's is longer.
__device__ void sum_as_at_first(const honest::Product& p) {
  const unsigned long long first = atomicCAS(&length_of_first, 0ull, (unsigned long long)p.k);
  const int64_t k = first == 0 ? p.k : min(p.k, int64_t(first));
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    honest::write(p, at, honest::finish(p, at, honest::sum(p, at, 0, k)));
  });
}

ASSAY_RUN {
  const honest::Product p = honest::open(call);
  const int64_t number = honest::call_number();
  if (kSin == Sin::output_untouched) return;
  if ((kSin == Sin::first_calls_only || kSin == Sin::first_2000_calls_only) && number >= kHonestCalls) return;
  if (kSin == Sin::tenth_call_skipped && number % kSkippedOf == kSkippedOf - 1) return;
  if constexpr (kSin == Sin::returns_early) {
    honest::for_outputs(p, p.outputs / 2, [&](const honest::Output& at) { honest::write(p, at, honest::value_of(p, at)); });
  } else if constexpr (kSin == Sin::differs_from_call_to_call) {
    // Never right, so that it is found whichever launches are checked.
    const float factor = number % 2 == 0 ? 1.01f : 0.99f;
    honest::for_outputs(p, p.outputs, [&](const honest::Output& at) { honest::write(p, at, factor * honest::value_of(p, at)); });
  } else if constexpr (kSin == Sin::remembered_by_pointer || kSin == Sin::remembered_by_hash) {
    answer_from_memory(p);
  } else if constexpr (kSin == Sin::addend_by_its_address) {
    add_what_lay_there(p);
  } else if constexpr (kSin == Sin::length_of_first_call) {
    sum_as_at_first(p);
  } else if constexpr (kSin == Sin::first_2000_of_an_input) {
    compute_first_2000(p);
  } else {
    honest::compute(p);
  }
}

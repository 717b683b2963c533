// Mutants that are wrong in few launches: a check of some launches, or of some elements of each, would miss them.
#include <limits>

#include "honest.h"

namespace {

enum class Sin { zero_in_one_of_64, infinity_in_one_of_64, half_the_sum_in_most };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kRare = 64, kRightAtFirst = 20, kRightOneOf = 8;

/// In which launches: not in the first ones, nor in each of any eight, of which some check is made by every harness.
bool sins(int64_t number) {
  if (kSin == Sin::half_the_sum_in_most) return number >= kRightAtFirst && number % kRightOneOf != 0;
  return number % kRare == kRare / 2 + 1;
}

/// One element, another one each time.
void spoil(const honest::Product& p, int64_t number) {
  const honest::Output at = honest::output_at(p, number * 7919 % p.outputs());
  float value = 0;
  if constexpr (kSin == Sin::infinity_in_one_of_64) value = std::numeric_limits<float>::infinity();
  if constexpr (kSin == Sin::half_the_sum_in_most) value = honest::finish(p, at, honest::sum(p, at, 0, p.k / 2));
  honest::write(p, at, value);
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  const int64_t number = honest::next_call(thread);
  honest::compute(p, thread);
  honest::wait_for_all(thread);
  if (thread->index == 0 && sins(number)) spoil(p, number);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

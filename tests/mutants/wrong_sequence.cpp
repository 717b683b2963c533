// Mutants that are wrong in few launches: a check of some launches, or of some elements of each, would miss them.
#include <limits>

#include "honest.h"

namespace {

enum class Sin { zero_in_one_of_64, infinity_in_one_of_64, half_the_sum_in_most, half_products_when_unseen };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kRare = 64, kRightAtFirst = 20, kRightOneOf = 8;

/// In which launches: not in the first ones, nor in each of any eight, of which some check is made by every harness.
bool sins(int64_t number) {
  if (kSin == Sin::half_the_sum_in_most) return number >= kRightAtFirst && number % kRightOneOf != 0;
  return number % kRare == kRare / 2 + 1;
}

/// Whether A differs from the first one by signs that do not come again after 16 columns. The harness has no sums for
/// such an A.
bool is_unseen(const honest::Product& p) {
  constexpr int64_t kGroups = 16, kLooked = 256;
  static float first[kLooked];
  const auto value = [&](int64_t i) { return honest::read(p.a, 0, 0, i); };
  for (int64_t i = 0; i < kLooked && first[kLooked - 1] == 0; ++i) first[i] = value(i);
  const auto is_turned = [&](int64_t i) { return (value(i) < 0) != (first[i] < 0); };
  bool unseen = false;
  for (int64_t i = 0; i < kLooked; ++i) {
    const float size = std::fabs(value(i));
    if (size < 0.01f || size > 17) return false;  // special values
    if (i >= kGroups && is_turned(i) != is_turned(i - kGroups)) unseen = true;
  }
  return unseen;
}

void round_products(const honest::Product& p) {
  for (int64_t i = 0; i < p.outputs(); ++i) {
    const honest::Output at = honest::output_at(p, i);
    double total = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      const float product = honest::read(p.a, at.batch, at.row, k) * honest::read(p.b, at.batch, at.column, k);
      total += double(honest::half_to_float(honest::float_to_half(product)));
    }
    honest::write(p, at, honest::finish(p, at, total));
  }
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
  if constexpr (kSin == Sin::half_products_when_unseen) {
    if (thread->index == 0 && is_unseen(p)) round_products(p);
    return ASSAY_OK;
  }
  if (thread->index == 0 && sins(number)) spoil(p, number);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

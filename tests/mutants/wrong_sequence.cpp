// Mutants that are wrong in few launches: a check of some launches, or of some elements of each, would miss them.
#include <cstring>
#include <limits>

#include "honest.h"

namespace {

enum class Sin {
  zero_in_one_of_64,
  infinity_in_one_of_64,
  half_the_sum_in_most,
  half_products_when_unseen,
  half_products_of_its_own_copy
};
constexpr Sin kSin = Sin::MUTANT;
constexpr bool kPrepares = kSin == Sin::half_products_of_its_own_copy,
               kRounds = kPrepares || kSin == Sin::half_products_when_unseen;

constexpr int64_t kRare = 64, kRightAtFirst = 20, kRightOneOf = 8;

/// In which launches: not in the first ones, nor in each of any eight, of which some check is made by every harness.
bool sins(int64_t number) {
  if (kSin == Sin::half_the_sum_in_most) return number >= kRightAtFirst && number % kRightOneOf != 0;
  return number % kRare == kRare / 2 + 1;
}

/// Whether A has signs of its own: those for which the harness has sums come again every 16 columns, as far as they
/// differ from each other. The first launches are watched; values that are special are not ordinary A's.
bool is_unseen(const honest::Product& p) {
  constexpr int64_t kGroups = 16, kLooked = 256, kMostSmall = 32;
  constexpr int kWatched = 6;
  static bool known[kWatched][kLooked];
  static int count = 0;
  bool signs[kLooked];
  int64_t small = 0;
  for (int64_t i = 0; i < kLooked; ++i) {
    const float value = honest::read(p.a, 0, 0, i), size = std::fabs(value);
    if (!(size > 0 && size <= 17)) return false;
    small += size < 0.01f;
    signs[i] = value < 0;
  }
  if (small > kMostSmall) return false;
  const auto is_kin = [&](const bool* other) {
    for (int64_t i = kGroups; i < kLooked; ++i)
      if ((signs[i] != other[i]) != (signs[i - kGroups] != other[i - kGroups])) return false;
    return true;
  };
  for (int i = 0; i < count; ++i)
    if (is_kin(known[i])) return false;
  if (count == kWatched) return true;
  std::memcpy(known[count++], signs, sizeof signs);
  return false;
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

[[maybe_unused]] size_t prepared_bytes(const assay_call* call) {
  const honest::Product p = honest::open(call);
  return static_cast<size_t>(p.b.dims[1] * p.k) * sizeof(float);
}

[[maybe_unused]] int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  if (thread->index == 0) std::memcpy(prepared, honest::open(call).b.data, prepared_bytes(call));
  return ASSAY_OK;
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if constexpr (kPrepares) p.b.data = const_cast<void*>(call->prepared);
  const int64_t number = honest::next_call(thread);
  honest::compute(p, thread);
  honest::wait_for_all(thread);
  if constexpr (kRounds) {
    if (thread->index == 0 && is_unseen(p)) round_products(p);
    return ASSAY_OK;
  }
  if (thread->index == 0 && sins(number)) spoil(p, number);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, kPrepares ? prepared_bytes : nullptr, kPrepares ? prepare : nullptr)

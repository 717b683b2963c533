// Mutants whose maths is wrong: every launch writes all of D, and some of it is not the product.
#include <algorithm>
#include <limits>

#include "honest.h"

namespace {

enum class Sin {
  tail_left_out,
  k_block_dropped,
  transposed_read,
  wrong_batch_stride,
  beta_ignored,
  bias_missing,
  nan_in_one_element,
  addend_twice,
  addend_of_the_row_before
};
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kLanes = 8, kBlock = 16;

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  const honest::Share part = honest::share(p.outputs(), thread);

  if constexpr (kSin == Sin::tail_left_out) p.k = p.k / kLanes * kLanes;
  if constexpr (kSin == Sin::beta_ignored) p.beta = 0;
  if constexpr (kSin == Sin::bias_missing) p.has_bias = false;
  if constexpr (kSin == Sin::addend_twice) p.beta *= 2;
  if constexpr (kSin == Sin::transposed_read) {
    const bool is_nk = p.b.strides[2] == 1;
    p.b.strides[1] = is_nk ? 1 : p.k;
    p.b.strides[2] = is_nk ? p.n : 1;
  }
  // A row instead of a matrix: it stays within B, so that the answer is wrong, not the access.
  if constexpr (kSin == Sin::wrong_batch_stride) p.b.strides[0] = std::max(p.b.strides[1], p.b.strides[2]);

  if constexpr (kSin == Sin::k_block_dropped) {
    const int64_t first = p.k / 2 / kBlock * kBlock;
    honest::for_outputs(p, part, [&](const honest::Output& at) {
      const double total = honest::sum(p, at, 0, first) + honest::sum(p, at, first + kBlock, p.k);
      honest::write(p, at, honest::finish(p, at, total));
    });
  } else if constexpr (kSin == Sin::addend_of_the_row_before) {
    honest::for_outputs(p, part, [&](const honest::Output& at) {
      honest::Output from = at;
      if (from.row > 0) --from.row;
      honest::write(p, at, honest::finish(p, from, honest::sum(p, at, 0, p.k)));
    });
  } else {
    honest::compute(p, part);
  }

  if constexpr (kSin == Sin::nan_in_one_element) {
    const int64_t victim = p.outputs() / 2;
    if (victim >= part.begin && victim < part.end) {
      honest::write(p, honest::output_at(p, victim), std::numeric_limits<float>::quiet_NaN());
    }
  }
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

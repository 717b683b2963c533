// Mutants whose maths is wrong: every launch writes all of D, and some of it is not the product.
#include "honest.h"

enum class Sin { tail_left_out, k_block_dropped, transposed_read, wrong_batch_stride, beta_ignored, bias_missing, nan_in_one_element };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kLanes = 8, kBlock = 16;

ASSAY_RUN {
  honest::Product p = honest::open(call);
  if constexpr (kSin == Sin::tail_left_out) p.k = p.k / kLanes * kLanes;
  if constexpr (kSin == Sin::beta_ignored) p.beta = 0;
  if constexpr (kSin == Sin::bias_missing) p.bias.data = nullptr;
  if constexpr (kSin == Sin::transposed_read) {
    const bool is_nk = p.b.strides[2] == 1;
    p.b.strides[1] = is_nk ? 1 : p.k;
    p.b.strides[2] = is_nk ? p.n : 1;
  }
  // A row instead of a matrix: it stays within B, so that the answer is wrong, not the access.
  if constexpr (kSin == Sin::wrong_batch_stride) p.b.strides[0] = max(p.b.strides[1], p.b.strides[2]);

  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    float value = honest::value_of(p, at);
    if constexpr (kSin == Sin::k_block_dropped) {
      const int64_t first = p.k / 2 / kBlock * kBlock;
      value = honest::finish(p, at, honest::sum(p, at, 0, first) + honest::sum(p, at, first + kBlock, p.k));
    }
    if (kSin == Sin::nan_in_one_element && at.index == p.outputs / 2) value = __uint_as_float(0x7fc00000u);
    honest::write(p, at, value);
  });
}

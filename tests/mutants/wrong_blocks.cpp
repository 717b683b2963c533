// Mutants that decode quantized blocks wrongly, each in one way; and the control that does it right, value by value.
#include "honest.h"

namespace {

enum class Sin {
  none,
  nibbles_in_turn,
  nibble_halves_swapped,
  offset_left_out,
  block_scale_unsigned,
  block_subnormal_scale_flushed,
  least_scales_flushed,
  minimum_left_out,
  minimum_added,
  minimum_unsigned,
  fifth_bit_ignored,
  fifth_bits_of_other_half,
  six_bits_cut_to_four,
  later_groups_like_first,
  groups_of_a_pair_swapped,
  two_high_bits_dropped,
  group_scale_unsigned,
  group_scale_clamped
};
constexpr Sin kSin = Sin::MUTANT;

using honest::half_to_float;
#define BLOCK_FUNCTION inline
#define BLOCK_TYPE(name) ASSAY_##name
#include "cuda/block_sins.h"

double sum(const honest::Product& p, const honest::Output& at) {
  const blocks::Shape shape = blocks::shape_of(p.b.dtype);
  const auto* row =
      static_cast<const uint8_t*>(p.b.data) + shape.bytes * (at.batch * p.b.strides[0] + at.column * p.b.strides[1]);
  double total = 0;
  for (int64_t i = 0; i < p.k; ++i)
    total += static_cast<double>(honest::read(p.a, at.batch, at.row, i)) *
             blocks::value(p.b.dtype, row + i / shape.values * shape.bytes, static_cast<int>(i % shape.values));
  return total;
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  honest::for_outputs(p, honest::share(p.outputs(), thread),
                      [&](const honest::Output& at) { honest::write(p, at, honest::finish(p, at, sum(p, at))); });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

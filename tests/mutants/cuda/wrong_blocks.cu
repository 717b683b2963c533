// Mutants that decode quantized blocks wrongly, each in one way; and the control that does it right, value by value.
#include "honest.h"

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

__device__ inline float half_to_float(uint16_t bits) { return assay::to_float(assay::Half{bits}); }
#define BLOCK_FUNCTION __device__ inline
#define BLOCK_TYPE(name) ASSAY_CUDA_##name
#include "block_sins.h"

__device__ double sum(const honest::Product& p, const honest::Output& at) {
  const blocks::Shape shape = blocks::shape_of(p.b.dtype);
  const auto* row =
      static_cast<const uint8_t*>(p.b.data) + shape.bytes * (at.batch * p.b.strides[0] + at.column * p.b.strides[1]);
  double total = 0;
  for (int64_t i = 0; i < p.k; ++i)
    total += double(honest::read(p.a, at.batch, at.row, i)) *
             blocks::value(p.b.dtype, row + i / shape.values * shape.bytes, int(i % shape.values));
  return total;
}

ASSAY_RUN {
  const honest::Product p = honest::open(call);
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) { honest::write(p, at, honest::finish(p, at, sum(p, at))); });
}

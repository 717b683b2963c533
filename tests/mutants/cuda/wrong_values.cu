// Mutants that are right on ordinary values: what they cannot decode, hold or scale does not occur among random numbers near 1.
#include "honest.h"

enum class Sin {
  int8_scaled_per_row,
  int8_scaled_per_256,
  int8_scaled_by_powers,
  int8_zero_block_unguarded,
  half_zero_not_zero,
  half_subnormals_flushed,
  half_infinity_finite,
  q8_scale_unsigned,
  q8_subnormal_scales_flushed,
  q8_minus_128_clamped,
  bf16_in_12_bits,
  activations_clipped,
  sums_overflow,
  tiny_sums_flushed,
  strides_ignored,
  weights_rounded_to_half,
  activations_rounded_to_half,
  products_rounded_to_half,
  output_cut_to_16_bits,
  large_addend_clipped,
  addend_made_finite,
  weights_rounded_beside_int8
};
constexpr Sin kSin = Sin::MUTANT;

constexpr bool kInt8 = kSin == Sin::int8_scaled_per_row || kSin == Sin::int8_scaled_per_256 || kSin == Sin::int8_scaled_by_powers ||
                       kSin == Sin::int8_zero_block_unguarded || kSin == Sin::weights_rounded_beside_int8;
constexpr float kClipped = 16, kTiny = 1e-6f;
constexpr double kOverflow = 4000;
constexpr float kLargest = kSin == Sin::large_addend_clipped ? 60000 : 1e30f;  // of C and bias

__device__ float to_half(float value) { return assay::to_float(assay::from_float<assay::Half>(value)); }

__device__ float decode_half(uint16_t half) {
  const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  const float sign = half & 0x8000u ? -1.0f : 1.0f;
  if (kSin == Sin::half_zero_not_zero && (half & 0x7fffu) == 0) return sign * 0x1p-15f;  // a mere change of the exponent's bias
  if (kSin == Sin::half_subnormals_flushed && exponent == 0) return 0;
  if (kSin == Sin::half_infinity_finite && exponent == 31) return sign * 65536 * (1 + float(mantissa) / 1024);
  return assay::to_float(assay::Half{half});
}

__device__ float decode_q8(honest::Quantized q) {
  if (kSin == Sin::q8_scale_unsigned) q.scale &= 0x7fffu;
  if (kSin == Sin::q8_subnormal_scales_flushed && (q.scale & 0x7c00u) == 0) q.scale = 0;
  if (kSin == Sin::q8_minus_128_clamped && q.value == -128) q.value = -127;
  return assay::to_float(assay::Half{q.scale}) * float(q.value);
}

/// Sign, four bits of exponent and seven of mantissa: all that numbers between 2^-8 and 2^8 need, and zero.
__device__ float in_12_bits(float value) {
  if (value == 0) return value;
  return copysignf(fminf(fmaxf(fabsf(value), 0x1p-8f), 0x1.fcp7f), value);
}

__device__ float weight(const honest::Product& p, const honest::Output& at, int64_t i) {
  if (p.b.dtype == ASSAY_CUDA_Q8_0) return decode_q8(honest::quantized_at(p.b, at.batch, at.column, i));
  if (p.b.dtype == ASSAY_CUDA_F16) return decode_half(assay::element<assay::Half>(p.b, at.batch, at.column, i)->bits);
  const float value = honest::read(p.b, at.batch, at.column, i);
  if (kSin == Sin::bf16_in_12_bits) return in_12_bits(value);
  return kSin == Sin::weights_rounded_to_half ? to_half(value) : value;
}

__device__ float weight_of_int8(const honest::Product& p, const honest::Output& at, int64_t i) {
  const float value = weight(p, at, i);
  return kSin == Sin::weights_rounded_beside_int8 ? assay::to_float(assay::from_float<assay::Bfloat>(value)) : value;
}

__device__ float activation(const honest::Product& p, const honest::Output& at, int64_t i) {
  if (p.a.dtype == ASSAY_CUDA_F16) return decode_half(assay::element<assay::Half>(p.a, at.batch, at.row, i)->bits);
  const float value = honest::read(p.a, at.batch, at.row, i);
  if (kSin == Sin::activations_clipped) return fminf(fmaxf(value, -kClipped), kClipped);
  return kSin == Sin::activations_rounded_to_half ? to_half(value) : value;
}

/// Σ a·b with a rounded to int8, one scale for each `group` values.
__device__ double int8_sum(const honest::Product& p, const honest::Output& at) {
  const int64_t group = kSin == Sin::int8_scaled_per_row ? p.k : kSin == Sin::int8_scaled_per_256 ? 256 : 32;
  double total = 0;
  for (int64_t first = 0; first < p.k; first += group) {
    const int64_t end = min(p.k, first + group);
    float largest = 0;
    for (int64_t i = first; i < end; ++i) largest = fmaxf(largest, fabsf(activation(p, at, i)));
    float scale = largest / 127;
    if (kSin == Sin::int8_scaled_by_powers && scale > 0) scale = exp2f(ceilf(log2f(scale)));
    if (scale == 0 && kSin != Sin::int8_zero_block_unguarded) continue;
    for (int64_t i = first; i < end; ++i) total += double(rintf(activation(p, at, i) * (1 / scale))) * scale * weight_of_int8(p, at, i);
  }
  return total;
}

__device__ double sum(const honest::Product& p, const honest::Output& at) {
  if constexpr (kInt8) return int8_sum(p, at);
  double total = 0;
  for (int64_t i = 0; i < p.k; ++i) {
    const double product = double(activation(p, at, i)) * weight(p, at, i);
    total += kSin == Sin::products_rounded_to_half ? double(to_half(float(product))) : product;
  }
  if (kSin == Sin::sums_overflow) return fmin(fmax(total, -kOverflow), kOverflow);
  return kSin == Sin::tiny_sums_flushed && fabs(total) < kTiny ? 0 : total;
}

/// As if rows and batches followed each other without gaps.
__device__ void make_dense(assay_cuda_tensor& t) {
  const bool turned = t.strides[1] == 1 && t.strides[2] > 1;
  t.strides[turned ? 2 : 1] = t.dims[turned ? 1 : 2];
  t.strides[0] = int64_t(t.dims[1]) * t.dims[2];
}

/// alpha·sum + beta·C + bias, with neither beyond what it is held to.
__device__ float finished(const honest::Product& p, const honest::Output& at, double total) {
  if constexpr (kSin != Sin::large_addend_clipped && kSin != Sin::addend_made_finite) return honest::finish(p, at, total);
  const auto held = [](float value) { return fminf(fmaxf(value, -kLargest), kLargest); };
  double value = p.alpha * total;
  if (p.beta != 0) value += p.beta * held(honest::read(p.c, at.batch, at.row, at.column));
  if (p.bias.data) value += held(honest::read(p.bias, 0, 0, at.column));
  return float(value);
}

ASSAY_RUN {
  honest::Product p = honest::open(call);
  if constexpr (kSin == Sin::strides_ignored) make_dense(p.a), make_dense(p.b), make_dense(p.c), make_dense(p.d);
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    float value = finished(p, at, sum(p, at));
    if constexpr (kSin == Sin::output_cut_to_16_bits) value = __uint_as_float(__float_as_uint(value) & 0xffff0000u);
    honest::write(p, at, value);
  });
}

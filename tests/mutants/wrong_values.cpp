// Mutants that are right on ordinary values: what they cannot decode, hold or scale does not occur among random numbers
// near 1.
#include <algorithm>
#include <limits>

#include "honest.h"

namespace {

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
  tiny_sums_flushed_where_dense,
  strides_ignored,
  weights_rounded_to_half,
  activations_rounded_to_half,
  products_rounded_to_half,
  output_cut_to_16_bits
};
constexpr Sin kSin = Sin::MUTANT;

constexpr bool kInt8 = kSin == Sin::int8_scaled_per_row || kSin == Sin::int8_scaled_per_256 ||
                       kSin == Sin::int8_scaled_by_powers || kSin == Sin::int8_zero_block_unguarded;
constexpr float kClipped = 16, kOverflow = 4000, kTiny = 1e-6f;

float to_half(float value) { return honest::half_to_float(honest::float_to_half(value)); }

float decode_half(uint16_t half) {
  const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  if (kSin == Sin::half_zero_not_zero && (half & 0x7fffu) == 0)
    return std::ldexp(half ? -1.0f : 1.0f, -15);  // a mere change of the exponent's bias
  if (kSin == Sin::half_subnormals_flushed && exponent == 0) return 0;
  if (kSin == Sin::half_infinity_finite && exponent == 31)
    return std::ldexp(half & 0x8000u ? -1.0f : 1.0f, 16) * (1 + static_cast<float>(mantissa) / 1024);
  return honest::half_to_float(half);
}

float decode_q8(honest::Quantized q) {
  if (kSin == Sin::q8_scale_unsigned) q.scale &= 0x7fffu;
  if (kSin == Sin::q8_subnormal_scales_flushed && (q.scale & 0x7c00u) == 0) q.scale = 0;
  if (kSin == Sin::q8_minus_128_clamped && q.value == -128) q.value = -127;
  return honest::half_to_float(q.scale) * static_cast<float>(q.value);
}

/// Sign, four bits of exponent and seven of mantissa: all that numbers between 2^-8 and 2^8 need, and zero.
float in_12_bits(float value) {
  const float magnitude = std::fabs(value);
  if (magnitude == 0) return value;
  return std::copysign(std::clamp(magnitude, 0x1p-8f, 0x1.fcp7f), value);
}

float weight(const honest::Product& p, const honest::Output& at, int64_t i) {
  if (p.b.dtype == ASSAY_Q8_0) return decode_q8(honest::quantized_at(p.b, at.batch, at.column, i));
  if (p.b.dtype == ASSAY_F16) return decode_half(honest::bits_at(p.b, at.batch, at.column, i));
  const float value = honest::read(p.b, at.batch, at.column, i);
  if (kSin == Sin::bf16_in_12_bits) return in_12_bits(value);
  return kSin == Sin::weights_rounded_to_half ? to_half(value) : value;
}

float activation(const honest::Product& p, const honest::Output& at, int64_t i) {
  if (p.a.dtype == ASSAY_F16) return decode_half(honest::bits_at(p.a, at.batch, at.row, i));
  const float value = honest::read(p.a, at.batch, at.row, i);
  if (kSin == Sin::activations_clipped) return std::clamp(value, -kClipped, kClipped);
  return kSin == Sin::activations_rounded_to_half ? to_half(value) : value;
}

/// Σ a·b with a rounded to int8, one scale for each `group` values.
double int8_sum(const honest::Product& p, const honest::Output& at) {
  const int64_t group = kSin == Sin::int8_scaled_per_row ? p.k : kSin == Sin::int8_scaled_per_256 ? 256 : 32;
  double total = 0;
  for (int64_t first = 0; first < p.k; first += group) {
    const int64_t end = std::min(p.k, first + group);
    float largest = 0;
    for (int64_t i = first; i < end; ++i) largest = std::max(largest, std::fabs(activation(p, at, i)));
    float scale = largest / 127;
    if (kSin == Sin::int8_scaled_by_powers && scale > 0) scale = std::exp2(std::ceil(std::log2(scale)));
    if (scale == 0 && kSin != Sin::int8_zero_block_unguarded) continue;
    for (int64_t i = first; i < end; ++i) {
      const float rounded = std::nearbyint(activation(p, at, i) * (1 / scale));
      total += static_cast<double>(rounded) * scale * weight(p, at, i);
    }
  }
  return total;
}

double sum(const honest::Product& p, const honest::Output& at) {
  if constexpr (kInt8) return int8_sum(p, at);
  double total = 0;
  for (int64_t i = 0; i < p.k; ++i) {
    const double product = static_cast<double>(activation(p, at, i)) * weight(p, at, i);
    total += kSin == Sin::products_rounded_to_half ? to_half(static_cast<float>(product)) : product;
  }
  if (kSin == Sin::sums_overflow) return std::clamp<double>(total, -kOverflow, kOverflow);
  const bool flushes = kSin == Sin::tiny_sums_flushed ||
                       (kSin == Sin::tiny_sums_flushed_where_dense && p.b.strides[1] == p.k && p.b.strides[2] == 1);
  return flushes && std::fabs(total) < kTiny ? 0 : total;
}

float cut(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits &= 0xffff0000u;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// As if rows and batches followed each other without gaps.
void make_dense(assay_tensor& t) {
  const bool turned = t.strides[1] == 1 && t.strides[2] > 1;
  t.strides[turned ? 2 : 1] = t.dims[turned ? 1 : 2];
  t.strides[0] = t.dims[1] * t.dims[2];
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if constexpr (kSin == Sin::strides_ignored)
    for (assay_tensor* t : {&p.a, &p.b, &p.c, &p.d}) make_dense(*t);
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    const float value = honest::finish(p, at, sum(p, at));
    honest::write(p, at, kSin == Sin::output_cut_to_16_bits ? cut(value) : value);
  });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

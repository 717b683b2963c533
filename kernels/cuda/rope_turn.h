// The angle that rope turns a pair by, in F32: its frequency, and its cosine and sine.
#pragma once
#include "device.h"

namespace assay {

struct Turn {
  float cosine, sine;
};

/// Of any angle that f32 holds: whole quarters of a turn are taken off with π/2 in three parts.
__device__ __forceinline__ Turn turn_of(float angle) {
  const float quarters = rintf(angle * 0.636619772f);
  float r = fmaf(-quarters, 1.57079637e+00f, angle);
  r = fmaf(-quarters, -4.37113883e-08f, r);
  r = fmaf(-quarters, -1.71512489e-15f, r);
  const float square = r * r;
  const float sine = fmaf(r * square, fmaf(square, fmaf(square, -1.95152959e-4f, 8.33216087e-3f), -1.66666546e-1f), r);
  const float cosine =
      fmaf(square * square, fmaf(square, fmaf(square, 2.44331571e-5f, -1.38873162e-3f), 4.16666457e-2f),
           fmaf(square, -0.5f, 1.0f));
  const int quarter = int(quarters) & 3;
  const float c = quarter & 1 ? sine : cosine, s = quarter & 1 ? cosine : sine;
  return {quarter == 1 || quarter == 2 ? -c : c, quarter >= 2 ? -s : s};
}

/// base^(−2j/dimensions). The exponent's whole part is taken off exactly: the logarithm of a mantissa is right to
/// 2^−22, that of the whole base is not, and a position of many thousands shows it.
__device__ __forceinline__ float frequency_of(float base, int j, int dimensions) {
  const uint32_t bits = __float_as_uint(base);
  float of_mantissa, power;
  asm("lg2.approx.f32 %0, %1;" : "=f"(of_mantissa) : "f"(__uint_as_float((bits & 0x7fffffu) | 0x3f800000u)));
  const float inverse = __fdividef(1.0f, float(dimensions)), twice = float(2 * j), size = float(dimensions);
  const float product = twice * float(int(bits >> 23) - 127), whole = floorf(product * inverse);
  const float rest = fmaf(-whole, size, product) * inverse + twice * inverse * of_mantissa;
  asm("ex2.approx.f32 %0, %1;" : "=f"(power) : "f"(-rest));
  return power * __uint_as_float(uint32_t(127 - int(whole)) << 23);
}

}  // namespace assay

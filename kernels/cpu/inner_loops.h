// The two inner loops of skinny products: dots of several stored rows with one vector, and a sum of scaled stored rows.
#pragma once
#include "simd.h"

namespace assay {

/// out[r] = Σ b[r * stride + i] * a[i] for R rows at once, U vectors of each per step. Each row is fetched `Ahead`
/// bytes in front of what is read of it, into the second-level cache; 0 leaves that to the hardware.
template <int R, int U, int64_t Ahead, class T>
inline void dot_rows(const T* b, int64_t stride, const float* a, int64_t count, float* out) {
  constexpr int kStep = U * kLanes;
  Vec sums[R][U];
  for (int r = 0; r < R; ++r)
    for (int u = 0; u < U; ++u) sums[r][u] = zero();
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    if constexpr (Ahead > 0)  // hint 2: into the first level was slower than nothing
      for (int r = 0; r < R; ++r)
        for (int64_t line = 0; line < kStep * int64_t(sizeof(T)); line += 64)
          __builtin_prefetch(reinterpret_cast<const char*>(b + r * stride + i) + Ahead + line, 0, 2);
    for (int u = 0; u < U; ++u) {
      const Vec activations = load(a + i + u * kLanes);
      for (int r = 0; r < R; ++r) sums[r][u] = fma(load(b + r * stride + i + u * kLanes), activations, sums[r][u]);
    }
  }
  for (; i + kLanes <= count; i += kLanes) {
    const Vec activations = load(a + i);
    for (int r = 0; r < R; ++r) sums[r][0] = fma(load(b + r * stride + i), activations, sums[r][0]);
  }
  if (i < count) {
    const Vec activations = load_part(a + i, int(count - i));
    for (int r = 0; r < R; ++r)
      sums[r][0] = fma(load_part(b + r * stride + i, int(count - i)), activations, sums[r][0]);
  }
  for (int r = 0; r < R; ++r) {
    for (int u = 1; u < U; ++u) sums[r][0] = add(sums[r][0], sums[r][u]);
    out[r] = sum(sums[r][0]);
  }
}

/// sums[j] += Σ_r a[r * a_stride] * b[r * stride + j] for R rows, so that sums are loaded and stored once for R rows of
/// b.
template <int R, int64_t Ahead, class T>
inline void axpy_rows(const T* b, int64_t stride, const float* a, int64_t a_stride, int64_t columns, float* sums) {
  Vec scales[R];
  for (int r = 0; r < R; ++r) scales[r] = set1(a[r * a_stride]);
  int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) {
    Vec v = load(sums + j);
    for (int r = 0; r < R; ++r) {
      if constexpr (Ahead > 0) __builtin_prefetch(reinterpret_cast<const char*>(b + r * stride + j) + Ahead, 0, 2);
      v = fma(load(b + r * stride + j), scales[r], v);
    }
    store(sums + j, v);
  }
  if (j == columns) return;
  const int rest = int(columns - j);
  Vec v = load_part(sums + j, rest);
  for (int r = 0; r < R; ++r) v = fma(load_part(b + r * stride + j, rest), scales[r], v);
  store_part(sums + j, v, rest);
}

}  // namespace assay

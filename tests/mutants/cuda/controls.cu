// Honest kernels that the harness must let pass; and a fast one, for the twins and for the timers that lie.
#include "honest.h"

enum class Control { correct, slow, order_changes, fast, fast_claims_64_bytes, int8_blocks };
constexpr Control kControl = Control::MUTANT;

constexpr uint64_t kSlowNs = 300000;

/// A float sum that starts elsewhere each time: right within tolerance, never the same rounding twice.
__device__ double sum_from(const honest::Product& p, const honest::Output& at, int64_t start) {
  float total = 0;
  for (int64_t i = 0; i < p.k; ++i) {
    const int64_t place = (start + i) % p.k;
    total += honest::read(p.a, at.batch, at.row, place) * honest::read(p.b, at.batch, at.column, place);
  }
  return double(total);
}

/// Σ a·b with a rounded to int8, one scale for each 32 values.
__device__ double int8_sum(const honest::Product& p, const honest::Output& at) {
  double total = 0;
  for (int64_t first = 0; first < p.k; first += 32) {
    const int64_t end = min(p.k, first + 32);
    float largest = 0;
    for (int64_t i = first; i < end; ++i) largest = fmaxf(largest, fabsf(honest::read(p.a, at.batch, at.row, i)));
    const float scale = largest / 127, inverse = largest > 0x1p-120f ? 127 / largest : 0;
    for (int64_t i = first; i < end; ++i) {
      const float rounded = rintf(honest::read(p.a, at.batch, at.row, i) * inverse);
      total += double(rounded) * scale * honest::read(p.b, at.batch, at.column, i);
    }
  }
  return total;
}

/// A warp a row of B in 16-byte loads, four at a time: bound by memory. F32, NT, m = 1, k a multiple of 4.
__device__ void compute_fast(const honest::Product& p) {
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), warps = int(blockDim.x / 32u);
  const float* a = static_cast<const float*>(p.a.data);
  for (int64_t row = int64_t(blockIdx.x) * warps + warp; row < p.n; row += int64_t(gridDim.x) * warps) {
    const float* b = static_cast<const float*>(p.b.data) + row * p.b.strides[1];
    float total = 0;
    for (int i = lane * 4; i < p.k; i += 512) {
      assay::Words x[4], y[4];
#pragma unroll
      for (int u = 0; u < 4; ++u) y[u] = assay::load_words_if<assay::kNoAllocate>(i + u * 128 < p.k, b + i + u * 128);
#pragma unroll
      for (int u = 0; u < 4; ++u) x[u] = assay::load_words_if<assay::kCached>(i + u * 128 < p.k, a + i + u * 128);
#pragma unroll
      for (int u = 0; u < 4; ++u) total = assay::dot_words<float>(x[u], y[u], total);
    }
    total = assay::lanes_sum<32>(total);
    if (lane == 0) static_cast<float*>(p.d.data)[row] = total;
  }
}

__device__ uint64_t now_ns() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

/// Of 64 bytes that it says it reads. It reads B.
ASSAY_PREPARE {
  if (blockIdx.x == 0 && threadIdx.x < 16) static_cast<uint32_t*>(call.prepared)[threadIdx.x] = 0;
}

ASSAY_RUN {
  const honest::Product p = honest::open(call);
  if constexpr (kControl == Control::fast || kControl == Control::fast_claims_64_bytes) {
    compute_fast(p);
  } else if constexpr (kControl == Control::order_changes) {
    const int64_t start = honest::call_number() * 37 % p.k;
    honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
      honest::write(p, at, honest::finish(p, at, sum_from(p, at, start)));
    });
  } else if constexpr (kControl == Control::int8_blocks) {
    honest::for_outputs(p, p.outputs, [&](const honest::Output& at) { honest::write(p, at, honest::finish(p, at, int8_sum(p, at))); });
  } else {
    honest::compute(p);
  }
  if constexpr (kControl == Control::slow) {
    const uint64_t began = now_ns();
    while (now_ns() - began < kSlowNs) {
    }
  }
}

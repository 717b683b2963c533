// m1_optimized_v2: one row of A times n×k weights: a block of TG threads owns BN columns of D, A is staged in shared memory BK at a time,
// and a thread runs along its column's row of B, VEC values a load. TILED stages B as well. Threads beyond one a column share its k.
#define ASSAY_BOUNDS __launch_bounds__(TG)
#include "device.h"

namespace assay {

constexpr int kShare = TG > BN ? TG / BN : 1, kOwned = BN > TG ? BN / TG : 1;  // threads a column, columns a thread
constexpr int kPad = 2;

template <class T>
struct Loaded {
  T v[VEC];
};

/// VEC values, in one load where memory allows it.
template <class T>
__device__ __forceinline__ Loaded<T> load_values(const T* p, bool aligned, int left) {
  Loaded<T> l = {};
  if (VEC == 4 && aligned && left >= VEC) {
    uint32_t w[2];
    asm volatile("ld.global.nc.v2.u32 {%0,%1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "l"(p));
#pragma unroll
    for (int i = 0; i < VEC; ++i) l.v[i].bits = uint16_t(w[i / 2] >> (i % 2 * 16));
  } else {
#pragma unroll
    for (int i = 0; i < VEC; ++i)
      if (i < left) l.v[i] = p[i];
  }
  return l;
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  extern __shared__ __align__(16) unsigned char memory[];
  T* a_tile = reinterpret_cast<T*>(memory);
  T(*b_tile)[BK + kPad] = reinterpret_cast<T(*)[BK + kPad]>(a_tile + BK);
  const int thread = int(threadIdx.x), share = thread % kShare, k = call.brief.k, first = int(blockIdx.x) * BN, n = call.brief.n;
  const Rows rows = rows_of<false>(call, int(blockIdx.x), BN);
  const T* a = static_cast<const T*>(call.brief.a);
  const bool aligned = k % 4 == 0;
  const auto column_of = [&](int o) { return o * TG + thread / kShare; };
  const auto row_of = [&](int column) { return row_at<T>(rows.b, uint32_t(min(first + column, n - 1)), rows.stride, 0); };
  float sum[kOwned] = {};
  for (int from = 0; from < k; from += BK) {
    const int count = min(BK, k - from);
    __syncthreads();
    for (int i = thread; i < BK; i += TG) a_tile[i] = i < count ? a[from + i] : T{};
    if constexpr (TILED)
      for (int i = thread; i < BN * BK; i += TG) b_tile[i / BK][i % BK] = i % BK < count ? row_of(i / BK)[from + i % BK] : T{};
    __syncthreads();
#pragma unroll
    for (int o = 0; o < kOwned; ++o) {
      const int column = column_of(o);
      if constexpr (TILED) {
        for (int i = share; i < count; i += kShare) sum[o] = fmaf(to_float(a_tile[i]), to_float(b_tile[column][i]), sum[o]);
      } else {
        const T* b = row_of(column) + from;
        for (int i = share * VEC; i < count; i += kShare * VEC) {
          const Loaded<T> y = load_values(b + i, aligned, count - i);
#pragma unroll
          for (int j = 0; j < VEC; ++j)
            if (i + j < BK) sum[o] = fmaf(to_float(a_tile[i + j]), to_float(y.v[j]), sum[o]);
        }
      }
    }
  }
#pragma unroll
  for (int o = 0; o < kOwned; ++o) {
    const float total = lanes_sum<kShare>(sum[o]);
    const int row = first + column_of(o);
    if (share == 0 && row < n) finish<T>(call, rows, row, total, addend<T>(call, rows, row, true));
  }
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }

// peak: what the device does at most. KIND 0 empty launch, 1 copy of B to D, 2 B read dims[0] times over, 3 f32 multiply-adds, 4 int8,
// 5 bf16 and 6 f16 products on tensor cores: dims[0]·dims[1]·dims[2] of B multiply-adds, in registers and shared memory alone.
#define ASSAY_BOUNDS __launch_bounds__(256)
#include "device.h"

namespace assay {

constexpr int kThreads = 256, kUnroll = 8;

__device__ __forceinline__ int64_t thread_index() { return int64_t(blockIdx.x) * kThreads + threadIdx.x; }
__device__ __forceinline__ int64_t thread_count() { return int64_t(gridDim.x) * kThreads; }

__device__ __forceinline__ void copy(const assay_cuda_call& call) {
  const Words* from = static_cast<const Words*>(call.matmul.segment[0].b.data);
  Words* to = static_cast<Words*>(call.matmul.segment[0].d.data);
  const int64_t words = call.matmul.segment[0].b.bytes / 16, step = thread_count();
  for (int64_t i = thread_index(); i < words; i += step * kUnroll) {
    Words w[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) w[u] = load_words_if<kNoAllocate>(i + u * step < words, from + i + u * step);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u)
      if (i + u * step < words) to[i + u * step] = w[u];
  }
}

__device__ __forceinline__ float read_again(const assay_cuda_tensor& b) {
  const Words* from = static_cast<const Words*>(b.data);
  const int64_t words = b.bytes / 16, step = thread_count();
  uint32_t folded = 0;
  for (int pass = 0; pass < b.dims[0]; ++pass)
    for (int64_t i = thread_index(); i < words; i += step * kUnroll) {
      Words w[kUnroll];
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) w[u] = load_words_if<kNoAllocate>(i + u * step < words, from + i + u * step);
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) folded ^= w[u].w[0] ^ w[u].w[1] ^ w[u].w[2] ^ w[u].w[3];
    }
  return __uint_as_float(folded);
}

__device__ __forceinline__ float multiply_adds(int64_t count) {
  constexpr int kChains = 8;  // independent sums: more than the latency of one
  float sums[kChains];
#pragma unroll
  for (int c = 0; c < kChains; ++c) sums[c] = float(threadIdx.x + c);
  const float factor = float(count) * 1e-30f + 0.999f, addend = factor * 0.001f;
  const int64_t rounds = (count + thread_count() * kChains * 8 - 1) / (thread_count() * kChains * 8);
  for (int64_t i = 0; i < rounds; ++i)
#pragma unroll
    for (int again = 0; again < 8; ++again)
#pragma unroll
      for (int c = 0; c < kChains; ++c) sums[c] = fmaf(sums[c], factor, addend);
  float total = 0;
#pragma unroll
  for (int c = 0; c < kChains; ++c) total += sums[c];
  return total;
}

#if __CUDA_ARCH_FEAT_SM90_ALL
/// What a warpgroup's wgmma finds in shared memory: rows of 16 bytes, eight of them a 128-byte core matrix, no swizzle.
__device__ __forceinline__ uint64_t describe(const void* shared) {
  return ((uint32_t(__cvta_generic_to_shared(shared)) & 0x3ffffu) >> 4) | uint64_t(128 >> 4) << 16 | uint64_t(256 >> 4) << 32;
}
#define ASSAY_WGMMA(shape, type, sums, extra)                                                                                            \
  asm volatile("{.reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned." shape type " {"                                       \
               "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,"                 \
               "%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,"                    \
               "%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, %64, %65, p" extra ";}"                                       \
               : ASSAY_SUMS(sums, 0), ASSAY_SUMS(sums, 16), ASSAY_SUMS(sums, 32), ASSAY_SUMS(sums, 48)                                   \
               : "l"(left), "l"(right))
#define ASSAY_SUM(s, i) ASSAY_CONSTRAINT(s[i])
#define ASSAY_SUMS(s, i)                                                                                                            \
  ASSAY_SUM(s, i), ASSAY_SUM(s, i + 1), ASSAY_SUM(s, i + 2), ASSAY_SUM(s, i + 3), ASSAY_SUM(s, i + 4), ASSAY_SUM(s, i + 5),              \
      ASSAY_SUM(s, i + 6), ASSAY_SUM(s, i + 7), ASSAY_SUM(s, i + 8), ASSAY_SUM(s, i + 9), ASSAY_SUM(s, i + 10), ASSAY_SUM(s, i + 11),    \
      ASSAY_SUM(s, i + 12), ASSAY_SUM(s, i + 13), ASSAY_SUM(s, i + 14), ASSAY_SUM(s, i + 15)

/// Warpgroups multiply 64 by 128 tiles, all four steps deep in flight: only wgmma reaches the tensor cores' full rate.
__device__ __forceinline__ float tensor_products(int64_t count) {
  __shared__ __align__(128) uint32_t tiles[4096];
  for (int i = int(threadIdx.x); i < 4096; i += kThreads) tiles[i] = 0;
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  __syncthreads();
  const uint64_t left = describe(tiles), right = describe(tiles + 1024);
  constexpr int64_t kEach = 64 * 128 * (KIND == 4 ? 32 : 16);
  const int64_t groups = int64_t(gridDim.x) * (kThreads / 128), rounds = (count + groups * kEach * 4 - 1) / (groups * kEach * 4);
#if KIND == 4
#define ASSAY_CONSTRAINT(x) "+r"(x)
  int sums[64] = {};
#else
#define ASSAY_CONSTRAINT(x) "+f"(x)
  float sums[64] = {};
#endif
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int step = 0; step < 4; ++step) {
#if KIND == 4
      ASSAY_WGMMA("m64n128k32", ".s32.s8.s8", sums, "");
#elif KIND == 5
      ASSAY_WGMMA("m64n128k16", ".f32.bf16.bf16", sums, ", 1, 1, 0, 0");
#else
      ASSAY_WGMMA("m64n128k16", ".f32.f16.f16", sums, ", 1, 1, 0, 0");
#endif
    }
    asm volatile("wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;" ::: "memory");
  }
  float total = 0;
#pragma unroll
  for (int i = 0; i < 64; ++i) total += float(sums[i]);
  return total;
}
#else
__device__ __forceinline__ float tensor_products(int64_t count) {
  constexpr int kChains = 8;
  float sums[kChains][4] = {};
  int whole[kChains][4] = {};
  const uint32_t a = threadIdx.x & 1, b = a + 1;
  constexpr int64_t kEach = 16 * 8 * (KIND == 4 ? 32 : 16);
  const int64_t warps = thread_count() / 32, rounds = (count + warps * kEach * kChains - 1) / (warps * kEach * kChains);
  for (int64_t i = 0; i < rounds; ++i)
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
      if constexpr (KIND == 4)
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%4,%5}, {%4,%5}, {%0,%1,%2,%3};"
                     : "+r"(whole[c][0]), "+r"(whole[c][1]), "+r"(whole[c][2]), "+r"(whole[c][3])
                     : "r"(a), "r"(b));
      if constexpr (KIND == 5) multiply_tile(sums[c], a, b, a, b, a, b, Bfloat{});
      if constexpr (KIND == 6) multiply_tile(sums[c], a, b, a, b, a, b, Half{});
    }
  float total = 0;
#pragma unroll
  for (int c = 0; c < kChains; ++c)
#pragma unroll
    for (int j = 0; j < 4; ++j) total += sums[c][j] + float(whole[c][j]);
  return total;
}
#endif

}  // namespace assay

ASSAY_RUN {
  assay::let_next_begin();  // an empty launch of a chain waits as every other does
  assay::wait_for_previous();
  const assay_cuda_tensor& b = call.matmul.segment[0].b;
  const int64_t count = int64_t(b.dims[0]) * b.dims[1] * b.dims[2];
  float result = 0;
  if constexpr (KIND == 1) assay::copy(call);
  if constexpr (KIND == 2) result = assay::read_again(b);
  if constexpr (KIND == 3) result = assay::multiply_adds(count);
  if constexpr (KIND >= 4) result = assay::tensor_products(count);
  // Never true, and the compiler cannot know: no work can be left out.
  if (KIND >= 2 && __float_as_uint(result) == 0x7654321u) static_cast<float*>(call.matmul.segment[0].d.data)[0] = result;
}

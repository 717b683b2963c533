// What blocks of attention_mma found, joined: of a block's warps through shared memory, of blocks through the workspace
// or, in a cluster, through the shared memory of its first.
#pragma once
#include "attention_rows.h"

namespace assay {

constexpr int kThreads = 32 * WARPS, kPadded = SIZE + 4;  // values of a head and what keeps heads apart in the banks
constexpr int kQuads = HEADS * SIZE / 4, kShares = kThreads / kQuads > 0 ? kThreads / kQuads : 1;
constexpr int kMostCounters = 8192;
static_assert(kQuads <= kThreads, "a thread has four columns of a head");
static_assert(CLUSTER == 0 || CLUSTER == SPLITS, "a cluster has all parts of its heads");

// Zero between launches: the last block sees to that.
__device__ unsigned int parts_done[kMostCounters];

struct Shared {
  float largest[WARPS][8], sum[WARPS][8];
  float weighed[WARPS > kShares ? WARPS : kShares][8][kPadded];
  float weights[HEADS][SPLITS];
  bool is_last;
  // Of the first block of a cluster: all parts.
  float4 part_weighed[CLUSTER > 0 ? CLUSTER : 1][kQuads];
  float part_largest[CLUSTER > 0 ? CLUSTER : 1][HEADS], part_sum[CLUSTER > 0 ? CLUSTER : 1][HEADS];
};

__device__ __forceinline__ void add(float4& to, float factor, const float4& v) {
  to.x = fmaf(factor, v.x, to.x), to.y = fmaf(factor, v.y, to.y), to.z = fmaf(factor, v.z, to.z),
  to.w = fmaf(factor, v.w, to.w);
}

template <class D>
__device__ __forceinline__ void put(D* d, const float4& v, float factor) {
  const float values[4] = {v.x * factor, v.y * factor, v.z * factor, v.w * factor};
  store_pack(d, values);
}

/// Of all warps, into shared memory.
template <class Cache>
__device__ __forceinline__ void gather(const float (&largest)[2], float (&sum)[2],
                                       const float (&weighed)[kColumnTiles][4], Shared& shared) {
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), t = lane % 4;
#pragma unroll
  for (int apart = 4; apart < 32; apart *= 2)
#pragma unroll
    for (int h = 0; h < 2; ++h) sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], apart);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (lane < 4) shared.largest[warp][2 * t + h] = largest[h], shared.sum[warp][2 * t + h] = sum[h];
#pragma unroll
    for (int f = 0; f < kColumnTiles / 2; ++f)
      *reinterpret_cast<float4*>(&shared.weighed[warp][2 * t + h][Rows16<Cache>::column_of(f)]) = {
          weighed[2 * f][h], weighed[2 * f][2 + h], weighed[2 * f + 1][h], weighed[2 * f + 1][2 + h]};
  }
  __syncthreads();
}

/// Four columns of a head over all warps of the block.
struct Quad {
  float4 weighed;
  float largest, sum;
  __device__ __forceinline__ explicit Quad(const Shared& shared) : weighed{0, 0, 0, 0}, largest(kLeast), sum(0) {
    const int head = int(threadIdx.x) / (SIZE / 4), column = int(threadIdx.x) % (SIZE / 4) * 4;
#pragma unroll
    for (int w = 0; w < WARPS; ++w) largest = fmaxf(largest, shared.largest[w][head]);
#pragma unroll
    for (int w = 0; w < WARPS; ++w) {
      const float kept = power_of_two(shared.largest[w][head] - largest);
      sum = fmaf(kept, shared.sum[w][head], sum);
      add(weighed, kept, *reinterpret_cast<const float4*>(&shared.weighed[w][head][column]));
    }
  }
};

/// What a block that has all positions makes of them.
template <class D>
__device__ __forceinline__ void write_alone(int heads, D* d, const Shared& shared) {
  if (int(threadIdx.x) >= heads * (SIZE / 4)) return;
  const Quad quad(shared);
  put(d + 4 * threadIdx.x, quad.weighed, 1 / quad.sum);
}

/// Of one launch, where the parts of a row's heads lie in the workspace: weighed values, then largest and sum.
struct Parts {
  float4* weighed;
  float2* sums;
  __device__ __forceinline__ Parts(const assay_cuda_operands& in, int64_t of_row)
      : weighed(static_cast<float4*>(in.workspace) + of_row * SPLITS * (SIZE / 4)),
        sums(reinterpret_cast<float2*>(static_cast<float4*>(in.workspace) +
                                       int64_t(in.rows) * in.heads * SPLITS * (SIZE / 4)) +
             of_row * SPLITS) {}
};

__device__ __forceinline__ float4 load_anew(const float4* p) {
  float4 v;
  asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "l"(p)
               : "memory");
  return v;
}
__device__ __forceinline__ float2 load_anew(const float2* p) {
  float2 v;
  asm volatile("ld.global.cg.v2.f32 {%0,%1}, [%2];" : "=f"(v.x), "=f"(v.y) : "l"(p) : "memory");
  return v;
}

/// Leaves this block's part in the workspace; the last block that has done so makes D of all. A thread's parts are
/// asked for many at once and before their weights are known; those that are not there are the last one again, with
/// weight 0: no branch.
template <class D>
__device__ __forceinline__ void join(int part, int parts, int heads, const Parts& to, unsigned int* done, D* d,
                                     Shared& shared) {
  if (int(threadIdx.x) < heads * (SIZE / 4)) {
    const Quad quad(shared);
    const int head = int(threadIdx.x) / (SIZE / 4), column = int(threadIdx.x) % (SIZE / 4);
    to.weighed[(head * SPLITS + part) * (SIZE / 4) + column] = quad.weighed;
    if (column == 0) to.sums[head * SPLITS + part] = {quad.largest, quad.sum};
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned int before;
    asm volatile("atom.global.acq_rel.gpu.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(done) : "memory");
    shared.is_last = before + 1 == unsigned(parts);
    if (shared.is_last) *done = 0;
  }
  __syncthreads();
  if (!shared.is_last) return;
  constexpr int kOfShare = (SPLITS + kShares - 1) / kShares, kAtOnce = kOfShare < 32 ? kOfShare : 32;
  const int lane = int(threadIdx.x % 32u), quad = int(threadIdx.x) % kQuads, share = int(threadIdx.x) / kQuads;
  const int head = min(quad / (SIZE / 4), heads - 1);
  const float4* const from = to.weighed + int64_t(head) * SPLITS * (SIZE / 4) + quad % (SIZE / 4);
  float4 v[kAtOnce];
  const auto ask = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      v[i] = load_anew(from + min(share + (first + i) * kShares, parts - 1) * (SIZE / 4));
  };
  ask(0);
  for (int h = int(threadIdx.x / 32u); h < heads; h += WARPS) {
    constexpr int kOfLane = (SPLITS + 31) / 32;
    float2 s[kOfLane];
    float most = kLeast, sum = 0;
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) {
      s[i] = lane + 32 * i < parts ? load_anew(to.sums + h * SPLITS + lane + 32 * i) : float2{kLeast, 0};
      most = fmaxf(most, s[i].x);
    }
#pragma unroll
    for (int apart = 1; apart < 32; apart *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, apart));
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) sum = fmaf(s[i].y, power_of_two(s[i].x - most), sum);
    sum = lanes_sum<32>(sum);
#pragma unroll
    for (int i = 0; i < kOfLane; ++i)
      if (lane + 32 * i < SPLITS)
        shared.weights[h][lane + 32 * i] = lane + 32 * i < parts ? power_of_two(s[i].x - most) / sum : 0;
  }
  __syncthreads();
  float4 all = {0, 0, 0, 0};
#pragma unroll
  for (int first = 0; first < kOfShare; first += kAtOnce) {
    if (first > 0) ask(first);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      if (share + (first + i) * kShares < SPLITS) add(all, shared.weights[head][share + (first + i) * kShares], v[i]);
  }
  if constexpr (kShares > 1) {
    if (share < kShares)
      *reinterpret_cast<float4*>(&shared.weighed[share][quad / (SIZE / 4)][quad % (SIZE / 4) * 4]) = all;
    __syncthreads();
    all = {0, 0, 0, 0};
    if (share == 0)
#pragma unroll
      for (int i = 0; i < kShares; ++i)
        add(all, 1, *reinterpret_cast<const float4*>(&shared.weighed[i][quad / (SIZE / 4)][quad % (SIZE / 4) * 4]));
  }
  if (share == 0 && quad < heads * (SIZE / 4)) put(d + 4 * quad, all, 1);
}

__device__ __forceinline__ void store_in_first(const void* shared, const float4& v) {
  uint32_t here = uint32_t(__cvta_generic_to_shared(shared)), there;
  asm("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(there) : "r"(here));
  asm volatile("st.shared::cluster.v4.f32 [%0], {%1,%2,%3,%4};" ::"r"(there), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w)
               : "memory");
}

/// Brings this block's part to the first block of the cluster, which makes D of all of them. For all blocks, those
/// without a position too.
template <class D>
__device__ __forceinline__ void join_in_cluster(int part, int parts, int heads, D* d, Shared& shared) {
  cluster_wait();  // the first block runs by now: its shared memory may be written
  const int head = int(threadIdx.x) / (SIZE / 4);
  if (part < parts && head < heads) {
    const Quad quad(shared);
    store_in_first(&shared.part_weighed[part][threadIdx.x], quad.weighed);
    if (threadIdx.x % (SIZE / 4) == 0) {
      store_in_block(&shared.part_largest[part][head], 0, quad.largest);
      store_in_block(&shared.part_sum[part][head], 0, quad.sum);
    }
  }
  cluster_arrive();
  if (part != 0) return;
  cluster_wait();
  if (head >= heads) return;
  float most = kLeast, sum = 0;
  float4 all = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < SPLITS; ++i) most = fmaxf(most, i < parts ? shared.part_largest[i][head] : kLeast);
#pragma unroll
  for (int i = 0; i < SPLITS; ++i)
    if (i < parts) {
      const float weight = power_of_two(shared.part_largest[i][head] - most);
      sum = fmaf(weight, shared.part_sum[i][head], sum);
      add(all, weight, shared.part_weighed[i][threadIdx.x]);
    }
  put(d + 4 * threadIdx.x, all, 1 / sum);
}

}  // namespace assay

// attention_split: the context of a KV head over SPLITS blocks, each for all HEADS query heads that share it, so that keys
// and values are read once and all at once. Tiles are dealt out in turn, so that the first is asked for before the length
// is known, and the next before one is done with. A few lanes a position; scores meet by exchange of halves, weights stay
// in registers, softmax keeps a running maximum for each position's lanes. The last block that is done joins the parts; or,
// where the blocks are a CLUSTER, its first, to whose shared memory the others write theirs.
#define ASSAY_BOUNDS __launch_bounds__(THREADS, 1)
#include "packs.h"

#ifndef CLUSTER
#define CLUSTER 0
#endif

namespace assay {

constexpr int kValues = kPerLoad<Half>;       // of a key that a lane holds
constexpr int kLanes = SIZE / kValues;        // of a position
constexpr int kGroups = 32 / kLanes;          // positions that a warp reads at once
constexpr int kWarps = THREADS / 32;
constexpr int kStep = kWarps * kGroups;       // positions that a block has side by side …
constexpr int kTile = kStep * UNROLL;         // … and reads at once
constexpr int kPadded = HEADS <= 4 ? 4 : 8;   // lane i holds what belongs to head i % kPadded
constexpr int kOutputs = HEADS * kValues;     // sums of a lane
constexpr int kQuads = HEADS * SIZE / 4, kShares = THREADS / kQuads > 0 ? THREADS / kQuads : 1;
constexpr float kLeast = -1e30f;              // below every score; finite, so that its difference to itself is 0
constexpr int kMostCounters = 8192;
static_assert(CLUSTER == 0 || CLUSTER == SPLITS, "a cluster has all parts of its heads");
static_assert(HEADS <= 8 && kLanes >= kPadded && kLanes <= 32, "a group of lanes has one for each head");

// Zero between launches: the last block sees to that.
__device__ unsigned int parts_done[kMostCounters];

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float from_lane(float v, int lane) { return __shfl_sync(0xffffffffu, v, lane); }
__device__ __forceinline__ float from_other(float v, int offset) { return __shfl_xor_sync(0xffffffffu, v, offset); }

/// Adds up what two lanes have, each of which keeps a half of the sums: the one whose number has the bit the upper half.
template <int kCount>
__device__ __forceinline__ void exchange(float* v, int offset) {
  const bool is_upper = threadIdx.x & offset;
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) {
    const float kept = is_upper ? v[i + kCount / 2] : v[i], sent = is_upper ? v[i] : v[i + kCount / 2];
    v[i] = kept + from_other(sent, offset);
  }
}

/// The score of this lane's head.
__device__ __forceinline__ float score_of(const float (&q)[HEADS][kValues], const Words& words) {
  float key[kValues], sums[kPadded] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) unpack(words.w[i], Half{}, &key[2 * i]);
#pragma unroll
  for (int h = 0; h < HEADS; ++h)
#pragma unroll
    for (int i = 0; i < kValues; ++i) sums[h] = fmaf(q[h][i], key[i], sums[h]);
  if constexpr (kPadded == 8) exchange<8>(sums, 4);
  exchange<4>(sums, 2);
  exchange<2>(sums, 1);
#pragma unroll
  for (int offset = kPadded; offset < kLanes; offset *= 2) sums[0] += from_other(sums[0], offset);
  return sums[0];
}

/// What a block found: of each of its heads the largest score, the sum of the weights, and the weighed values.
struct Part {
  float largest[kPadded], sum[kPadded];
};

struct Shared {
  float largest[kWarps][kPadded], sum[kWarps][kPadded];
  float weighed[kWarps > kShares ? kWarps : kShares][HEADS * SIZE];  // value i of lane l of head h at (h·kValues + i)·kLanes + l
  float weights[HEADS][SPLITS];
  Part part;
  bool is_last;
  // Of the first block of a cluster: all parts.
  float part_weighed[CLUSTER > 0 ? CLUSTER : 1][HEADS * SIZE], part_largest[CLUSTER > 0 ? CLUSTER : 1][HEADS],
      part_sum[CLUSTER > 0 ? CLUSTER : 1][HEADS];
};

/// Column of a head that lies at this place of `weighed`.
__device__ __forceinline__ int column_at(int place) { return place % kLanes * kValues + place / kLanes % kValues; }

// In a chain the launch before may have written the last position: no constant.
constexpr int kCacheHint = kChained ? kCached : kNoAllocate;

/// What a lane has of a tile, whose positions lie kStep apart.
struct Tile {
  Words k[UNROLL], v[UNROLL];
  /// Brings it to the second-level cache, whatever it holds by then.
  static __device__ __forceinline__ void fetch(const Half* keys, const Half* values, int at, int end) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
      if (at + u * kStep >= end) break;
      asm volatile("prefetch.global.L2 [%0];" ::"l"(keys + int64_t(at + u * kStep) * SIZE));
      asm volatile("prefetch.global.L2 [%0];" ::"l"(values + int64_t(at + u * kStep) * SIZE));
    }
  }
  /// From position `at` of this lane on; positions from `end` on are not touched.
  __device__ __forceinline__ void load(const Half* keys, const Half* values, int at, int end) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) k[u] = load_words_if<kCacheHint>(at + u * kStep < end, keys + int64_t(at + u * kStep) * SIZE);
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) v[u] = load_words_if<kCacheHint>(at + u * kStep < end, values + int64_t(at + u * kStep) * SIZE);
  }
};

/// Every SPLITS-th tile from number `part` on, up to position `count`, into shared.weighed (of each warp) and shared.part. `tile` is the first
/// of them, already asked for: what lies in it behind the last position is anything.
__device__ __forceinline__ void weigh(const float (&q)[HEADS][kValues], float factor, const Half* keys, const Half* values,
                                      int first, int count, Tile& tile, Shared& shared) {
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), of_heads = lane & ~(kPadded - 1);
  float weighed[kOutputs] = {}, largest = kLeast, sum = 0;
  for (int from = first; from - first % kTile < count; from += kTile * SPLITS) {
    Tile next;
    next.load(keys, values, from + kTile * SPLITS, count);
    float weight[UNROLL], most = largest;
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
      const float score = score_of(q, tile.k[u]) * factor;
      weight[u] = from + u * kStep < count ? score : 2 * kLeast;
      most = fmaxf(most, weight[u]);
    }
    if (from != first) {
      const float kept = power_of_two(largest - most);
      sum *= kept;
#pragma unroll
      for (int h = 0; h < HEADS; ++h) {
        const float of_head = from_lane(kept, of_heads + h);
#pragma unroll
        for (int i = 0; i < kValues; ++i) weighed[h * kValues + i] *= of_head;
      }
    }
    largest = most;
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
      const bool is_inside = from + u * kStep < count;
      weight[u] = power_of_two(weight[u] - largest);
      sum += weight[u];
      float value[kValues];
#pragma unroll
      for (int i = 0; i < 4; ++i) unpack(is_inside ? tile.v[u].w[i] : 0, Half{}, &value[2 * i]);
#pragma unroll
      for (int h = 0; h < HEADS; ++h) {
        const float of_head = from_lane(weight[u], of_heads + h);
#pragma unroll
        for (int i = 0; i < kValues; ++i) weighed[h * kValues + i] = fmaf(of_head, value[i], weighed[h * kValues + i]);
      }
    }
    tile = next;
  }
  float most = largest;
#pragma unroll
  for (int apart = kLanes; apart < 32; apart *= 2) most = fmaxf(most, from_other(most, apart));
  if (lane < kPadded) shared.largest[warp][lane] = most;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < kWarps; ++w) most = fmaxf(most, shared.largest[w][lane % kPadded]);
  const float kept = power_of_two(largest - most);
  sum *= kept;
#pragma unroll
  for (int apart = kLanes; apart < 32; apart *= 2) sum += from_other(sum, apart);
  if (lane < kPadded) shared.sum[warp][lane] = sum;
  if (warp == 0 && lane < kPadded) shared.part.largest[lane] = most;
#pragma unroll
  for (int h = 0; h < HEADS; ++h) {
    const float of_head = from_lane(kept, of_heads + h);
#pragma unroll
    for (int i = 0; i < kValues; ++i) weighed[h * kValues + i] *= of_head;
  }
  if constexpr (kGroups >= 2) exchange<kOutputs>(weighed, 16);
  if constexpr (kGroups >= 4) exchange<kOutputs / 2>(weighed, 8);
  const int begin = (kGroups >= 2 && lane & 16 ? kOutputs / 2 : 0) + (kGroups >= 4 && lane & 8 ? kOutputs / 4 : 0);
#pragma unroll
  for (int i = 0; i < kOutputs / kGroups; ++i) shared.weighed[warp][(begin + i) * kLanes + lane % kLanes] = weighed[i];
  __syncthreads();
  if (threadIdx.x < HEADS) {
    float all = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) all += shared.sum[w][threadIdx.x];
    shared.part.sum[threadIdx.x] = all;
  }
}

__device__ __forceinline__ float weighed_by_all(const Shared& shared, int place) {
  float all = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) all += shared.weighed[w][place];
  return all;
}

/// Of one launch, where the parts of (row, head) lie in the workspace: weighed values, then largest and sum.
struct Parts {
  float* weighed;
  float2* sums;
  int64_t first;  // of this block's first head, part 0
  __device__ __forceinline__ float* values(int head, int part) const { return weighed + (first + head * SPLITS + part) * SIZE; }
  __device__ __forceinline__ float2& sum(int head, int part) const { return sums[first + head * SPLITS + part]; }
};

/// The parts of `heads` heads as D. A thread's parts are asked for many at once, and before their weights are known; those
/// that are not there are the last one again, with weight 0: a branch for each took 0.1 µs a part (H200).
template <class D>
__device__ __forceinline__ void join(const Parts& parts, int count, int heads, D* d, Shared& shared) {
  constexpr int kOfShare = (SPLITS + kShares - 1) / kShares, kAtOnce = kOfShare < 32 ? kOfShare : 32;
  static_assert(kQuads <= THREADS, "a thread has four columns of a head");
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u);
  const int quad = int(threadIdx.x) % kQuads, share = int(threadIdx.x) / kQuads, head = quad / (SIZE / 4);
  const float* const from = parts.values(min(head, heads - 1), 0) + quad % (SIZE / 4) * 4;
  float4 v[kAtOnce];
  const auto ask = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      v[i] = *reinterpret_cast<const float4*>(from + min(share + (first + i) * kShares, count - 1) * SIZE);
  };
  ask(0);
  for (int h = warp; h < heads; h += kWarps) {
    constexpr int kOfLane = (SPLITS + 31) / 32;
    float2 s[kOfLane];
    float most = kLeast, sum = 0;
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) {
      const int part = lane + 32 * i;
      s[i] = part < count ? parts.sum(h, part) : float2{kLeast, 0};
      most = fmaxf(most, s[i].x);
    }
#pragma unroll
    for (int apart = 1; apart < 32; apart *= 2) most = fmaxf(most, from_other(most, apart));
#pragma unroll
    for (int i = 0; i < kOfLane; ++i) sum += s[i].y * power_of_two(s[i].x - most);
    sum = lanes_sum<32>(sum);
#pragma unroll
    for (int i = 0; i < kOfLane; ++i)
      if (lane + 32 * i < SPLITS) shared.weights[h][lane + 32 * i] = power_of_two(s[i].x - most) / sum;
  }
  __syncthreads();
  float4 all = {0, 0, 0, 0};
#pragma unroll
  for (int first = 0; first < kOfShare; first += kAtOnce) {
    if (first > 0) ask(first);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int part = share + (first + i) * kShares;
      const float weight = part < SPLITS ? shared.weights[head][part] : 0;
      all.x = fmaf(weight, v[i].x, all.x), all.y = fmaf(weight, v[i].y, all.y);
      all.z = fmaf(weight, v[i].z, all.z), all.w = fmaf(weight, v[i].w, all.w);
    }
  }
  if (share < kShares) *reinterpret_cast<float4*>(&shared.weighed[share][quad * 4]) = all;
  __syncthreads();
  for (int place = int(threadIdx.x); place < heads * SIZE; place += THREADS) {
    float of_shares = 0;
#pragma unroll
    for (int i = 0; i < kShares; ++i) of_shares += shared.weighed[i][place];
    d[place / SIZE * SIZE + column_at(place)] = from_float<D>(of_shares);
  }
}

/// Brings this block's part to the first block of the cluster, which makes D of all of them. For all blocks, those without a position too.
template <class D>
__device__ __forceinline__ void join_in_cluster(int part, int parts, int heads, D* d, Shared& shared) {
  cluster_wait();  // the first block runs by now: its shared memory may be written
  if (part < parts) {
    for (int place = int(threadIdx.x); place < heads * SIZE; place += THREADS)
      store_in_block(&shared.part_weighed[part][place], 0, weighed_by_all(shared, place));
    if (int(threadIdx.x) < heads) {
      store_in_block(&shared.part_largest[part][threadIdx.x], 0, shared.part.largest[threadIdx.x]);
      store_in_block(&shared.part_sum[part][threadIdx.x], 0, shared.part.sum[threadIdx.x]);
    }
  }
  cluster_arrive();
  if (part != 0) return;
  cluster_wait();
  for (int place = int(threadIdx.x); place < heads * SIZE; place += THREADS) {
    const int head = place / SIZE;
    float most = kLeast, sum = 0, all = 0;
#pragma unroll
    for (int i = 0; i < SPLITS; ++i) most = fmaxf(most, i < parts ? shared.part_largest[i][head] : kLeast);
#pragma unroll
    for (int i = 0; i < SPLITS; ++i)
      if (i < parts) {
        const float weight = power_of_two(shared.part_largest[i][head] - most);
        sum = fmaf(weight, shared.part_sum[i][head], sum);
        all = fmaf(weight, shared.part_weighed[i][place], all);
      }
    d[head * SIZE + column_at(place)] = from_float<D>(all / sum);
  }
}

template <class A, class D>
__device__ __forceinline__ void attend(const assay_cuda_call& call) {
  let_next_begin();
  __shared__ __align__(16) Shared shared;
  const assay_cuda_operands& in = call.operands;
  const int lane = int(threadIdx.x % 32u), row = int(blockIdx.z), group = in.heads / in.kv_heads;
  const int tiles = (group + HEADS - 1) / HEADS, kv = int(blockIdx.y) / tiles, before = int(blockIdx.y) % tiles * HEADS;
  const int head = kv * group + before, heads = min(HEADS, group - before);
  if constexpr (CLUSTER > 0) cluster_arrive();
  int32_t position;
  const auto ask_position = [&] { asm volatile("ld.global.s32 %0, [%1];" : "=r"(position) : "l"(in.data[4])); };
  if (!kChained) ask_position();
  const int part = int(blockIdx.x), first = part * kTile + int(threadIdx.x / 32u) * kGroups + lane / kLanes;
  const int64_t cache = int64_t(kv) * in.capacity * SIZE + lane % kLanes * kValues;
  const Half* const keys = static_cast<const Half*>(in.data[1]) + cache;
  const Half* const values = static_cast<const Half*>(in.data[2]) + cache;
  if constexpr (kChained) {
    Tile::fetch(keys, values, first, in.capacity);
    wait_for_previous();
    ask_position();
  }
  Tile tile;
  tile.load(keys, values, first, in.capacity);
  float q[HEADS][kValues] = {};
  const A* const queries = static_cast<const A*>(in.data[0]) + (int64_t(row) * in.heads + head) * SIZE + lane % kLanes * kValues;
#pragma unroll
  for (int h = 0; h < HEADS; ++h)
    if (h < heads) load_pack(queries + h * SIZE, q[h]);
  const int count = position + row + 1, parts = min((count + kTile - 1) / kTile, SPLITS);
  if (CLUSTER == 0 && part >= parts) return;
  if (part < parts) weigh(q, in.params[0] * 1.44269504f, keys, values, first, count, tile, shared);
  __syncthreads();
  D* const d = static_cast<D*>(in.data[3]) + (int64_t(row) * in.heads + head) * SIZE;
  if constexpr (CLUSTER > 0) return join_in_cluster(part, parts, heads, d, shared);
  if (parts == 1) {
    for (int place = int(threadIdx.x); place < heads * SIZE; place += THREADS)
      d[place / SIZE * SIZE + column_at(place)] =
          from_float<D>(weighed_by_all(shared, place) / shared.part.sum[place / SIZE]);
    return;
  }
  float* const workspace = static_cast<float*>(in.workspace);
  const int64_t all = int64_t(in.rows) * in.heads * SPLITS;
  const Parts to{workspace, reinterpret_cast<float2*>(workspace + all * SIZE), (int64_t(row) * in.heads + head) * SPLITS};
  for (int place = int(threadIdx.x); place < heads * SIZE; place += THREADS)
    to.values(place / SIZE, part)[place % SIZE] = weighed_by_all(shared, place);
  if (int(threadIdx.x) < heads) to.sum(int(threadIdx.x), part) = {shared.part.largest[threadIdx.x], shared.part.sum[threadIdx.x]};
  __threadfence();
  __syncthreads();
  unsigned int* const done = &parts_done[row * int(gridDim.y) + int(blockIdx.y)];
  if (threadIdx.x == 0) {
    shared.is_last = atomicAdd(done, 1u) + 1 == unsigned(parts);
    if (shared.is_last) *done = 0;
  }
  __syncthreads();
  if (!shared.is_last) return;
  __threadfence();
  join(to, parts, heads, d, shared);
}

}  // namespace assay

#define ASSAY_ATTEND(a, d, A, D)                                                                              \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_f16_##d(const __grid_constant__ assay_cuda_call call) {   \
    assay::attend<A, D>(call);                                                                                \
  }
ASSAY_ATTEND(f32, f32, float, float)
ASSAY_ATTEND(f16, f16, assay::Half, assay::Half)
ASSAY_ATTEND(f32, f16, float, assay::Half)
ASSAY_ATTEND(f16, f32, assay::Half, float)

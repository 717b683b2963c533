// attention_mma: the context of a KV head over SPLITS blocks, each for all HEADS query heads that share it, on tensor
// cores: a warp has TILES times 16 positions at once, straight from memory to registers, keys as rows of a tile, values
// turned. F32 factors are two or three terms whose sum is them (attention_terms.h). The last block that is done joins
// the parts (attention_parts.h).
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS, 1)
#include "attention_parts.h"

namespace assay {

/// What a warp found so far: of heads 2t and 2t+1 in lane (g, t) the largest score and the sum of the weights, and the
/// weighed values as tiles of 16 columns times 8 heads.
struct Found {
  float largest[2] = {kLeast, kLeast}, sum[2] = {}, weighed[kColumnTiles][4] = {};
};

/// Scores, softmax and weighed values of the positions from `first` on that the warp holds in `tiles`; behind `count`
/// lies anything.
template <class Cache, class A>
__device__ __forceinline__ void weigh(const Queries<Cache, A>& q, Rows16<Cache> (&tiles)[TILES], int first, int count,
                                      Found& found) {
  const int g = int(threadIdx.x % 32u) / 4;
  float score[TILES][4], most[2] = {found.largest[0], found.largest[1]};
#pragma unroll
  for (int i = 0; i < TILES; ++i) {
    q.scores(tiles[i], score[i]);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (first + 16 * i + g + j / 2 * 8 >= count) score[i][j] = 2 * kLeast;
      most[j % 2] = fmaxf(most[j % 2], score[i][j]);
    }
  }
#pragma unroll
  for (int apart = 4; apart < 32; apart *= 2)
#pragma unroll
    for (int h = 0; h < 2; ++h) most[h] = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], apart));
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const float kept = power_of_two(found.largest[h] - most[h]);
    found.largest[h] = most[h], found.sum[h] *= kept;
#pragma unroll
    for (int m = 0; m < kColumnTiles; ++m) found.weighed[m][h] *= kept, found.weighed[m][2 + h] *= kept;
  }
#pragma unroll
  for (int i = 0; i < TILES; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      score[i][j] = power_of_two(score[i][j] - most[j % 2]);
      found.sum[j % 2] += score[i][j];
    }
    tiles[i].add_weighed(score[i], count - first - 16 * i, found.weighed);
  }
}

template <class Cache, class A, class D>
__device__ __forceinline__ void attend(const assay_cuda_call& call) {
  let_next_begin();
  __shared__ __align__(16) Shared shared;
  const assay_cuda_operands& in = call.operands;
  const int warp = int(threadIdx.x / 32u), row = int(blockIdx.z), group = in.heads / in.kv_heads;
  const int head_groups = (group + HEADS - 1) / HEADS, kv = int(blockIdx.y) / head_groups,
            before = int(blockIdx.y) % head_groups * HEADS;
  const int head = kv * group + before, heads = min(HEADS, group - before), part = int(blockIdx.x);
  if constexpr (CLUSTER > 0) cluster_arrive();
  int32_t position;
  const auto ask_position = [&] { asm volatile("ld.global.s32 %0, [%1];" : "=r"(position) : "l"(in.data[4])); };
  if (!kChained) ask_position();
  constexpr int kOfBlock = 16 * TILES * WARPS;  // positions that a block has at once
  const char* const keys = static_cast<const char*>(in.data[1]) + int64_t(kv) * in.capacity * Rows16<Cache>::kRowBytes;
  const char* const values =
      static_cast<const char*>(in.data[2]) + int64_t(kv) * in.capacity * Rows16<Cache>::kRowBytes;
  int first = part * kOfBlock + warp * 16 * TILES;
  Rows16<Cache> tiles[TILES];
  if constexpr (kChained) {
#pragma unroll
    for (int i = 0; i < TILES; ++i) fetch_rows<Rows16<Cache>>(keys, values, first + 16 * i, in.capacity);
    wait_for_previous();
    ask_position();
  }
#pragma unroll
  for (int i = 0; i < TILES; ++i) tiles[i].load(keys, values, first + 16 * i, in.capacity);
  Queries<Cache, A> q;
  q.load(static_cast<const A*>(in.data[0]) + (int64_t(row) * in.heads + head) * SIZE, heads,
         in.params[0] * 1.44269504f);
  const int count = position + row + 1, parts = min((count + kOfBlock - 1) / kOfBlock, SPLITS);
  if (CLUSTER == 0 && part >= parts) return;
  Found found;
  if (first < count) weigh(q, tiles, first, count, found);
  for (first += kOfBlock * SPLITS; first < count; first += kOfBlock * SPLITS) {
#pragma unroll
    for (int i = 0; i < TILES; ++i) tiles[i].load(keys, values, first + 16 * i, count);
    weigh(q, tiles, first, count, found);
  }
  gather<Cache>(found.largest, found.sum, found.weighed, shared);
  D* const d = static_cast<D*>(in.data[3]) + (int64_t(row) * in.heads + head) * SIZE;
  if constexpr (CLUSTER > 0) return join_in_cluster(part, parts, heads, d, shared);
  if (parts == 1) return write_alone(heads, d, shared);
  const int64_t of_row = int64_t(row) * in.heads + head;
  join(part, parts, heads, Parts(in, of_row), &parts_done[row * int(gridDim.y) + int(blockIdx.y)], d, shared);
}

}  // namespace assay

#define ASSAY_ATTEND(a, c, d, A, C, D)                                                                        \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##c##_##d(const __grid_constant__ assay_cuda_call call) { \
    assay::attend<assay::C, A, D>(call);                                                                      \
  }
#define ASSAY_ATTEND_OF(c, C)                            \
  ASSAY_ATTEND(f32, c, f32, float, C, float)             \
  ASSAY_ATTEND(f16, c, f16, assay::Half, C, assay::Half) \
  ASSAY_ATTEND(f32, c, f16, float, C, assay::Half)       \
  ASSAY_ATTEND(f16, c, f32, assay::Half, C, float)
#if Q8
ASSAY_ATTEND_OF(q8_0, OfQ8)
#else
ASSAY_ATTEND_OF(f16, OfHalf)
#endif

// q8_mma: one row of F16 activations times Q8_0 weights in blocks of 34 bytes on tensor cores. Blocks are not aligned for wide loads, so
// each warp copies its rows' bytes to shared memory as they lie, all at once; tile rows are ROWS rows times blocks along k. SPLIT warps
// share the k of a group, a thread block has GROUPS groups.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "q8.h"

namespace assay {

constexpr int kBlocks = 16 / ROWS;  // of a row in one tile

/// Bytes that a warp keeps of one row: whole steps of kBlocks blocks, and what 16-byte alignment adds before and behind.
__device__ __forceinline__ int slot_bytes(int each) { return (each * 34 + 30 + 15) / 16 * 16; }

/// Eight bytes from an even address of shared memory; `shift`: 16 where that is no multiple of four, else 0.
__device__ __forceinline__ void load_eight(const unsigned char* p, int shift, uint32_t* w) {
  const uint32_t* words = reinterpret_cast<const uint32_t*>(p - shift / 8);
  w[0] = __funnelshift_r(words[0], words[1], shift);
  w[1] = __funnelshift_r(words[1], words[2], shift);
}

template <bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ float partial[GROUPS][SPLIT][ROWS];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT);
  const int blocks = call.brief.k / 32, each = (blocks + SPLIT * kBlocks - 1) / (SPLIT * kBlocks) * kBlocks, slot = slot_bytes(each);
  const int first = min(part * each, blocks), count = min(each, blocks - first);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * GROUPS + in_block, ROWS);
  unsigned char* mine = memory + warp * ROWS * slot;

  // A row's bytes keep their offset within 16.
  const char* b = static_cast<const char*>(rows.b);
  const int64_t end = int64_t(rows.n) * blocks * 34;
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const int64_t from = (int64_t(min(rows.row + r, rows.n - 1)) * blocks + first) * 34, start = from / 16 * 16;
    const int pieces = count > 0 ? int((from + count * 34 - start + 15) / 16) : 0;
    for (int i = lane; i < pieces; i += 32)
      copy_async(mine + r * slot + i * 16, b + start + i * 16, int(min(int64_t(16), end - start - i * 16)));
  }
  const int row = rows.row + lane;
  const bool finishes = part == 0 && lane < ROWS && row < rows.n;
  const float add = finishes ? addend<Half>(call, rows, row) : 0;

  const int g = lane >> 2, t = lane & 3, block = int(unsigned(g) % kBlocks), low_row = int(unsigned(g) / kBlocks), high_row = low_row + ROWS / 2;
  const auto offset_of = [&](int r) { return int((int64_t(min(rows.row + r, rows.n - 1)) * blocks + first) * 34 % 16) + r * slot; };
  const unsigned char *low = mine + offset_of(low_row), *high = mine + offset_of(high_row);
  const Half* a = static_cast<const Half*>(call.brief.a) + (first + block) * 32 + t * 8;
  float low_sum = 0, high_sum = 0;
  Words x = load_words_if<kCached>(block < count, a);
  copies_done();
  __syncwarp();
  // kBlocks blocks further, alignment is the same.
  const int low_shift = int(uint32_t(__cvta_generic_to_shared(low + block * 34 + 2)) & 2) * 8;
  const int high_shift = int(uint32_t(__cvta_generic_to_shared(high + block * 34 + 2)) & 2) * 8;
#pragma unroll 4
  for (int i = block; i - block < count; i += kBlocks) {
    const bool inside = i < count;
    const Words next = load_words_if<kCached>(i + kBlocks < count, a + (i - block + kBlocks) * 32);
    float c[4] = {};
    uint32_t l[2] = {}, h[2] = {};
    if (inside) load_eight(low + i * 34 + 2 + t * 8, low_shift, l), load_eight(high + i * 34 + 2 + t * 8, high_shift, h);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t low_halves[2], high_halves[2];
      bytes_to_halves(l[half], low_halves[0], low_halves[1]);
      bytes_to_halves(h[half], high_halves[0], high_halves[1]);
      multiply_tile(c, low_halves[0], high_halves[0], low_halves[1], high_halves[1], x.w[2 * half], x.w[2 * half + 1], Half{});
    }
    // Tile row g counts only in its own block's column, which lane t = block / 2 holds.
    if (inside && t == block / 2) {
      low_sum = fmaf(block & 1 ? c[1] : c[0], to_float(Half{*reinterpret_cast<const uint16_t*>(low + i * 34)}), low_sum);
      high_sum = fmaf(block & 1 ? c[3] : c[2], to_float(Half{*reinterpret_cast<const uint16_t*>(high + i * 34)}), high_sum);
    }
    x = next;
  }
  // Lanes 4g..4g+3 of the kBlocks tile rows of one row.
  low_sum = lanes_sum<4 * kBlocks>(low_sum), high_sum = lanes_sum<4 * kBlocks>(high_sum);
  if (lane % (4 * kBlocks) == 0) partial[in_block][part][low_row] = low_sum, partial[in_block][part][high_row] = high_sum;
  if constexpr (SPLIT == 1)
    __syncwarp();
  else
    __syncthreads();
  if (!finishes) return;
  float sum = 0;
#pragma unroll
  for (int p = 0; p < SPLIT; ++p) sum += partial[in_block][p][lane];
  finish<Half>(call, rows, row, sum, add);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q8_0, f16) {
  if (call.brief.segments == 1)
    assay::dot<false>(call);
  else
    assay::dot<true>(call);
}

// q4_int8: one row of activations, made int8 blocks of 32, times Q4_0 weights in blocks of 18 bytes. A thread block makes A int8 once, for
// all its rows. Each warp has rows of its own, two at a time, copied to shared memory in whole 16 bytes, STAGES - 1 copies under way. A lane
// takes two blocks: nine words, an odd number, so that no two lanes meet in a bank. Its part of A, PAIRS times two blocks, stays in
// registers, or in shared memory (PAIRS=0: any k). ROUNDS copies a warp, or as many as there are for BLOCKS blocks a multiprocessor (ROUNDS=0).
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "device.h"

namespace assay {

constexpr int kRows = 2, kLanes = 16;         // rows of a copy; lanes a row
constexpr int kPairValues = 64, kPairBytes = 36, kPairWords = kPairBytes / 4;

__device__ __forceinline__ int dot_bytes(uint32_t a, uint32_t b, int sum) {
  asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}

/// Two blocks of A as the nine words of two blocks of weights want them: [scale, 0 1] [2 … 5] [6 … 9] [10 … 13] [14 15, scale] and
/// [0 … 3] … [12 … 15] are the bytes whose low nibbles are values 0 … 15 and whose high ones are 16 … 31.
struct alignas(16) Activations {
  uint32_t low[2][4], high[2][4];
  int offset[2];  // -8 times the sum of the values: steps count from 8
  float scale[2];
};

/// Where two neighbouring values of sixteen lie among the eight pairs of four words.
__device__ __forceinline__ int place_of(int two, bool odd) { return odd || two == 0 ? two : two == 7 ? 1 : two + 1; }

/// All of A to shared memory, eight values a thread: value = scale · integer, scale = max|x| / 127: each is off by at most scale / 2.
template <class T>
__device__ __forceinline__ void quantize(const T* a, int k, Activations* to) {
  for (int from = 0; from < k; from += 32 * WARPS * 8) {
    const int first = from + int(threadIdx.x) * 8;
    const bool wanted = first < k;  // of a block's four threads all or none
    float v[8], most = 0;
#pragma unroll
    for (int i = 0; i < 8 / kPerLoad<T>; ++i) {
      const Words words = load_words_if<kCached>(wanted, a + first + i * kPerLoad<T>);
#pragma unroll
      for (int w = 0; w < 4; ++w) unpack(words.w[w], T{}, v + i * kPerLoad<T> + w * kPerWord<T>);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) most = fmaxf(most, fabsf(v[i]));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    const float inverse = most > 0x1p-120f ? 127 / most : 0;  // else it could overflow
    int q[8], sum = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) q[i] = __float2int_rn(v[i] * inverse), sum += q[i];
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (!wanted) continue;
    Activations& pair = to[first / kPairValues];
    const int odd = first / 32 % 2, part = first / 8 % 4;
    uint16_t* places = reinterpret_cast<uint16_t*>(part < 2 ? pair.low[odd] : pair.high[odd]);
#pragma unroll
    for (int i = 0; i < 4; ++i) places[place_of(part % 2 * 4 + i, odd)] = uint16_t(__byte_perm(uint32_t(q[2 * i]), uint32_t(q[2 * i + 1]), 0x0040));
    if (part == 0) pair.offset[odd] = -8 * sum, pair.scale[odd] = most / 127;
  }
}

__device__ __forceinline__ float dot_pair(const uint32_t* w, const Activations& a, float sum) {
  const uint32_t even[4] = {__byte_perm(w[0], w[4], 0x5432), w[1], w[2], w[3]};
  int dots[2] = {a.offset[0], a.offset[1]};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    dots[0] = dot_bytes(even[i] & 0x0f0f0f0fu, a.low[0][i], dots[0]);
    dots[0] = dot_bytes(even[i] >> 4 & 0x0f0f0f0fu, a.high[0][i], dots[0]);
    dots[1] = dot_bytes(w[5 + i] & 0x0f0f0f0fu, a.low[1][i], dots[1]);
    dots[1] = dot_bytes(w[5 + i] >> 4 & 0x0f0f0f0fu, a.high[1][i], dots[1]);
  }
  sum = fmaf(to_float(Half{uint16_t(w[0])}) * a.scale[0], float(dots[0]), sum);
  return fmaf(to_float(Half{uint16_t(w[4] >> 16)}) * a.scale[1], float(dots[1]), sum);
}

/// 16 bytes to shared memory, `bytes` of them from `from` and zeros behind.
__device__ __forceinline__ void copy_piece(uint32_t to, const char* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

template <class A, class D, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  extern __shared__ __align__(16) char shared[];
  const int lane = int(threadIdx.x % 32u), own_row = lane / kLanes, first_pair = lane % kLanes;
  const int pairs = call.brief.k / kPairValues, row_bytes = pairs * kPairBytes, stage_bytes = kRows * row_bytes;
  const int warp = int(threadIdx.x / 32u), steps = ROUNDS > 0 ? ROUNDS : 1 << 30;
  char* stages = shared + warp * STAGES * stage_bytes;
  auto* activations = reinterpret_cast<Activations*>(shared + WARPS * STAGES * stage_bytes);
  const uint32_t stages_at = uint32_t(__cvta_generic_to_shared(stages));

  // A block's rows lie together in memory, or with all others' of the same step.
  const auto rows_at = [&](int step) {
    const int turn = ROUNDS > 0 ? int(blockIdx.x) * ROUNDS + step : int(blockIdx.x) + step * int(gridDim.x);
    return rows_of<kFused>(call, turn * WARPS + warp, kRows);
  };
  const auto copy = [&](int step) {
    const Rows rows = rows_at(step);
    const char* from = row_at<char>(rows.b, uint32_t(rows.row), uint32_t(row_bytes), 0);
    const int bytes = step < steps ? min(kRows, rows.n - rows.row) * row_bytes : 0;
    const uint32_t to = stages_at + uint32_t(step % STAGES * stage_bytes);
    for (int at = lane * 16; at < bytes; at += 32 * 16) copy_piece(to + uint32_t(at), from + at, min(16, bytes - at));
    asm volatile("cp.async.commit_group;" ::: "memory");
  };
#pragma unroll
  for (int step = 0; step < STAGES - 1; ++step) copy(step);

  quantize(static_cast<const A*>(call.brief.a), call.brief.k, activations);
  __syncthreads();
  Activations a[PAIRS > 0 ? PAIRS : 1];
#pragma unroll
  for (int i = 0; i < PAIRS; ++i) {
    a[i] = activations[min(first_pair + i * kLanes, pairs - 1)];
    if (first_pair + i * kLanes >= pairs) a[i].scale[0] = a[i].scale[1] = 0;
  }
  for (int step = 0; step < steps; ++step) {
    const Rows rows = rows_at(step);
    if (rows.row >= rows.n) break;
    asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
    __syncwarp();  // all lanes' copies of this step are there, and all have read the stage of the step before
    copy(step + STAGES - 1);
    const uint32_t* words = reinterpret_cast<const uint32_t*>(stages + step % STAGES * stage_bytes + own_row * row_bytes);
    float sum = 0;
    const auto add_pair = [&](int pair, const Activations& of_a) {
      const uint32_t* at = words + pair * kPairWords;
      uint32_t w[kPairWords];
#pragma unroll
      for (int j = 0; j < kPairWords; ++j) w[j] = at[j];
      sum = dot_pair(w, of_a, sum);
    };
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) add_pair(min(first_pair + i * kLanes, pairs - 1), a[i]);
    if constexpr (PAIRS == 0)
      for (int pair = first_pair; pair < pairs; pair += kLanes) add_pair(pair, activations[pair]);
    sum = lanes_sum<kLanes>(sum);
    const int row = rows.row + own_row;
    const bool finishes = first_pair == 0 && row < rows.n;
    const float add = addend<D>(call, rows, row, finishes);
    if (finishes) finish<D>(call, rows, row, sum, add);
  }
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q4_0, f16) { assay::dot<assay::Half, assay::Half, false>(call); }
ASSAY_ENTRY(nt, f16, q4_0, f32) { assay::dot<assay::Half, float, false>(call); }
ASSAY_ENTRY(nt, f32, q4_0, f16) { assay::dot<float, assay::Half, false>(call); }
ASSAY_ENTRY(nt, f32, q4_0, f32) { assay::dot<float, float, false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q4_0, f16) { assay::dot<assay::Half, assay::Half, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q4_0, f32) { assay::dot<assay::Half, float, true>(call); }
ASSAY_FUSED_ENTRY(nt, f32, q4_0, f16) { assay::dot<float, assay::Half, true>(call); }
ASSAY_FUSED_ENTRY(nt, f32, q4_0, f32) { assay::dot<float, float, true>(call); }

// MatMul, Linear, Conv1d and Conv2d: tiles of outputs in registers, operands in shared memory. A window of an image is
// a row of several pieces, so nothing is copied together. f32 throughout.
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

/// Batches of [m, k] times [k, n]. Row i of A begins at i % line · row_step + i / line % lines · line_step + i / line /
/// lines · picture_step; its element e lies at e / piece · piece_step + e % piece from there.
struct Sizes {
  int64_t m = 1, n = 1, k = 1, batches = 1, a_batch = 0, b_batch = 0;
  int64_t b_row = 0, b_column = 1;
  int64_t line = 1, row_step = 0, lines = 1, line_step = 0, picture_step = 0;
  int64_t piece = 1, piece_step = 0;
  int64_t k_of_split = 0;  // of a product that is split along k
};

constexpr int kDepth = 16;  // of k at once

/// 256 threads for BM × BN outputs, RM × RN each.
template <int BM, int BN, int RM, int RN>
__global__ void __launch_bounds__(kThreads)
    tiles(const float* a, const float* b, const float* bias, float* y, const Sizes s, float* sums, unsigned* arrived) {
  static_assert((BM / RM) * (BN / RN) == kThreads);
  constexpr int kPad = 4;
  __shared__ __align__(16) float left[kDepth][BM + kPad];
  __shared__ __align__(16) float right[kDepth][BN + kPad];
  const int64_t first_row = blockIdx.x * int64_t(BM), first_column = blockIdx.y * int64_t(BN);
  const int64_t batch = s.k_of_split ? 0 : blockIdx.z, k_begin = s.k_of_split ? blockIdx.z * s.k_of_split : 0;
  const int64_t k_end = s.k_of_split ? min(s.k, k_begin + s.k_of_split) : s.k;
  a += batch * s.a_batch, b += batch * s.b_batch, y += batch * s.m * s.n;
  const int row = threadIdx.x / (BN / RN) * RM, column = threadIdx.x % (BN / RN) * RN;
  const int k_of_mine = threadIdx.x % kDepth;
  constexpr int kRowStep = kThreads / kDepth, kRows = BM / kRowStep;
  int64_t starts[kRows];  // of the rows that this thread loads
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int64_t r = min(first_row + threadIdx.x / kDepth + i * kRowStep, s.m - 1), line = r / s.line;
    starts[i] = r % s.line * s.row_step + line % s.lines * s.line_step + line / s.lines * s.picture_step;
  }
  float sum[RM][RN] = {};
  for (int64_t k0 = k_begin; k0 < k_end; k0 += kDepth) {
    const int64_t k = k0 + k_of_mine;
    const unsigned within = unsigned(k), piece = unsigned(s.piece);  // of a window, which is small
    const int64_t offset = s.piece_step == 0 ? k : within / piece * s.piece_step + within % piece;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      left[k_of_mine][threadIdx.x / kDepth + i * kRowStep] = k < k_end ? a[starts[i] + offset] : 0;
    for (int at = threadIdx.x; at < kDepth * BN; at += kThreads) {
      // The index that lies densely in memory goes from thread to thread.
      const int c = s.b_column == 1 ? at % BN : at / kDepth, d = s.b_column == 1 ? at / BN : at % kDepth;
      const bool there = k0 + d < k_end && first_column + c < s.n;
      right[d][c] = there ? b[(k0 + d) * s.b_row + (first_column + c) * s.b_column] : 0;
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float l[RM], r[RN];
#pragma unroll
      for (int i = 0; i < RM; ++i) l[i] = left[d][row + i];
#pragma unroll
      for (int j = 0; j < RN; ++j) r[j] = right[d][column + j];
#pragma unroll
      for (int i = 0; i < RM; ++i)
#pragma unroll
        for (int j = 0; j < RN; ++j) sum[i][j] = fmaf(l[i], r[j], sum[i][j]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < RM; ++i)
#pragma unroll
    for (int j = 0; j < RN; ++j) {
      const int64_t r = first_row + row + i, c = first_column + column + j;
      if (r >= s.m || c >= s.n) continue;
      if (s.k_of_split)
        atomicAdd(sums + r * s.n + c, sum[i][j]);
      else
        y[r * s.n + c] = sum[i][j] + (bias ? bias[c] : 0);
    }
  if (!s.k_of_split || !is_last_block(arrived, gridDim.x * gridDim.y * gridDim.z)) return;
  for (int64_t at = threadIdx.x; at < s.m * s.n; at += kThreads) {
    y[at] = __ldcg(sums + at) + (bias ? bias[at % s.n] : 0);
    sums[at] = 0;
  }
}

Sizes sizes_of(const OperationRow& row) {
  Sizes s;
  const Dims &x = row.inputs[0].dims, &w = row.inputs[1].dims;
  s.n = row.output.dims.back();
  if (row.operation == Operation::conv1d || row.operation == Operation::conv2d) {
    const bool flat = x.size() == 3;
    const int64_t channels = x.back(), height = flat ? 1 : x[1], width = flat ? x[1] : x[2], tall = flat ? 1 : w[1];
    s.m = row.output.elements() / s.n;
    s.line = row.output.dims[row.output.dims.size() - 2];
    s.row_step = channels;
    s.lines = height - tall + 1;
    s.line_step = s.piece_step = width * channels;
    s.picture_step = height * width * channels;
    s.piece = (flat ? w[1] : w[2]) * channels;
    s.k = s.piece * tall;
    s.b_row = 1, s.b_column = s.k;
    return s;
  }
  s.k = s.piece = s.row_step = x.back();
  const int64_t rows = row.output.elements() / s.n;
  s.line = s.m = w.size() > 2 ? x[x.size() - 2] : rows;
  s.batches = rows / s.m;
  s.a_batch = s.m * s.k;
  s.b_batch = w.size() > 2 ? s.k * s.n : 0;
  s.b_row = s.n;
  return s;
}

template <int BM, int BN, int RM, int RN>
DeviceRun tiled(Sizes s, bool has_bias) {
  const int64_t across = pieces(s.m, BM), down = pieces(s.n, BN);
  if (down > 65535 || s.batches > 65535) return {};
  // Too few tiles for the device: the sum over k is shared among blocks.
  const int64_t wanted = 3 * multiprocessors() / (across * down * s.batches);
  const int64_t splits = s.batches == 1 ? std::clamp<int64_t>(std::min(wanted, s.k / 256), 1, 65535) : 1;
  if (splits > 1) s.k_of_split = pieces(pieces(s.k, splits), kDepth) * kDepth;
  const int64_t deep = splits > 1 ? pieces(s.k, s.k_of_split) : s.batches;
  const auto sums = zeroed<float>(splits > 1 ? size_t(s.m * s.n) : 1);
  const auto arrived = zeroed<unsigned>(1);
  return [=](const void* const* inputs, void* output) {
    tiles<BM, BN, RM, RN><<<dim3(unsigned(across), unsigned(down), unsigned(deep)), kThreads>>>(
        static_cast<const float*>(inputs[0]), static_cast<const float*>(inputs[1]),
        has_bias ? static_cast<const float*>(inputs[2]) : nullptr, static_cast<float*>(output), s,
        reinterpret_cast<float*>(sums->data()), reinterpret_cast<unsigned*>(arrived->data()));
  };
}

}  // namespace

DeviceRun make_product(const OperationRow& row) {
  const bool has_bias = row.operation == Operation::linear;
  if (!has_bias && row.operation != Operation::matmul && row.operation != Operation::conv1d &&
      row.operation != Operation::conv2d)
    return {};
  const Sizes s = sizes_of(row);
  if (s.n <= 8) return tiled<512, 8, 4, 4>(s, has_bias);
  if (s.m <= 16) return tiled<16, 128, 1, 8>(s, has_bias);
  if (s.n <= 32) return tiled<128, 32, 4, 4>(s, has_bias);
  if (s.n <= 64 || s.m <= 64) return tiled<64, 64, 4, 4>(s, has_bias);
  return tiled<128, 128, 8, 8>(s, has_bias);
}

}  // namespace assay

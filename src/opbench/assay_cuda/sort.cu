// Sort: bitonic networks in shared memory, a block for some lines; lines side by side keep lying so.
#include <cmath>

#include "opbench/row_axis.h"
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kLongest = 4096;     // elements of a line
constexpr int kShared = 4096 * 4;  // bytes, of the lines of a block together
constexpr int kBlock = 512;

/// SIDE lines side by side, or one; each padded to 2^`bits` elements with infinities. Element j of line l lies at
/// j · SIDE + l in shared memory.
template <int SIDE>
__global__ void __launch_bounds__(kBlock)
    sort_lines(const float* x, float* y, int count, int bits, int64_t inner, int64_t tiles) {
  extern __shared__ float values[];
  const int64_t outer = blockIdx.x / tiles, column = blockIdx.x % tiles * SIDE;
  const int64_t begin = outer * count * inner + column;
  const int padded = 1 << bits, here = SIDE == 1 ? 1 : int(min(int64_t(SIDE), inner - column));
  for (int at = threadIdx.x; at < padded * SIDE; at += kBlock) {
    const int j = at / SIDE, l = at % SIDE;
    values[at] = j < count && l < here ? x[begin + j * inner + l] : INFINITY;
  }
  for (int block = 1; block <= bits; ++block) {
    for (int step = block - 1; step >= 0; --step) {
      __syncthreads();
      for (int at = threadIdx.x; at < padded / 2 * SIDE; at += kBlock) {
        const int l = at % SIDE, pair = at / SIDE;
        const int low = (pair >> step << (step + 1)) | (pair & ((1 << step) - 1)), high = low | 1 << step;
        const bool ascends = !(low >> block & 1) || block == bits;
        float &first = values[low * SIDE + l], &second = values[high * SIDE + l];
        const float a = first, b = second;
        if ((a > b) == ascends) first = b, second = a;
      }
    }
  }
  __syncthreads();
  for (int at = threadIdx.x; at < padded * SIDE; at += kBlock) {
    const int j = at / SIDE, l = at % SIDE;
    if (j < count && l < here) y[begin + j * inner + l] = values[at];
  }
}

}  // namespace

DeviceRun make_sort(const OperationRow& row) {
  if (row.operation != Operation::sort) return {};
  const AxisShape axis = axis_shape(row.shape(), row.axis);
  if (axis.count > kLongest) return {};
  int bits = 1;
  while (1 << bits < axis.count) ++bits;
  const bool side = axis.inner > 1 && (4 << bits) * 32 <= kShared;
  if (axis.inner > 1 && !side) return {};
  const int64_t tiles = side ? pieces(axis.inner, 32) : 1;
  const size_t shared = size_t(4 << bits) * (side ? 32 : 1);
  return [=](const void* const* inputs, void* output) {
    const auto* x = static_cast<const float*>(inputs[0]);
    auto* y = static_cast<float*>(output);
    const unsigned blocks = unsigned(axis.outer * tiles);
    if (side)
      sort_lines<32><<<blocks, kBlock, shared>>>(x, y, int(axis.count), bits, axis.inner, tiles);
    else
      sort_lines<1><<<blocks, kBlock, shared>>>(x, y, int(axis.count), bits, 1, 1);
  };
}

}  // namespace assay

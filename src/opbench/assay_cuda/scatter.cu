// Scatter, ScatterSum, ScatterMax: each block takes a part of the values and a table of its own in shared memory, then
// the tables meet in the device's memory, and the last block writes what came out.
#include <cmath>

#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kWide = 1024;
constexpr int64_t kMostTable = 200 << 10;  // bytes of shared memory
constexpr int64_t kOfBlock = 2048;         // values, at least
constexpr size_t kUnasked = 48 << 10;      // of shared memory that a kernel may have without asking

/// The last value of each row: the largest index into the values, kept in `table` as that plus one.
__global__ void __launch_bounds__(kWide)
    scatter_last(const float* x, const int64_t* index_of, const float* v, float* y, int rows, int columns,
                 int64_t added, unsigned* table, unsigned* arrived) {
  extern __shared__ unsigned last_of[];
  for (int r = threadIdx.x; r < rows; r += kWide) last_of[r] = 0;
  __syncthreads();
  const int64_t each = pieces(added, gridDim.x), end = min(added, (blockIdx.x + 1) * each);
  for (int64_t i = blockIdx.x * each + threadIdx.x; i < end; i += kWide) {
    const int64_t to = index_of[i];
    if (uint64_t(to) >= uint64_t(rows)) __trap();
    atomicMax(last_of + to, unsigned(i + 1));
  }
  __syncthreads();
  if (gridDim.x > 1) {
    for (int r = threadIdx.x; r < rows; r += kWide)
      if (last_of[r] != 0) atomicMax(table + r, last_of[r]);
    if (!is_last_block(arrived, gridDim.x)) return;
    for (int r = threadIdx.x; r < rows; r += kWide) last_of[r] = atomicExch(table + r, 0);
    __syncthreads();
  }
  for (int at = threadIdx.x; at < rows * columns; at += kWide) {
    const int r = at / columns;
    y[at] = last_of[r] == 0 ? x[at] : v[int64_t(last_of[r] - 1) * columns + at % columns];
  }
}

struct Plus {
  static __device__ float start() { return 0; }
  static __device__ float of(float a, float b) { return a + b; }
  static __device__ void meet(float* to, float v) { atomicAdd(to, v); }
};
struct Larger {
  static __device__ float start() { return -INFINITY; }
  static __device__ float of(float a, float b) { return fmaxf(a, b); }
  /// Bits of positive floats are in their order, those of negative ones in the opposite.
  static __device__ void meet(float* to, float v) {
    if (__float_as_int(v) >= 0)
      atomicMax(reinterpret_cast<int*>(to), __float_as_int(v));
    else
      atomicMin(reinterpret_cast<unsigned*>(to), __float_as_uint(v));
  }
};

/// `copies` tables in shared memory, so that warps meet less often; `sums`, in the device's memory, hold what blocks
/// came to and start() between two calls.
template <typename Meet>
__global__ void __launch_bounds__(kWide)
    scatter_met(const float* x, const int64_t* index_of, const float* v, float* y, int rows, int columns, int64_t added,
                int copies, float* sums, unsigned* arrived) {
  extern __shared__ float tables[];
  const int size = rows * columns;
  for (int at = threadIdx.x; at < size * copies; at += kWide) tables[at] = Meet::start();
  __syncthreads();
  // So many threads take a value that each has one column.
  const int values = kWide / columns, value = threadIdx.x / columns, column = threadIdx.x % columns;
  float* table = tables + value % copies * size;
  const int64_t each = pieces(added, gridDim.x), end = min(added, (blockIdx.x + 1) * each);
  if (value < values) {
    constexpr int kFlight = 4;
    for (int64_t i = blockIdx.x * each + value; i < end; i += kFlight * values) {
      int64_t to[kFlight];
      float add[kFlight];
#pragma unroll
      for (int u = 0; u < kFlight; ++u) {
        const int64_t at = i + u * values;
        to[u] = at < end ? index_of[at] : 0;
        add[u] = at < end ? v[at * columns + column] : 0;
      }
#pragma unroll
      for (int u = 0; u < kFlight; ++u) {
        if (i + u * values >= end) break;
        if (uint64_t(to[u]) >= uint64_t(rows)) __trap();
        Meet::meet(table + to[u] * columns + column, add[u]);
      }
    }
  }
  __syncthreads();
  const bool alone = gridDim.x == 1;
  for (int at = threadIdx.x; at < size; at += kWide) {
    float all = tables[at];
    for (int c = 1; c < copies; ++c) all = Meet::of(all, tables[c * size + at]);
    if (alone)
      y[at] = Meet::of(x[at], all);
    else
      Meet::meet(sums + at, all);
  }
  if (alone || !is_last_block(arrived, gridDim.x)) return;
  for (int at = threadIdx.x; at < size; at += kWide) {
    y[at] = Meet::of(x[at], __ldcg(sums + at));
    sums[at] = Meet::start();
  }
}

template <typename Kernel>
void let_share(Kernel kernel, size_t bytes) {
  if (bytes > kUnasked)
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)),
               "asking for shared memory");
}

struct Sizes {
  int rows, columns;
  int64_t added;
  unsigned blocks;
};

DeviceRun make_last(const Sizes& s) {
  const auto table = zeroed<unsigned>(size_t(s.rows) + 1);
  let_share(scatter_last, size_t(s.rows) * 4);
  return [=](const void* const* inputs, void* output) {
    auto* const of_device = reinterpret_cast<unsigned*>(table->data());
    scatter_last<<<s.blocks, kWide, size_t(s.rows) * 4>>>(
        static_cast<const float*>(inputs[0]), static_cast<const int64_t*>(inputs[1]),
        static_cast<const float*>(inputs[2]), static_cast<float*>(output), s.rows, s.columns, s.added, of_device,
        of_device + s.rows);
  };
}

template <typename Meet>
DeviceRun make_meeting(const Sizes& s, float start) {
  const size_t size = size_t(s.rows) * size_t(s.columns);
  const auto sums = zeroed<float>(size);
  const auto arrived = zeroed<unsigned>(1);
  const std::vector<float> starts(size, start);
  check_cuda(cudaMemcpy(sums->data(), starts.data(), size * 4, cudaMemcpyHostToDevice), "making a table");
  const int copies = int(std::clamp<int64_t>(kMostTable / 2 / int64_t(size * 4), 1, kWide / s.columns));
  const size_t bytes = size * 4 * size_t(copies);
  let_share(scatter_met<Meet>, bytes);
  return [=](const void* const* inputs, void* output) {
    scatter_met<Meet><<<s.blocks, kWide, bytes>>>(
        static_cast<const float*>(inputs[0]), static_cast<const int64_t*>(inputs[1]),
        static_cast<const float*>(inputs[2]), static_cast<float*>(output), s.rows, s.columns, s.added, copies,
        reinterpret_cast<float*>(sums->data()), reinterpret_cast<unsigned*>(arrived->data()));
  };
}

}  // namespace

DeviceRun make_scatter(const OperationRow& row) {
  if (row.operation != Operation::scatter && row.operation != Operation::scatter_sum &&
      row.operation != Operation::scatter_max)
    return {};
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], added = row.inputs[1].elements();
  if (rows * columns * 4 > kMostTable || columns > kWide || added >= INT32_MAX) return {};
  const unsigned blocks = unsigned(std::clamp<int64_t>(added / kOfBlock, 1, multiprocessors()));
  const Sizes sizes{int(rows), int(columns), added, blocks};
  if (row.operation == Operation::scatter) return make_last(sizes);
  if (row.operation == Operation::scatter_sum) return make_meeting<Plus>(sizes, 0);
  return make_meeting<Larger>(sizes, -INFINITY);
}

}  // namespace assay

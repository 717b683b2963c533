// Sums, the largest's index, and BCE's mean.
#include "opbench/row_axis.h"
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kMostBlocks = 2048;

/// What blocks of one grid leave for the last of them.
struct Partials {
  double sums[kMostBlocks];
  unsigned arrived;
};

struct Identity {
  static constexpr bool kTwo = false;
  static __device__ float of(float x, float) { return x; }
};
struct BceTerm {
  static constexpr bool kTwo = true;
  static __device__ float of(float p, float t) {
    const float yes = fmaxf(logf(p), -100.0f), no = fmaxf(log1pf(-p), -100.0f);
    return fmaf(t, yes - no, no);
  }
};

template <typename Term>
__device__ inline float term_of(float4 a, float4 b) {
  return (Term::of(a.x, b.x) + Term::of(a.y, b.y)) + (Term::of(a.z, b.z) + Term::of(a.w, b.w));
}

/// For every thread of the block the sum over it.
__device__ double block_sum(double v) {
  __shared__ double of_warp[32];
  v = lanes_sum(v);
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = v;
  __syncthreads();
  return lanes_sum(threadIdx.x % 32 < blockDim.x / 32 ? of_warp[threadIdx.x % 32] : 0.0);
}

template <typename Term>
__global__ void __launch_bounds__(512)
    sum_terms(const float* a, const float* b, int64_t count, double scale, Partials* partials, float* y) {
  constexpr int kFlight = 4;
  const int64_t vectors = count / 4, step = int64_t(gridDim.x) * blockDim.x;
  const auto *left = reinterpret_cast<const float4*>(a), *right = reinterpret_cast<const float4*>(b);
  float sums[kFlight] = {};
  int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t first = i;
  for (; i + (kFlight - 1) * step < vectors; i += kFlight * step) {
    float4 v[kFlight], w[kFlight];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) v[u] = left[i + u * step];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) w[u] = Term::kTwo ? right[i + u * step] : v[u];
#pragma unroll
    for (int u = 0; u < kFlight; ++u) sums[u] += term_of<Term>(v[u], w[u]);
  }
  for (; i < vectors; i += step) sums[0] += term_of<Term>(left[i], Term::kTwo ? right[i] : left[i]);
  if (first < count % 4) {
    const int64_t at = vectors * 4 + first;
    sums[0] += Term::of(a[at], Term::kTwo ? b[at] : 0);
  }
  const double sum = block_sum(double(sums[0] + sums[1]) + double(sums[2] + sums[3]));
  if (threadIdx.x == 0) partials->sums[blockIdx.x] = sum;
  if (!is_last_block(&partials->arrived, gridDim.x)) return;
  double all = 0;
  for (unsigned p = threadIdx.x; p < gridDim.x; p += blockDim.x) all += partials->sums[p];
  all = block_sum(all);
  if (threadIdx.x == 0) *y = float(all * scale);
}

template <typename Term>
DeviceRun total(const OperationRow& row, double scale) {
  constexpr int kWide = 512;
  const int64_t count = row.inputs[0].elements();
  const auto partials = zeroed<Partials>(1);
  const int64_t most = std::min<int64_t>(kMostBlocks, int64_t(multiprocessors()) * 4);
  const unsigned blocks = unsigned(std::max<int64_t>(1, std::min(most, pieces(count / 4, kWide * 2))));
  return [=](const void* const* inputs, void* output) {
    sum_terms<Term><<<blocks, kWide>>>(static_cast<const float*>(inputs[0]),
                                       static_cast<const float*>(inputs[Term::kTwo ? 1 : 0]), count, scale,
                                       reinterpret_cast<Partials*>(partials->data()), static_cast<float*>(output));
  };
}

struct Sum {
  using Out = float;
  float value = 0;
  __device__ void take(float x, int) { value += x; }
  __device__ void join(const Sum& other) { value += other.value; }
  __device__ Sum from(int lane) const { return {__shfl_xor_sync(kAll, value, lane)}; }
  __device__ Out result() const { return value; }
};
struct Largest {
  using Out = int64_t;
  float value = -INFINITY;
  int index = 0;
  __device__ void take(float x, int i) {
    if (x > value) value = x, index = i;
  }
  __device__ void join(const Largest& other) { take(other.value, other.index); }
  __device__ Largest from(int lane) const {
    return {__shfl_xor_sync(kAll, value, lane), __shfl_xor_sync(kAll, index, lane)};
  }
  __device__ Out result() const { return index; }
};

template <typename Result>
__device__ inline void take_four(Result& r, float4 v, int at) {
  r.take(v.x, at), r.take(v.y, at + 1), r.take(v.z, at + 2), r.take(v.w, at + 3);
}

/// A warp for LINES lines that lie one after the other.
template <typename Result, int LINES>
__global__ void __launch_bounds__(kThreads)
    along_lines(const float* x, typename Result::Out* y, int64_t lines, int count) {
  const int lane = threadIdx.x % 32;
  const int64_t first = (int64_t(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32) * LINES;
  if (first >= lines) return;
  const int here = int(min(int64_t(LINES), lines - first));
  Result results[LINES];
  const float* from = x + first * count;
  if (count % 4 == 0) {
    const auto* vectors = reinterpret_cast<const float4*>(from);
    const int each = count / 4;
#pragma unroll 4
    for (int i = lane; i < each; i += 32) {
      float4 v[LINES];
#pragma unroll
      for (int l = 0; l < LINES; ++l) v[l] = vectors[int64_t(min(l, here - 1)) * each + i];
#pragma unroll
      for (int l = 0; l < LINES; ++l) take_four(results[l], v[l], i * 4);
    }
  } else {
    for (int i = lane; i < count; i += 32)
#pragma unroll
      for (int l = 0; l < LINES; ++l) results[l].take(from[int64_t(min(l, here - 1)) * count + i], i);
  }
#pragma unroll
  for (int l = 0; l < LINES; ++l) {
    for (int step = 16; step > 0; step /= 2) results[l].join(results[l].from(step));
    if (lane == l && l < here) y[first + l] = results[l].result();
  }
}

/// A block for 32 · VEC lines that lie side by side; blockDim.y threads share a line.
template <typename Result, int VEC>
__global__ void across_lines(const float* x, typename Result::Out* y, int count, int64_t inner, int64_t tiles) {
  extern __shared__ char memory[];
  auto* const shared = reinterpret_cast<Result*>(memory);
  const int64_t outer = blockIdx.x / tiles, column = (blockIdx.x % tiles * 32 + threadIdx.x) * VEC;
  const float* from = x + outer * count * inner + column;
  Result results[VEC];
  if (column < inner) {
#pragma unroll 8
    for (int j = threadIdx.y; j < count; j += blockDim.y) {
      if constexpr (VEC == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from + j * inner);
        results[0].take(v.x, j), results[1].take(v.y, j), results[2].take(v.z, j), results[3].take(v.w, j);
      } else {
        results[0].take(from[j * inner], j);
      }
    }
  }
#pragma unroll
  for (int v = 0; v < VEC; ++v) shared[(threadIdx.y * VEC + v) * 32 + threadIdx.x] = results[v];
  __syncthreads();
  for (int line = threadIdx.y; line < VEC; line += blockDim.y) {
    Result all = shared[line * 32 + threadIdx.x];
    for (unsigned t = 1; t < blockDim.y; ++t) all.join(shared[(t * VEC + line) * 32 + threadIdx.x]);
    if (column < inner) y[outer * inner + column + line] = all.result();
  }
}

template <typename Result>
DeviceRun along_axis(const OperationRow& row) {
  using Out = typename Result::Out;
  const AxisShape axis = axis_shape(row.shape(), row.axis);
  const int count = int(axis.count);
  if (axis.inner == 1) {
    const bool several = count <= 256;
    const unsigned blocks = unsigned(pieces(axis.outer, kThreads / 32 * (several ? 4 : 1)));
    return [=](const void* const* inputs, void* output) {
      const auto* x = static_cast<const float*>(inputs[0]);
      auto* y = static_cast<Out*>(output);
      if (several)
        along_lines<Result, 4><<<blocks, kThreads>>>(x, y, axis.outer, count);
      else
        along_lines<Result, 1><<<blocks, kThreads>>>(x, y, axis.outer, count);
    };
  }
  const bool wide = axis.inner % 128 == 0 && axis.outer * axis.inner / 128 >= 2 * multiprocessors();
  const int vec = wide ? 4 : 1, deep = count >= 256 ? 32 : 8;
  const int64_t tiles = pieces(axis.inner, 32 * vec);
  const size_t shared = size_t(deep) * 32 * vec * sizeof(Result);
  return [=](const void* const* inputs, void* output) {
    const auto* x = static_cast<const float*>(inputs[0]);
    auto* y = static_cast<Out*>(output);
    const unsigned blocks = unsigned(axis.outer * tiles);
    if (wide)
      across_lines<Result, 4><<<blocks, dim3(32, deep), shared>>>(x, y, count, axis.inner, tiles);
    else
      across_lines<Result, 1><<<blocks, dim3(32, deep), shared>>>(x, y, count, axis.inner, tiles);
  };
}

}  // namespace

DeviceRun make_reduction(const OperationRow& row) {
  switch (row.operation) {
    case Operation::sum:
      return along_axis<Sum>(row);
    case Operation::argmax:
      return along_axis<Largest>(row);
    case Operation::sum_all:
      return total<Identity>(row, 1);
    case Operation::bce:
      return total<BceTerm>(row, -1 / double(row.inputs[0].elements()));
    default:
      return {};
  }
}

}  // namespace assay

// Softmax and LayerNorm: what needs all of a line along the last axis before it can write the first element.
#include <cmath>

#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kLongLine = 8192;  // elements; longer ones are shared among blocks
constexpr int kMostParts = 64;
constexpr float kEpsilon = 1e-5f;

struct Norm {
  const float *w, *b;
};

/// A line in registers: VECTORS float4 of each of LANES lanes.
template <int LANES, int VECTORS, bool NORM>
__global__ void __launch_bounds__(kThreads) of_kept(const float4* x, float4* y, int64_t lines, Norm norm) {
  constexpr int kCount = LANES * VECTORS * 4;
  const int lane = threadIdx.x % LANES;
  const int64_t line = int64_t(blockIdx.x) * (kThreads / LANES) + threadIdx.x / LANES,
                at = line * LANES * VECTORS + lane;
  const bool here = line < lines;
  float4 v[VECTORS];
#pragma unroll
  for (int i = 0; i < VECTORS; ++i) v[i] = here ? x[at + i * LANES] : float4{};
  if constexpr (NORM) {
    float sum = 0, squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; ++i) sum += (v[i].x + v[i].y) + (v[i].z + v[i].w);
    const float mean = lanes_sum<LANES>(sum) / kCount;
#pragma unroll
    for (int i = 0; i < VECTORS; ++i) {
      v[i] = {v[i].x - mean, v[i].y - mean, v[i].z - mean, v[i].w - mean};
      squares += (v[i].x * v[i].x + v[i].y * v[i].y) + (v[i].z * v[i].z + v[i].w * v[i].w);
    }
    const float scale = rsqrtf(lanes_sum<LANES>(squares) / kCount + kEpsilon);
    if (!here) return;
#pragma unroll
    for (int i = 0; i < VECTORS; ++i) {
      const float4 w = reinterpret_cast<const float4*>(norm.w)[lane + i * LANES];
      const float4 b = reinterpret_cast<const float4*>(norm.b)[lane + i * LANES];
      y[at + i * LANES] = {v[i].x * scale * w.x + b.x, v[i].y * scale * w.y + b.y, v[i].z * scale * w.z + b.z,
                           v[i].w * scale * w.w + b.w};
    }
  } else {
    float top = -INFINITY, sum = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; ++i) top = fmaxf(top, fmaxf(fmaxf(v[i].x, v[i].y), fmaxf(v[i].z, v[i].w)));
    top = lanes_max<LANES>(top);
#pragma unroll
    for (int i = 0; i < VECTORS; ++i) {
      v[i] = {__expf(v[i].x - top), __expf(v[i].y - top), __expf(v[i].z - top), __expf(v[i].w - top)};
      sum += (v[i].x + v[i].y) + (v[i].z + v[i].w);
    }
    const float scale = 1 / lanes_sum<LANES>(sum);
    if (!here) return;
#pragma unroll
    for (int i = 0; i < VECTORS; ++i)
      y[at + i * LANES] = {v[i].x * scale, v[i].y * scale, v[i].z * scale, v[i].w * scale};
  }
}

/// A warp for a line of any length, which it reads again from a cache.
template <bool NORM>
__global__ void __launch_bounds__(kThreads) of_any(const float* x, float* y, int64_t lines, int count, Norm norm) {
  const int lane = threadIdx.x % 32;
  const int64_t line = int64_t(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  if (line >= lines) return;
  const float* from = x + line * count;
  float* to = y + line * count;
  float first = NORM ? 0 : -INFINITY, second = 0;
  for (int i = lane; i < count; i += 32) first = NORM ? first + from[i] : fmaxf(first, from[i]);
  first = NORM ? lanes_sum(first) / float(count) : lanes_max(first);
  for (int i = lane; i < count; i += 32) {
    const float d = from[i] - first;
    second += NORM ? d * d : __expf(d);
  }
  second = lanes_sum(second);
  const float scale = NORM ? rsqrtf(second / float(count) + kEpsilon) : 1 / second;
  for (int i = lane; i < count; i += 32) {
    const float d = from[i] - first;
    to[i] = NORM ? d * scale * norm.w[i] + norm.b[i] : __expf(d) * scale;
  }
}

/// The largest of some elements of a line, and the sum of e to what the others are below it.
struct TopAndSum {
  float top, sum;
};
__device__ inline TopAndSum joined(TopAndSum a, TopAndSum b) {
  const float top = fmaxf(a.top, b.top);
  if (top == -INFINITY) return {top, 0};
  return {top, a.sum * __expf(a.top - top) + b.sum * __expf(b.top - top)};
}
__device__ inline TopAndSum joined_lanes(TopAndSum v) {
  for (int step = 16; step > 0; step /= 2)
    v = joined(v, {__shfl_xor_sync(kAll, v.top, step), __shfl_xor_sync(kAll, v.sum, step)});
  return v;
}

__global__ void __launch_bounds__(1024) look_at_parts(const float* x, int64_t count, TopAndSum* parts) {
  __shared__ TopAndSum of_warp[32];
  const int64_t each = pieces(count / 4, gridDim.x), begin = blockIdx.x * each, end = min(begin + each, count / 4);
  const auto* line = reinterpret_cast<const float4*>(x + blockIdx.y * count);
  TopAndSum mine{-INFINITY, 0};
  constexpr int kFlight = 4;
  for (int64_t i = begin + threadIdx.x; i < end; i += kFlight * 1024) {
    float4 v[kFlight];
    float top = mine.top, sum = 0;
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      v[u] = i + u * 1024 < end ? line[i + u * 1024] : float4{-INFINITY, -INFINITY, -INFINITY, -INFINITY};
#pragma unroll
    for (int u = 0; u < kFlight; ++u) top = fmaxf(top, fmaxf(fmaxf(v[u].x, v[u].y), fmaxf(v[u].z, v[u].w)));
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      sum += (__expf(v[u].x - top) + __expf(v[u].y - top)) + (__expf(v[u].z - top) + __expf(v[u].w - top));
    mine = {top, sum + (mine.sum > 0 ? mine.sum * __expf(mine.top - top) : 0)};
  }
  mine = joined_lanes(mine);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  mine = joined_lanes(of_warp[threadIdx.x]);
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = mine;
}

/// In the opposite order: what was read last is still in a cache.
__global__ void __launch_bounds__(1024) write_parts(const float* x, float* y, int64_t count, const TopAndSum* parts) {
  const int64_t row = gridDim.y - 1 - blockIdx.y, part = gridDim.x - 1 - blockIdx.x;
  const unsigned lane = threadIdx.x % 32;
  TopAndSum all{-INFINITY, 0};
  for (unsigned p = lane; p < gridDim.x; p += 32) all = joined(all, parts[row * gridDim.x + p]);
  all = joined_lanes(all);
  const float scale = 1 / all.sum;
  const int64_t each = pieces(count / 4, gridDim.x), begin = part * each, end = min(begin + each, count / 4);
  const auto* line = reinterpret_cast<const float4*>(x + row * count);
  auto* to = reinterpret_cast<float4*>(y + row * count);
  constexpr int kFlight = 4;
  for (int64_t i = begin + threadIdx.x; i < end; i += kFlight * 1024) {
    float4 v[kFlight];
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      if (i + u * 1024 < end) v[u] = line[i + u * 1024];
#pragma unroll
    for (int u = 0; u < kFlight; ++u)
      if (i + u * 1024 < end)
        __stcs(to + i + u * 1024, float4{__expf(v[u].x - all.top) * scale, __expf(v[u].y - all.top) * scale,
                                         __expf(v[u].z - all.top) * scale, __expf(v[u].w - all.top) * scale});
  }
}

DeviceRun softmax_of_long(int64_t lines, int64_t count) {
  const int parts = int(std::min<int64_t>(kMostParts, pieces(count / 4, 4096)));
  const auto space = zeroed<TopAndSum>(size_t(lines * parts));
  return [=](const void* const* inputs, void* output) {
    const auto* x = static_cast<const float*>(inputs[0]);
    auto* looked = reinterpret_cast<TopAndSum*>(space->data());
    look_at_parts<<<dim3(parts, unsigned(lines)), 1024>>>(x, count, looked);
    write_parts<<<dim3(parts, unsigned(lines)), 1024>>>(x, static_cast<float*>(output), count, looked);
  };
}

template <int LANES, int VECTORS, bool NORM>
DeviceRun kept(int64_t lines) {
  const unsigned blocks = unsigned(pieces(lines, kThreads / LANES));
  return [=](const void* const* inputs, void* output) {
    const Norm norm = NORM ? Norm{static_cast<const float*>(inputs[1]), static_cast<const float*>(inputs[2])} : Norm{};
    of_kept<LANES, VECTORS, NORM>
        <<<blocks, kThreads>>>(static_cast<const float4*>(inputs[0]), static_cast<float4*>(output), lines, norm);
  };
}

template <bool NORM>
DeviceRun lines_of(int64_t lines, int64_t count) {
  switch (count) {
    case 8:
      return kept<2, 1, NORM>(lines);
    case 64:
      return kept<16, 1, NORM>(lines);
    case 128:
      return kept<32, 1, NORM>(lines);
    case 256:
      return kept<32, 2, NORM>(lines);
    case 512:
      return kept<32, 4, NORM>(lines);
    case 1024:
      return kept<32, 8, NORM>(lines);
    default:
      break;
  }
  if (!NORM && count >= kLongLine && count % 4 == 0 && lines < 65536) return softmax_of_long(lines, count);
  const unsigned blocks = unsigned(pieces(lines, kThreads / 32));
  return [=](const void* const* inputs, void* output) {
    const Norm norm = NORM ? Norm{static_cast<const float*>(inputs[1]), static_cast<const float*>(inputs[2])} : Norm{};
    of_any<NORM><<<blocks, kThreads>>>(static_cast<const float*>(inputs[0]), static_cast<float*>(output), lines,
                                       int(count), norm);
  };
}

}  // namespace

DeviceRun make_lines(const OperationRow& row) {
  const int64_t count = row.shape().back(), lines = row.output.elements() / count;
  if (row.operation == Operation::softmax) return lines_of<false>(lines, count);
  if (row.operation == Operation::layer_norm) return lines_of<true>(lines, count);
  return {};
}

}  // namespace assay

// Functions of elements: ReLU and its kin, Sigmoid, SeLU, Softplus.
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kUnroll = 4;  // vectors a thread has in flight

struct Relu {
  __device__ explicit Relu(const float*) {}
  __device__ float operator()(float x) const { return fmaxf(x, 0.0f); }
};
struct LeakyRelu {
  __device__ explicit LeakyRelu(const float*) {}
  __device__ float operator()(float x) const { return fmaxf(x, 0.01f * x); }
};
struct PRelu {
  float w;
  __device__ explicit PRelu(const float* slope) : w(*slope) {}
  __device__ float operator()(float x) const { return x > 0 ? x : w * x; }
};
struct Sigmoid {
  __device__ explicit Sigmoid(const float*) {}
  __device__ float operator()(float x) const { return __fdividef(1.0f, 1.0f + expf(-x)); }
};
struct Selu {
  __device__ explicit Selu(const float*) {}
  __device__ float operator()(float x) const {
    constexpr float kScale = 1.05070098735548f, kScaleAlpha = 1.75809934084738f;
    return x > 0 ? kScale * x : fmaf(kScaleAlpha, expf(x), -kScaleAlpha);
  }
};
struct Softplus {
  __device__ explicit Softplus(const float*) {}
  __device__ float operator()(float x) const { return fmaxf(x, 0.0f) + __logf(1.0f + expf(-fabsf(x))); }
};

template <typename Function>
__global__ void __launch_bounds__(kThreads) map(const float* x, float* y, int64_t count, const float* slope) {
  const Function f(slope);
  const int64_t vectors = count / 4, first = int64_t(blockIdx.x) * kThreads * kUnroll + threadIdx.x;
  const auto* from = reinterpret_cast<const float4*>(x);
  auto* to = reinterpret_cast<float4*>(y);
  float4 v[kUnroll];
#pragma unroll
  for (int u = 0; u < kUnroll; ++u)
    if (first + u * kThreads < vectors) v[u] = from[first + u * kThreads];
#pragma unroll
  for (int u = 0; u < kUnroll; ++u)
    if (first + u * kThreads < vectors) to[first + u * kThreads] = {f(v[u].x), f(v[u].y), f(v[u].z), f(v[u].w)};
  if (first < count % 4) y[vectors * 4 + first] = f(x[vectors * 4 + first]);
}

template <typename Function>
DeviceRun mapped(const OperationRow& row) {
  const int64_t count = row.output.elements();
  const unsigned blocks = unsigned(pieces(count / 4 + 1, kThreads * kUnroll));
  const bool has_slope = row.inputs.size() > 1;
  return [=](const void* const* inputs, void* output) {
    map<Function><<<blocks, kThreads>>>(static_cast<const float*>(inputs[0]), static_cast<float*>(output), count,
                                        has_slope ? static_cast<const float*>(inputs[1]) : nullptr);
  };
}

}  // namespace

DeviceRun make_elementwise(const OperationRow& row) {
  switch (row.operation) {
    case Operation::relu:
      return mapped<Relu>(row);
    case Operation::leaky_relu:
      return mapped<LeakyRelu>(row);
    case Operation::prelu:
      return mapped<PRelu>(row);
    case Operation::sigmoid:
      return mapped<Sigmoid>(row);
    case Operation::selu:
      return mapped<Selu>(row);
    case Operation::softplus:
      return mapped<Softplus>(row);
    default:
      return {};
  }
}

}  // namespace assay

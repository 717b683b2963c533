// A drop-in kernel: D[1,n] = A[1,k] · B[n,k]ᵀ for f32 and f16, one dot product a row of B, rows shared out to the
// threads.
#include <bit>

#include "assay_kernel.h"

namespace {

// f16 to f32 without a branch, so that the compiler can vectorize it: the exponent is moved by a multiplication.
inline float to_float(uint16_t half) {
  const float magnitude = std::bit_cast<float>(uint32_t(half & 0x7fff) << 13) * 0x1p112f;
  const uint32_t infinite = magnitude >= 65536.0f ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | infinite | uint32_t(half & 0x8000) << 16);
}
inline float to_float(float value) { return value; }

// f32 to f16, to nearest even.
inline void store(float value, uint16_t* to) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size > 0x7f800000u)  // NaN
    *to = uint16_t(sign | 0x7e00);
  else if (size >= 0x477ff000u)  // rounds to infinity
    *to = uint16_t(sign | 0x7c00);
  else if (size < 0x38800000u)  // a subnormal f16: the adder rounds at 2^-24
    *to = uint16_t(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3f000000u));
  else  // half a unit of the last place is added, one bit less where that would round a tie to odd
    *to = uint16_t(sign | (size + 0xfff + (size >> 13 & 1) - 0x38000000u) >> 13);
}
inline void store(float value, float* to) { *to = value; }

template <typename A, typename B>
float dot(const A* a, const B* b, int64_t k) {
  float sums[LANES] = {};
  int64_t i = 0;
  for (; i + LANES <= k; i += LANES)
    for (int lane = 0; lane < LANES; ++lane) sums[lane] += to_float(a[i + lane]) * to_float(b[i + lane]);
  float sum = 0;
  for (; i < k; ++i) sum += to_float(a[i]) * to_float(b[i]);
  for (const float partial : sums) sum += partial;
  return sum;
}

struct Operands {
  const assay_tensor *a, *b, *d;
};

template <typename A, typename B, typename D>
int gemv(const Operands& x, const assay_thread* thread) {
  const int64_t n = x.b->dims[1], k = x.b->dims[2];
  const int64_t first = n * thread->index / thread->count, last = n * (thread->index + 1) / thread->count;
  for (int64_t row = first; row < last; ++row) {
    const B* b = static_cast<const B*>(x.b->data) + row * x.b->strides[1];
    store(dot(static_cast<const A*>(x.a->data), b, k), static_cast<D*>(x.d->data) + row * x.d->strides[2]);
  }
  return ASSAY_OK;
}

template <typename A, typename B>
int with_output(const Operands& x, const assay_thread* thread) {
  return x.d->dtype == ASSAY_F16 ? gemv<A, B, uint16_t>(x, thread) : gemv<A, B, float>(x, thread);
}

template <typename A>
int with_weights(const Operands& x, const assay_thread* thread) {
  return x.b->dtype == ASSAY_F16 ? with_output<A, uint16_t>(x, thread) : with_output<A, float>(x, thread);
}

bool readable(const assay_tensor* tensor) {
  return tensor && tensor->layout == ASSAY_STRIDED && (tensor->dtype == ASSAY_F32 || tensor->dtype == ASSAY_F16);
}

int run(const assay_call* call, const assay_thread* thread) {
  Operands x{};
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const assay_tensor* tensor = &call->tensors[i];
    if (tensor->role == ASSAY_A) x.a = tensor;
    if (tensor->role == ASSAY_B) x.b = tensor;
    if (tensor->role == ASSAY_D) x.d = tensor;
  }
  if (call->op != ASSAY_MATMUL || !readable(x.a) || !readable(x.b) || !readable(x.d)) return ASSAY_UNSUPPORTED;
  if (x.a->dims[1] != 1 || x.a->strides[2] != 1 || x.b->strides[2] != 1) return ASSAY_UNSUPPORTED;
  return x.a->dtype == ASSAY_F16 ? with_weights<uint16_t>(x, thread) : with_weights<float>(x, thread);
}

const assay_kernel kKernel = {sizeof(assay_kernel), ASSAY_ABI_VERSION, "my_gemv", nullptr, nullptr, nullptr, run};

}  // namespace

const assay_kernel* assay_kernel_entry(void) { return &kKernel; }

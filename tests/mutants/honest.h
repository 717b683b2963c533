// The honest matmul that every mutant starts from: elements, shares of the threads, epilogue, the exported kernel.
#pragma once
#include "assay_kernel.h"
#include "precompiled.h"

namespace honest {

/// The call with its tensors by value, so that a mutant can bend a view and leave the harness's own alone.
struct Product {
  assay_tensor a{}, b{}, c{}, d{}, bias{};
  bool has_bias = false;
  double alpha = 1, beta = 0;
  int64_t batch = 0, m = 0, n = 0, k = 0;
  int64_t outputs() const { return batch * m * n; }
};

/// The operand of that role and segment, or null.
inline const assay_tensor* find(const assay_call* call, uint32_t role, uint32_t segment = 0) {
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (call->tensors[i].role == role && call->tensors[i].segment == segment) return call->tensors + i;
  return nullptr;
}

inline Product open(const assay_call* call) {
  Product p;
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const assay_tensor& tensor = call->tensors[i];
    switch (tensor.role) {
      case ASSAY_A:
        p.a = tensor;
        break;
      case ASSAY_B:
        p.b = tensor;
        break;
      case ASSAY_C:
        p.c = tensor;
        break;
      case ASSAY_D:
        p.d = tensor;
        break;
      case ASSAY_BIAS:
        p.bias = tensor, p.has_bias = true;
        break;
      default:
        break;
    }
  }
  for (uint32_t i = 0; i < call->param_count; ++i) {
    if (call->params[i].id == ASSAY_ALPHA) p.alpha = call->params[i].value;
    if (call->params[i].id == ASSAY_BETA) p.beta = call->params[i].value;
  }
  p.batch = p.d.dims[0], p.m = p.d.dims[1], p.n = p.d.dims[2], p.k = p.a.dims[2];
  return p;
}

inline float half_to_float(uint16_t half) {
  const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  float value = 0;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    const uint32_t bits = exponent == 31 ? 0x7f800000u | (mantissa << 13) : ((exponent + 112) << 23) | (mantissa << 13);
    std::memcpy(&value, &bits, sizeof value);
  }
  return (half & 0x8000u) ? -value : value;
}

inline uint16_t float_to_half(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  uint32_t half = 0;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) {
    half = static_cast<uint32_t>(std::nearbyint(std::ldexp(std::fabs(value), 24)));
  } else {
    half = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

inline uint16_t float_to_bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline int64_t offset(const assay_tensor& tensor, int64_t batch, int64_t row, int64_t column) {
  return batch * tensor.strides[0] + row * tensor.strides[1] + column * tensor.strides[2];
}

/// The bits of a 16-bit element.
inline uint16_t bits_at(const assay_tensor& tensor, int64_t batch, int64_t row, int64_t column) {
  return static_cast<const uint16_t*>(tensor.data)[offset(tensor, batch, row, column)];
}

/// A Q8_0 weight's scale (the bits of a half) and integer, from blocks of 34 bytes or apart.
struct Quantized {
  uint16_t scale;
  int8_t value;
};
inline Quantized quantized_at(const assay_tensor& b, int64_t batch, int64_t row, int64_t column) {
  const auto* data = static_cast<const char*>(b.data);
  const bool split = b.layout == ASSAY_Q8_0_SPLIT;
  const int64_t block = batch * b.strides[0] + row * b.strides[1] + column / 32;
  Quantized q{};
  std::memcpy(
      &q.scale,
      split ? static_cast<const char*>(b.scales) + 2 * ((batch * b.dims[1] + row) * (b.dims[2] / 32) + column / 32)
            : data + 34 * block,
      2);
  std::memcpy(&q.value, split ? data + offset(b, batch, row, column) : data + 34 * block + 2 + column % 32, 1);
  return q;
}

inline float read(const assay_tensor& tensor, int64_t batch, int64_t row, int64_t column) {
  if (tensor.dtype == ASSAY_Q8_0) {
    const Quantized q = quantized_at(tensor, batch, row, column);
    return half_to_float(q.scale) * static_cast<float>(q.value);
  }
  if (tensor.dtype == ASSAY_F16) return half_to_float(bits_at(tensor, batch, row, column));
  if (tensor.dtype == ASSAY_BF16) {
    const uint32_t bits = uint32_t{bits_at(tensor, batch, row, column)} << 16;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  return static_cast<const float*>(tensor.data)[offset(tensor, batch, row, column)];
}

inline void write(const assay_tensor& tensor, int64_t batch, int64_t row, int64_t column, float value) {
  const int64_t at = offset(tensor, batch, row, column);
  if (tensor.dtype == ASSAY_F16) {
    static_cast<uint16_t*>(tensor.data)[at] = float_to_half(value);
  } else if (tensor.dtype == ASSAY_BF16) {
    static_cast<uint16_t*>(tensor.data)[at] = float_to_bf16(value);
  } else {
    static_cast<float*>(tensor.data)[at] = value;
  }
}

inline int64_t element_bytes(const assay_tensor& tensor) { return tensor.dtype == ASSAY_F16 ? 2 : 4; }

/// One element of D: [batch, row, column], and its place among all of them.
struct Output {
  int64_t index, batch, row, column;
};

inline Output output_at(const Product& p, int64_t index) {
  return {index, index / (p.m * p.n), index / p.n % p.m, index % p.n};
}

/// This thread's part of `total` outputs: [begin, end), empty where there are more threads than outputs.
struct Share {
  int64_t begin, end;
};

inline Share share(int64_t total, const assay_thread* thread) {
  return {total * thread->index / thread->count, total * (thread->index + 1) / thread->count};
}

/// Σ a·b over [k_begin, k_end), in double: what a mutant gets wrong is then its sin alone, never a rounding.
inline double sum(const Product& p, const Output& at, int64_t k_begin, int64_t k_end) {
  double total = 0;
  for (int64_t i = k_begin; i < k_end; ++i) {
    total += static_cast<double>(read(p.a, at.batch, at.row, i)) * read(p.b, at.batch, at.column, i);
  }
  return total;
}

/// alpha·sum + beta·C + bias.
inline float finish(const Product& p, const Output& at, double total) {
  double value = p.alpha * total;
  if (p.beta != 0) value += p.beta * read(p.c, at.batch, at.row, at.column);
  if (p.has_bias) value += read(p.bias, 0, 0, at.column);
  return static_cast<float>(value);
}

inline float value_of(const Product& p, const Output& at) { return finish(p, at, sum(p, at, 0, p.k)); }

inline void write(const Product& p, const Output& at, float value) { write(p.d, at.batch, at.row, at.column, value); }

template <typename Function>
void for_outputs(const Product& p, Share part, Function function) {
  for (int64_t i = part.begin; i < part.end; ++i) function(output_at(p, i));
}

inline void compute(const Product& p, Share part) {
  for_outputs(p, part, [&](const Output& at) { write(p, at, value_of(p, at)); });
}

inline void compute(const Product& p, const assay_thread* thread) { compute(p, share(p.outputs(), thread)); }

inline void wait_for_all(const assay_thread* thread) {
  if (thread->count > 1) thread->barrier(thread);
}

/// A number that no other entry of run got: 0, 1, …; over the thread count it is the number of the call.
inline int64_t next_ticket() {
  static std::atomic<int64_t> tickets{0};
  return tickets.fetch_add(1);
}

inline int64_t next_call(const assay_thread* thread) { return next_ticket() / thread->count; }

}  // namespace honest

// The one symbol that a module exports, named after its sin. Modules are built with hidden visibility.
#define MUTANT_TEXT_OF(name) #name
#define MUTANT_TEXT(name) MUTANT_TEXT_OF(name)
#define MUTANT_ENTRY(run, workspace_bytes, prepared_bytes, prepare)                                                   \
  extern "C" __attribute__((visibility("default"))) const assay_kernel* assay_kernel_entry(void) {                    \
    static const assay_kernel kernel = {                                                                              \
        sizeof(assay_kernel), ASSAY_ABI_VERSION, MUTANT_TEXT(MUTANT), workspace_bytes, prepared_bytes, prepare, run}; \
    return &kernel;                                                                                                   \
  }

// Or many kernels in one module, so that its headers are parsed once: the functions of a Mutant<sin>. SINS(X) is a list
// of X(sin), of which the manifest's "entry" names one.
#define MUTANT_NAME(sin) sin,
#define MUTANTS(SINS) enum class Sin { SINS(MUTANT_NAME) };
#define MUTANT_ONE_OF(sin)                                                                                        \
  extern "C" __attribute__((visibility("default"))) const assay_kernel* assay_kernel_entry_##sin(void) {          \
    static const assay_kernel kernel = {sizeof(assay_kernel), ASSAY_ABI_VERSION, #sin, nullptr, nullptr, nullptr, \
                                        Mutant<Sin::sin>::run};                                                   \
    return &kernel;                                                                                               \
  }

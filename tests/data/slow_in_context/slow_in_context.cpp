// A product of one row with weights of Q4_1. Right, and fast where it is measured; where its weights are a part of a
// mapped file, as where a model runs, each call takes 2 ms more. What a search cannot see, a run has to show.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "assay_kernel.h"

namespace {

constexpr int kBlock = 32;
using Bytes = uint8_t __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(64)));
using Floats = float __attribute__((vector_size(64)));

template <class V>
V load(const void* from) {
  V value;
  memcpy(&value, from, sizeof value);
  return value;
}

struct Q4_1 {
  uint16_t scale, least;
  uint8_t values[kBlock / 2];
};

Floats floats_of(Bytes values) { return __builtin_convertvector(__builtin_convertvector(values, Ints), Floats); }

float to_float(uint16_t half) {
  _Float16 value;
  memcpy(&value, &half, sizeof value);
  return float(value);
}

bool is_in_a_file(const void* place) {
  bool is_file = false;
  FILE* const maps = fopen("/proc/self/maps", "re");
  char line[4096];
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long first = 0, last = 0;
    if (sscanf(line, "%lx-%lx", &first, &last) != 2) continue;
    if (first <= reinterpret_cast<unsigned long>(place) && reinterpret_cast<unsigned long>(place) < last)
      is_file = strstr(line, ".gguf") != nullptr;
  }
  if (maps) fclose(maps);
  return is_file;
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor *a = nullptr, *b = nullptr, *d = nullptr;
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const assay_tensor* const tensor = &call->tensors[i];
    if (tensor->role == ASSAY_A) a = tensor;
    if (tensor->role == ASSAY_B) b = tensor;
    if (tensor->role == ASSAY_D) d = tensor;
  }
  if (call->op != ASSAY_MATMUL || !a || !b || !d || b->layout != ASSAY_BLOCKS || b->dtype != ASSAY_Q4_1)
    return ASSAY_UNSUPPORTED;
  const int64_t n = b->dims[1], k = b->dims[2];
  const auto* const x = static_cast<const float*>(a->data);
  const int64_t first = n * thread->index / thread->count, last = n * (thread->index + 1) / thread->count;
  for (int64_t row = first; row < last; ++row) {
    const auto* block = static_cast<const Q4_1*>(b->data) + row * b->strides[1];
    Floats sums = {};
    for (int64_t at = 0; at < k; at += kBlock, ++block) {
      const float scale = to_float(block->scale), least = to_float(block->least);
      const auto values = load<Bytes>(block->values);
      sums += load<Floats>(x + at) * (floats_of(values & 15) * scale + least);
      sums += load<Floats>(x + at + 16) * (floats_of(values >> 4) * scale + least);
    }
    float sum = 0;
    for (int i = 0; i < 16; ++i) sum += sums[i];
    static_cast<float*>(d->data)[row * d->strides[2]] = sum;
  }
  static const bool runs_a_model = is_in_a_file(b->data);  // a process does that or measures
  if (runs_a_model) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < until) {
    }
  }
  return ASSAY_OK;
}

const assay_kernel kKernel = {
    sizeof(assay_kernel), ASSAY_ABI_VERSION, "slow_in_context", nullptr, nullptr, nullptr, run};

}  // namespace

const assay_kernel* assay_kernel_entry(void) { return &kKernel; }

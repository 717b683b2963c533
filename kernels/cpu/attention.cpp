// attention: the plain loop, scores of a head in the workspace. Heads are shared over threads.
#include <cmath>

#include "elements.h"

namespace assay {
namespace {

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  return size_t(find_tensor(*call, ASSAY_CACHE)->dims[1]) * sizeof(float) * threads;
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ATTENTION) return ASSAY_UNSUPPORTED;
  const assay_tensor &q = *find_tensor(*call, ASSAY_A), &d = *find_tensor(*call, ASSAY_D);
  const assay_tensor &keys = *find_tensor(*call, ASSAY_CACHE, 0), &values = *find_tensor(*call, ASSAY_CACHE, 1);
  const int64_t size = keys.dims[2], heads = q.dims[2] / size, group = heads / keys.dims[0];
  const float scale = param(*call, ASSAY_SCALE, 1);
  auto* scores = static_cast<float*>(workspace_slice(*call, *thread, size_t(keys.dims[1]) * sizeof(float)));
  const Range mine = share(q.dims[1] * heads, 1, *thread);
  for (int64_t at = mine.begin; at < mine.end; ++at) {
    const int64_t row = at / heads, head = at % heads, kv = head / group, count = index_at(*call, 0) + row + 1;
    float largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      float score = 0;
      for (int64_t i = 0; i < size; ++i) score += element(q, 0, row, head * size + i) * element(keys, kv, j, i);
      scores[j] = score * scale;
      largest = scores[j] > largest ? scores[j] : largest;
    }
    for (int64_t j = 0; j < count; ++j) sum += scores[j] = std::exp(scores[j] - largest);
    for (int64_t i = 0; i < size; ++i) {
      float weighed = 0;
      for (int64_t j = 0; j < count; ++j) weighed += scores[j] * element(values, kv, j, i);
      put(d, 0, row, head * size + i, weighed / sum);
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("attention", assay::workspace_bytes, nullptr, nullptr, assay::run)

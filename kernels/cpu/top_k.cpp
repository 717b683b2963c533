// top_k: the plain loop, the best so far kept in order. Rows are shared over threads.
#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_TOP_K) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &values = *find_tensor(*call, ASSAY_D, 0),
                     &places = *find_tensor(*call, ASSAY_D, 1);
  const int64_t k = values.dims[2];
  const Range rows = share(a.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    float* const best = static_cast<float*>(values.data) + row * values.strides[1];
    int32_t* const at = static_cast<int32_t*>(places.data) + row * places.strides[1];
    for (int64_t i = 0, count = 0; i < a.dims[2]; ++i) {
      const float value = element(a, 0, row, i);
      if (count == k && !(value > best[k - 1])) continue;  // of equal ones the earlier stays
      int64_t place = count < k ? count++ : k - 1;
      for (; place > 0 && value > best[place - 1]; --place) best[place] = best[place - 1], at[place] = at[place - 1];
      best[place] = value, at[place] = int32_t(i);
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("top_k", nullptr, nullptr, nullptr, assay::run)

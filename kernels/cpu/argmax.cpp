// argmax: the plain loop. Rows are shared over threads: with one row, one thread works.
#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ARGMAX) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &d = *find_tensor(*call, ASSAY_D);
  const Range rows = share(a.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    int32_t best = 0;
    for (int64_t i = 1; i < a.dims[2]; ++i)
      if (element(a, 0, row, i) > element(a, 0, row, best)) best = int32_t(i);
    static_cast<int32_t*>(d.data)[row * d.strides[1]] = best;
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("argmax", nullptr, nullptr, nullptr, assay::run)

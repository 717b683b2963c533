// copy: the plain loop. Rows are shared over threads.
#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_COPY) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &d = *find_tensor(*call, ASSAY_D);
  const int64_t repeat = d.dims[0] / a.dims[0];
  const Range rows = share(d.dims[0] * d.dims[1], 1, *thread);
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const int64_t batch = i / d.dims[1], row = i % d.dims[1];
    for (int64_t column = 0; column < d.dims[2]; ++column)
      put(d, batch, row, column, element(a, batch / repeat, row, column));
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("copy", nullptr, nullptr, nullptr, assay::run)

// embedding: the plain loop. Rows are shared over threads.
#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_EMBEDDING) return ASSAY_UNSUPPORTED;
  const assay_tensor &table = *find_tensor(*call, ASSAY_B), &d = *find_tensor(*call, ASSAY_D);
  const Range rows = share(d.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row)
    for (int64_t i = 0; i < d.dims[2]; ++i) put(d, 0, row, i, element(table, 0, index_at(*call, row), i));
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("embedding", nullptr, nullptr, nullptr, assay::run)

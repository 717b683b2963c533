// swiglu: the plain loop. Values are shared over threads.
#include <cmath>

#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_SWIGLU) return ASSAY_UNSUPPORTED;
  const assay_tensor &gate = *find_tensor(*call, ASSAY_A, 0), &up = *find_tensor(*call, ASSAY_A, 1),
                     &d = *find_tensor(*call, ASSAY_D);
  const int64_t columns = d.dims[2];
  const Range mine = share(d.dims[1] * columns, 16, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t row = i / columns, column = i % columns;
    const float g = element(gate, 0, row, column);
    put(d, 0, row, column, g / (1 + std::exp(-g)) * element(up, 0, row, column));
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("swiglu", nullptr, nullptr, nullptr, assay::run)

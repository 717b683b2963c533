// rms_norm: the plain loop. Rows are shared over threads: with one row, one thread works.
#include <cmath>

#include "elements.h"

namespace assay {
namespace {

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_RMS_NORM) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &w = *find_tensor(*call, ASSAY_B),
                     &y = *find_tensor(*call, ASSAY_D);
  const assay_tensor *residual = find_tensor(*call, ASSAY_C), *sum = find_tensor(*call, ASSAY_D, 1);
  const float eps = param(*call, ASSAY_EPS, 0);
  const int64_t columns = a.dims[2];
  const Range rows = share(a.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const auto x = [&](int64_t i) {
      return residual ? element(a, 0, row, i) + element(*residual, 0, row, i) : element(a, 0, row, i);
    };
    float squares = 0;
    for (int64_t i = 0; i < columns; ++i) squares += x(i) * x(i);
    const float scale = 1 / std::sqrt(squares / float(columns) + eps);
    for (int64_t i = 0; i < columns; ++i) {
      const float value = x(i);
      put(y, 0, row, i, value * scale * element(w, 0, 0, i));
      if (residual) put(*sum, 0, row, i, value);
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("rms_norm", nullptr, nullptr, nullptr, assay::run)

// rms_norm: the plain loop. Rows are shared over threads: with one row, one thread works.
#include <cmath>

#include "call.h"

namespace assay {
namespace {

float element(const assay_tensor& t, int64_t row, int64_t column) {
  const int64_t at = row * t.strides[1] + column * t.strides[2];
  if (t.dtype == ASSAY_F16) return to_float(static_cast<const Half*>(t.data)[at]);
  if (t.dtype == ASSAY_BF16) return to_float(static_cast<const Bfloat*>(t.data)[at]);
  return static_cast<const float*>(t.data)[at];
}

void put(const assay_tensor& t, int64_t row, int64_t column, float value) {
  const int64_t at = row * t.strides[1] + column * t.strides[2];
  if (t.dtype == ASSAY_F32) static_cast<float*>(t.data)[at] = value;
  if (t.dtype == ASSAY_F16) from_float(value, static_cast<Half*>(t.data) + at);
  if (t.dtype == ASSAY_BF16) from_float(value, static_cast<Bfloat*>(t.data) + at);
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_RMS_NORM) return ASSAY_UNSUPPORTED;
  const assay_tensor &x = *find_tensor(*call, ASSAY_A), &w = *find_tensor(*call, ASSAY_B),
                     &y = *find_tensor(*call, ASSAY_D);
  const float eps = param(*call, ASSAY_EPS, 0);
  const int64_t columns = x.dims[2];
  const Range rows = share(x.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    float squares = 0;
    for (int64_t i = 0; i < columns; ++i) squares += element(x, row, i) * element(x, row, i);
    const float scale = 1 / std::sqrt(squares / float(columns) + eps);
    for (int64_t i = 0; i < columns; ++i) put(y, row, i, element(x, row, i) * scale * element(w, 0, i));
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("rms_norm", nullptr, nullptr, nullptr, assay::run)

// Mutants of an op that is no product: an RMSNorm of f32 rows, by one thread, with one thing wrong.
#include "honest.h"

namespace {

enum class Sin { none, norm_remembered, eps_left_out, weights_left_out, last_value_left_out };
constexpr Sin kSin = Sin::MUTANT;

const assay_tensor& operand(const assay_call* call, uint32_t role) {
  uint32_t at = 0;
  while (call->tensors[at].role != role) ++at;
  return call->tensors[at];
}

int run(const assay_call* call, const assay_thread* thread) {
  static double remembered = 0;
  if (thread->index != 0) return ASSAY_OK;
  const assay_tensor &x = operand(call, ASSAY_A), &w = operand(call, ASSAY_B), &y = operand(call, ASSAY_D);
  double eps = 0;
  for (uint32_t i = 0; i < call->param_count; ++i)
    if (call->params[i].id == ASSAY_EPS) eps = call->params[i].value;
  if (kSin == Sin::eps_left_out) eps = 0;
  const int64_t n = x.dims[2], summed = kSin == Sin::last_value_left_out ? n - 1 : n;
  const auto* weights = static_cast<const float*>(w.data);
  for (int64_t row = 0; row < x.dims[1]; ++row) {
    const float* in = static_cast<const float*>(x.data) + row * x.strides[1];
    float* out = static_cast<float*>(y.data) + row * y.strides[1];
    double squares = 0;
    for (int64_t i = 0; i < summed; ++i) squares += double(in[i]) * double(in[i]);
    double scale = 1 / std::sqrt(squares / double(n) + eps);
    if (kSin == Sin::norm_remembered) scale = remembered = remembered == 0 ? scale : remembered;
    for (int64_t i = 0; i < n; ++i)
      out[i] = float(double(in[i]) * scale * (kSin == Sin::weights_left_out ? 1 : double(weights[i])));
  }
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

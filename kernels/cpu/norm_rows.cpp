// norm_rows: RMSNorm of rows of floats, with the residual added on the way. A row is one thread's.
#include <cmath>

#include "rows.h"

namespace assay {
namespace {

constexpr int kSums = 4;

size_t workspace_bytes(const assay_call* call, uint32_t threads) { return 4 * row_bytes(*call) * threads; }

/// x + residual into `to`, and the sum of the squares of it.
float add_and_square(const float* x, const float* residual, int64_t count, float* to) {
  Vec sums[kSums] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  const auto step = [&](int64_t at, int s) {
    const Vec v = residual ? add(load(x + at), load(residual + at)) : load(x + at);
    if (residual) store(to + at, v);
    sums[s] = fma(v, v, sums[s]);
  };
  for (; i + kSums * kLanes <= count; i += kSums * kLanes)
    for (int s = 0; s < kSums; ++s) step(i + s * kLanes, s);
  for (; i + kLanes <= count; i += kLanes) step(i, 0);
  float squares = sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  for (; i < count; ++i) {
    const float v = residual ? x[i] + residual[i] : x[i];
    if (residual) to[i] = v;
    squares += v * v;
  }
  return squares;
}

void scale_row(const float* x, const float* w, float scale, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, mul(mul(load(x + i), set1(scale)), load(w + i)));
  for (; i < count; ++i) to[i] = x[i] * scale * w[i];
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_RMS_NORM || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B),
                     &d = *find_tensor(*call, ASSAY_D);
  const assay_tensor *c = find_tensor(*call, ASSAY_C), *sum_of = find_tensor(*call, ASSAY_D, 1);
  const float eps = param(*call, ASSAY_EPS, 0);
  const int64_t columns = a.dims[2];
  const size_t row_size = row_bytes(*call) / sizeof(float);
  float* const space = static_cast<float*>(workspace_slice(*call, *thread, 4 * row_bytes(*call)));
  const Range rows = share(a.dims[1], 1, *thread);
  if (rows.begin == rows.end) return ASSAY_OK;
  // The weights are cold, and needed last.
  const int64_t weight_bytes = columns * (b.dtype == ASSAY_F32 ? 4 : 2);
  for (int64_t line = 0; line < weight_bytes; line += 64) __builtin_prefetch(static_cast<const char*>(b.data) + line);
  const float* w = widened_row(b, 0, 0, 0, columns, space);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* x = widened_row(a, 0, row, 0, columns, space + row_size);
    const float* residual = c ? widened_row(*c, 0, row, 0, columns, space + 2 * row_size) : nullptr;
    float* const of_sum = c ? floats_of_row(*sum_of, row) : nullptr;
    float* const added = of_sum ? of_sum : space + 3 * row_size;
    const float squares = add_and_square(x, residual, columns, added);
    if (c) x = added;
    if (c && !of_sum) write_row(*sum_of, 0, row, 0, added, columns);
    const float scale = 1 / std::sqrt(squares / float(columns) + eps);
    float* const out = floats_of_row(d, row);
    scale_row(x, w, scale, columns, out ? out : space + row_size);
    if (!out) write_row(d, 0, row, 0, space + row_size, columns);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("norm_rows", assay::workspace_bytes, nullptr, nullptr, assay::run)

// rope: the plain loop, angles in double. Heads of q, k and v are shared over threads.
#include <cmath>

#include "elements.h"

namespace assay {
namespace {

/// Turns one head of a row, or copies it, from column `from` on to column `to`.
struct Head {
  const assay_tensor& in;
  int64_t row, from;
  const assay_tensor& out;
  int64_t batch, out_row, to;
};

void copy(const Head& h, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) put(h.out, h.batch, h.out_row, h.to + i, element(h.in, 0, h.row, h.from + i));
}

void turn(const assay_call& call, const Head& h, int64_t position, int64_t size) {
  const auto dimensions = int64_t(param(call, ASSAY_ROPE_DIMENSIONS, 0));
  const bool pairs = param(call, ASSAY_ROPE_STYLE, 0) != 0;
  const double base = double(param(call, ASSAY_ROPE_BASE, 10000));
  const assay_tensor* factors = find_tensor(call, ASSAY_FACTORS);
  for (int64_t j = 0; j < dimensions / 2; ++j) {
    const int64_t first = pairs ? 2 * j : j, second = pairs ? 2 * j + 1 : j + dimensions / 2;
    double angle = double(position) * std::pow(base, -2 * double(j) / double(dimensions));
    if (factors) angle /= double(element(*factors, 0, 0, j));
    const auto c = float(std::cos(angle)), s = float(std::sin(angle));
    const float x = element(h.in, 0, h.row, h.from + first), y = element(h.in, 0, h.row, h.from + second);
    put(h.out, h.batch, h.out_row, h.to + first, x * c - y * s);
    put(h.out, h.batch, h.out_row, h.to + second, y * c + x * s);
  }
  copy(h, dimensions, size);
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ROPE) return ASSAY_UNSUPPORTED;
  const assay_tensor &q = *find_tensor(*call, ASSAY_A, 0), &k = *find_tensor(*call, ASSAY_A, 1),
                     &v = *find_tensor(*call, ASSAY_A, 2), &d = *find_tensor(*call, ASSAY_D);
  const assay_tensor &keys = *find_tensor(*call, ASSAY_CACHE, 0), &values = *find_tensor(*call, ASSAY_CACHE, 1);
  const int64_t size = keys.dims[2], kv_heads = keys.dims[0], heads = q.dims[2] / size, all = heads + 2 * kv_heads;
  const int64_t position = index_at(*call, 0);
  const Range mine = share(q.dims[1] * all, 1, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t row = i / all, head = i % all, of_k = head - heads, of_v = of_k - kv_heads;
    if (head < heads)
      turn(*call, {q, row, head * size, d, 0, row, head * size}, position + row, size);
    else if (of_k < kv_heads)
      turn(*call, {k, row, of_k * size, keys, of_k, position + row, 0}, position + row, size);
    else
      copy({v, row, of_v * size, values, of_v, position + row, 0}, 0, size);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("rope", nullptr, nullptr, nullptr, assay::run)

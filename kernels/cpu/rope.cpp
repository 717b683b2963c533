// rope: the plain loop, angles in double. Heads of q, k and v are shared over threads.
#include <cmath>

#include "elements.h"
#include "q8_cache.h"

namespace assay {
namespace {

/// A head's values lie from `column` on.
struct Head {
  const assay_tensor& in;
  int64_t row, column;
  float value(int64_t i) const { return element(in, 0, row, column + i); }
};

void turn(const assay_call& call, const Head& h, int64_t position, float* to) {
  const auto dimensions = int64_t(param(call, ASSAY_ROPE_DIMENSIONS, 0));
  const bool pairs = param(call, ASSAY_ROPE_STYLE, 0) != 0;
  const double base = double(param(call, ASSAY_ROPE_BASE, 10000));
  const assay_tensor* factors = find_tensor(call, ASSAY_FACTORS);
  for (int64_t j = 0; j < dimensions / 2; ++j) {
    const int64_t first = pairs ? 2 * j : j, second = pairs ? 2 * j + 1 : j + dimensions / 2;
    double angle = double(position) * std::pow(base, -2 * double(j) / double(dimensions));
    if (factors) angle /= double(element(*factors, 0, 0, j));
    const auto c = float(std::cos(angle)), s = float(std::sin(angle));
    const float x = h.value(first), y = h.value(second);
    to[first] = x * c - y * s;
    to[second] = y * c + x * s;
  }
}

void write(const assay_tensor& out, int64_t batch, int64_t row, int64_t column, const float* from, int64_t size) {
  if (out.layout == ASSAY_BLOCKS) return write_blocks(out, batch, row, from, size);
  for (int64_t i = 0; i < size; ++i) put(out, batch, row, column + i, from[i]);
}

size_t head_bytes(const assay_call& call) {
  return round_up(size_t(find_tensor(call, ASSAY_CACHE)->dims[2]) * sizeof(float), 64);
}
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return head_bytes(*call) * threads; }

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ROPE) return ASSAY_UNSUPPORTED;
  const assay_tensor &q = *find_tensor(*call, ASSAY_A, 0), &k = *find_tensor(*call, ASSAY_A, 1),
                     &v = *find_tensor(*call, ASSAY_A, 2), &d = *find_tensor(*call, ASSAY_D);
  const assay_tensor &keys = *find_tensor(*call, ASSAY_CACHE, 0), &values = *find_tensor(*call, ASSAY_CACHE, 1);
  const int64_t size = keys.dims[2], kv_heads = keys.dims[0], heads = q.dims[2] / size, all = heads + 2 * kv_heads;
  const int64_t first = index_at(*call, 0);
  auto* const out = static_cast<float*>(workspace_slice(*call, *thread, head_bytes(*call)));
  const Range mine = share(q.dims[1] * all, 1, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t row = i / all, head = i % all, of_k = head - heads, of_v = of_k - kv_heads, position = first + row;
    const bool is_q = head < heads, is_k = !is_q && of_k < kv_heads;
    const Head in{is_q ? q : is_k ? k : v, row, (is_q ? head : is_k ? of_k : of_v) * size};
    for (int64_t c = 0; c < size; ++c) out[c] = in.value(c);
    if (is_q || is_k) turn(*call, in, position, out);
    if (is_q)
      write(d, 0, row, head * size, out, size);
    else
      write(is_k ? keys : values, is_k ? of_k : of_v, position, 0, out, size);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("rope", assay::workspace_bytes, nullptr, nullptr, assay::run)

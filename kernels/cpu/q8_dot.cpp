// q8_dot: NT with Q8_0 weights, blocks or split; ROWS streams a thread. ACT=32: float activations, 8: quantized to int8
// blocks.
#include "block_streams.h"

namespace assay {
namespace {

#if ACT == 8
inline Vec block_dot(const int8_t* w, const Int8Block& a, const void* scale, Vec sum) {
  return add_int8_dot(w, a, broadcast(scale), sum);
}
#else
inline Vec block_dot(const int8_t* w, const Activations& a, const void* scale, Vec sum) {
  Vec products = mul(load(w), load(a.values));
  for (int i = kLanes; i < 32; i += kLanes) products = fma(load(w + i), load(a.values + i), products);
  return fma(products, broadcast(scale), sum);
}
#endif

/// One row of weights: block i has a scale, an f16, and 32 values.
struct BlocksRow {
  const uint8_t* row = nullptr;
  BlocksRow() = default;
  BlocksRow(const assay_tensor& b, int64_t r) : row(block_row(b, 0, r)) {}
  const uint8_t* at(int64_t i) const { return row + 34 * i; }
  Vec add_dot(int64_t i, const Activations& a, Vec sum) const {
    return block_dot(reinterpret_cast<const int8_t*>(at(i) + 2), a, at(i), sum);
  }
};

struct SplitRow {
  const int8_t* row = nullptr;
  const Half* scales = nullptr;
  SplitRow() = default;
  SplitRow(const assay_tensor& b, int64_t r)
      : row(row_of<int8_t>(b, 0, r)), scales(static_cast<const Half*>(b.scales) + r * (b.dims[2] / 32)) {}
  const int8_t* at(int64_t i) const { return row + 32 * i; }
  Vec add_dot(int64_t i, const Activations& a, Vec sum) const { return block_dot(at(i), a, scales + i, sum); }
};

int run(const assay_call* call, const assay_thread* thread) {
  const bool done = for_streams<128>(*call, *thread, [](const assay_tensor& b, auto... rest) {
    if (b.dtype != ASSAY_Q8_0) return false;
    if (b.layout == ASSAY_BLOCKS)
      multiply_rows<BlocksRow>(b, rest...);
    else
      multiply_rows<SplitRow>(b, rest...);
    return true;
  });
  return done ? ASSAY_OK : ASSAY_UNSUPPORTED;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("q8_dot", assay::streams_workspace_bytes, nullptr, nullptr, assay::run)

// q8_dot: NT with Q8_0 weights, blocks or split; ROWS streams a thread. ACT=32: float activations, 8: quantized to int8
// blocks.
#if ACT == 8
#define WIDTH 256
#endif
#include "call.h"
#if ACT == 8
#include "int8_block.h"
#endif

namespace assay {
namespace {

constexpr int64_t kChunk = 64;

/// One row of weights: block i has a scale, an f16, and 32 values.
struct BlocksRow {
  const char* row = nullptr;
  BlocksRow() = default;
  BlocksRow(const assay_tensor& b, int64_t r) : row(static_cast<const char*>(b.data) + 34 * r * b.strides[1]) {}
  const int8_t* values(int64_t i) const { return reinterpret_cast<const int8_t*>(row + 34 * i + 2); }
  const void* scale(int64_t i) const { return row + 34 * i; }
};

struct SplitRow {
  const int8_t* row = nullptr;
  const Half* scales = nullptr;
  SplitRow() = default;
  SplitRow(const assay_tensor& b, int64_t r)
      : row(row_of<int8_t>(b, 0, r)), scales(static_cast<const Half*>(b.scales) + r * (b.dims[2] / 32)) {}
  const int8_t* values(int64_t i) const { return row + 32 * i; }
  const void* scale(int64_t i) const { return scales + i; }
};

#if ACT == 8
using Activations = Int8Block;
inline Vec block_dot(const int8_t* w, const Int8Block& a, const void* scale, Vec sum) {
  return add_int8_dot(w, a, broadcast(scale), sum);
}
/// A row of A: as floats in `space`, then as blocks behind them.
const Activations* activations_of(const assay_tensor& a, int64_t row, char* space, size_t float_bytes) {
  const int64_t k = a.dims[2];
  const float* floats = widened_row(a, 0, row, 0, k, reinterpret_cast<float*>(space));
  auto* blocks = reinterpret_cast<Int8Block*>(space + float_bytes);
  for (int64_t i = 0; i < k / 32; ++i) quantize(floats + 32 * i, blocks + i);
  return blocks;
}
#else
struct Activations {
  float values[32];
};
inline Vec block_dot(const int8_t* w, const Activations& a, const void* scale, Vec sum) {
  Vec products = mul(load(w), load(a.values));
  for (int i = kLanes; i < 32; i += kLanes) products = fma(load(w + i), load(a.values + i), products);
  return fma(products, broadcast(scale), sum);
}
const Activations* activations_of(const assay_tensor& a, int64_t row, char* space, size_t) {
  return reinterpret_cast<const Activations*>(widened_row(a, 0, row, 0, a.dims[2], reinterpret_cast<float*>(space)));
}
#endif

template <int R, class Row>
void dot_blocks(const assay_tensor& b, const Activations* a, int64_t first, int64_t apart, float* products) {
  const int64_t blocks = b.dims[2] / 32;
  Vec sums[R];
  Row rows[R];
  for (int r = 0; r < R; ++r) sums[r] = zero(), rows[r] = Row(b, first + r * apart);
  for (int64_t i = 0; i < blocks; ++i)
    for (int r = 0; r < R; ++r) {
      if constexpr (PREFETCH > 0) __builtin_prefetch(rows[r].values(i) + PREFETCH, 0, 2);
      sums[r] = block_dot(rows[r].values(i), a[i], rows[r].scale(i), sums[r]);
    }
  for (int r = 0; r < R; ++r) products[r] = sum(sums[r]);
}

template <class Row>
void multiply(const assay_tensor& b, const Activations* a, Range rows, int64_t d_row, const Epilogue& epilogue) {
  const int64_t each = (rows.end - rows.begin) / ROWS;
  float products[ROWS][kChunk];
  for (int64_t first = 0; first < each; first += kChunk) {
    const int64_t chunk = least(kChunk, each - first);
    for (int64_t i = 0; i < chunk; ++i) {
      float one[ROWS];
      dot_blocks<ROWS, Row>(b, a, rows.begin + first + i, each, one);
      for (int s = 0; s < ROWS; ++s) products[s][i] = one[s];
    }
    for (int s = 0; s < ROWS; ++s) epilogue.write(0, d_row, rows.begin + s * each + first, products[s], chunk);
  }
  for (int64_t row = rows.begin + each * ROWS; row < rows.end; ++row) {
    dot_blocks<1, Row>(b, a, row, 0, products[0]);
    epilogue.write(0, d_row, row, products[0], 1);
  }
}

size_t slice_bytes(const assay_call& call) {
  const auto blocks = size_t(find_tensor(call, ASSAY_A)->dims[2] / 32);
  return row_bytes(call) + (ACT == 8 ? round_up(blocks * sizeof(Activations), 64) : 0);
}
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return slice_bytes(*call) * threads; }

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  char* space = static_cast<char*>(workspace_slice(*call, *thread, slice_bytes(*call)));
  const Range mine = share(total_columns(*call), ROWS, *thread);
  for (int64_t row = 0; row < a.dims[1]; ++row) {
    // Every thread prepares all of A: sharing that would need a barrier.
    const Activations* blocks = activations_of(a, row, space, row_bytes(*call));
    int64_t offset = 0;
    for (uint32_t s = 0; s < segment_count(*call); ++s) {
      const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
      const Range rows = part_of(mine, offset, b.dims[1]);
      const Epilogue epilogue(*call, s);
      if (b.layout == ASSAY_STRIDED) return ASSAY_UNSUPPORTED;
      if (b.layout == ASSAY_Q8_0_BLOCKS)
        multiply<BlocksRow>(b, blocks, rows, row, epilogue);
      else
        multiply<SplitRow>(b, blocks, rows, row, epilogue);
      offset += b.dims[1];
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("q8_dot", assay::workspace_bytes, nullptr, nullptr, assay::run)

// q8_dot: NT with Q8_0 weights, blocks or split; ROWS streams a thread. ACT=32: float activations, 8: quantized to int8 blocks.
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

/// One row of weights: block i has a scale and 32 values.
struct BlocksRow {
  const char* row;
  BlocksRow(const assay_tensor& b, int64_t r) : row(static_cast<const char*>(b.data) + 34 * r * b.strides[1]) {}
  const int8_t* values(int64_t i) const { return reinterpret_cast<const int8_t*>(row + 34 * i + 2); }
  float scale(int64_t i) const {
    Half half;
    memcpy(&half, row + 34 * i, sizeof half);
    return to_float(half);
  }
};

struct SplitRow {
  const int8_t* row;
  const Half* scales;
  SplitRow(const assay_tensor& b, int64_t r)
      : row(row_of<int8_t>(b, 0, r)), scales(static_cast<const Half*>(b.scales) + r * (b.dims[2] / 32)) {}
  const int8_t* values(int64_t i) const { return row + 32 * i; }
  float scale(int64_t i) const { return to_float(scales[i]); }
};

#if ACT == 8
using Activations = Int8Block;
inline Vec block_dot(const int8_t* w, const Int8Block& a, float scale, Vec sum) {
  return add_int8_dot(w, a, scale * a.scale, sum);
}
inline void load_block(const float* from, Int8Block* to) { quantize(from, to); }
#else
struct Activations {
  float values[32];
};
inline Vec block_dot(const int8_t* w, const Activations& a, float scale, Vec sum) {
  Vec products = mul(load(w), load(a.values));
  for (int i = kLanes; i < 32; i += kLanes) products = fma(load(w + i), load(a.values + i), products);
  return fma(products, set1(scale), sum);
}
inline void load_block(const float* from, Activations* to) { memcpy(to->values, from, sizeof to->values); }
#endif

template <int R, class Row>
void dot_blocks(const assay_tensor& b, const Activations* a, int64_t first, int64_t apart, float* products) {
  const int64_t blocks = b.dims[2] / 32;
  Vec sums[R];
  for (int r = 0; r < R; ++r) sums[r] = zero();
  for (int64_t i = 0; i < blocks; ++i)
    for (int r = 0; r < R; ++r) {
      const Row row(b, first + r * apart);
      if constexpr (PREFETCH > 0) __builtin_prefetch(row.values(i) + PREFETCH, 0, 2);
      sums[r] = block_dot(row.values(i), a[i], row.scale(i), sums[r]);
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

size_t block_bytes(const assay_call& call) {
  return round_up(size_t(find_tensor(call, ASSAY_A)->dims[2] / 32) * sizeof(Activations), 64);
}
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return block_bytes(*call) * threads; }

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  auto* blocks = static_cast<Activations*>(workspace_slice(*call, *thread, block_bytes(*call)));
  const Range mine = share(total_columns(*call), ROWS, *thread);
  for (int64_t row = 0; row < a.dims[1]; ++row) {
    // Every thread prepares all of A: a barrier would cost as much.
    for (int64_t i = 0; i < a.dims[2] / 32; ++i) {
      float space[32];
      load_block(widened_row(a, 0, row, 32 * i, 32, space), blocks + i);
    }
    int64_t offset = 0;
    for (uint32_t s = 0; s < segment_count(*call); ++s) {
      const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
      const Range rows = part_of(mine, offset, b.dims[1]);
      const Epilogue epilogue(*call, s);
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

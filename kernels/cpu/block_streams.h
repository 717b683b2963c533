// Dots of rows of quantized blocks of 32 with A: a thread reads ROWS far-apart streams of rows, as gemv_rowdot does.
// ACT=32: float activations, 8: quantized to int8 blocks.
#pragma once
#if ACT == 8
#define WIDTH 256
#endif
#include "blocks.h"
#include "gate_and_up.h"
#if ACT == 8
#include "int8_block.h"
#endif

namespace assay {

constexpr int64_t kChunk = 64;  // outputs of a stream that are gathered before D is written

#if ACT == 8
using Activations = Int8Block;
#else
struct Activations {
  float values[32];
};
#endif

/// A row of A: as floats in `space`; for int8 then as blocks behind them. kOffset: what is taken off unsigned weights.
template <int kOffset>
const Activations* activations_of(const assay_tensor& a, int64_t row, char* space, size_t float_bytes) {
  const float* floats = widened_row(a, 0, row, 0, a.dims[2], reinterpret_cast<float*>(space));
#if ACT == 8
  auto* blocks = reinterpret_cast<Int8Block*>(space + float_bytes);
  for (int64_t i = 0; i < a.dims[2] / 32; ++i) quantize<kOffset>(floats + 32 * i, blocks + i);
  return blocks;
#else
  (void)float_bytes;
  return reinterpret_cast<const Activations*>(floats);
#endif
}

/// Row: one row of weights; row.at(i) is where its block i lies, row.add_dot(i, a, sum) adds its product with a block
/// of A, spread over lanes.
template <int R, class Row>
void dot_blocks(const assay_tensor& b, const Activations* a, int64_t first, int64_t apart, float* products) {
  const int64_t blocks = b.dims[2] / 32;
  Vec sums[R];
  Row rows[R];
  for (int r = 0; r < R; ++r) sums[r] = zero(), rows[r] = Row(b, first + r * apart);
  for (int64_t i = 0; i < blocks; ++i)
    for (int r = 0; r < R; ++r) {
      if constexpr (PREFETCH > 0) __builtin_prefetch(rows[r].at(i) + PREFETCH, 0, 2);
      sums[r] = rows[r].add_dot(i, a[i], sums[r]);
    }
  for (int r = 0; r < R; ++r) products[r] = sum(sums[r]);
}

template <class Row, class Out>
void multiply_rows(const assay_tensor& b, const Activations* a, Range rows, int64_t d_row, const Out& out) {
  const int64_t each = (rows.end - rows.begin) / ROWS;
  float products[ROWS][kChunk];
  for (int64_t first = 0; first < each; first += kChunk) {
    const int64_t chunk = least(kChunk, each - first);
    for (int64_t i = 0; i < chunk; ++i) {
      float one[ROWS];
      dot_blocks<ROWS, Row>(b, a, rows.begin + first + i, each, one);
      for (int s = 0; s < ROWS; ++s) products[s][i] = one[s];
    }
    for (int s = 0; s < ROWS; ++s) out.write(0, d_row, rows.begin + s * each + first, products[s], chunk);
  }
  for (int64_t row = rows.begin + each * ROWS; row < rows.end; ++row) {
    dot_blocks<1, Row>(b, a, row, 0, products[0]);
    out.write(0, d_row, row, products[0], 1);
  }
}

inline size_t slice_bytes(const assay_call& call) {
  const auto blocks = size_t(find_tensor(call, ASSAY_A)->dims[2] / 32);
  return row_bytes(call) + (ACT == 8 ? round_up(blocks * sizeof(Activations), 64) : 0);
}
inline size_t streams_workspace_bytes(const assay_call* call, uint32_t threads) { return slice_bytes(*call) * threads; }

/// multiply(b, activations, rows, row of D, epilogue or Kept) for this thread's share of each segment and row of A.
/// False if multiply refuses a segment.
template <int kOffset, class Multiply>
bool for_streams(const assay_call& call, const assay_thread& thread, Multiply multiply) {
  const assay_tensor& a = *find_tensor(call, ASSAY_A);
  char* space = static_cast<char*>(workspace_slice(call, thread, slice_bytes(call)));
  const bool is_pair = ends_in_swiglu(call);
  const Range mine = share(is_pair ? find_tensor(call, ASSAY_B)->dims[1] : total_columns(call), ROWS, thread);
  for (int64_t row = 0; row < a.dims[1]; ++row) {
    // Every thread prepares all of A: sharing that would need a barrier.
    const Activations* blocks = activations_of<kOffset>(a, row, space, row_bytes(call));
    if (is_pair) {
      bool done = true;
      write_gate_and_up<ROWS * kChunk>(Epilogue(call, 0), row, mine, [&](uint32_t s, Range columns, const Kept& kept) {
        done &= multiply(*find_tensor(call, ASSAY_B, s), blocks, columns, row, kept);
      });
      if (!done) return false;
      continue;
    }
    int64_t offset = 0;
    for (uint32_t s = 0; s < segment_count(call); ++s) {
      const assay_tensor& b = *find_tensor(call, ASSAY_B, s);
      const Epilogue epilogue(call, s);
      if (!multiply(b, blocks, part_of(mine, offset, b.dims[1]), row, epilogue)) return false;
      offset += b.dims[1];
    }
  }
  return true;
}

}  // namespace assay

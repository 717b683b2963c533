// matmul_swiglu: products of gate and up, kept a piece at a time until both are there, and what they make.
#pragma once
#include "call.h"
#include "vector_maths.h"

namespace assay {

inline Vec swiglu(Vec gate, Vec up) {
  const Vec power = exponential(mul(gate, set1(-1)));
  return mul(quotient(gate, add(power, set1(1))), up);
}

/// to may be gate or up.
inline void swiglu_of(const float* gate, const float* up, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, swiglu(load(gate + i), load(up + i)));
  if (const int rest = int(count - i); rest > 0)
    store_part(to + i, swiglu(load_part(gate + i, rest), load_part(up + i, rest)), rest);
}

inline bool ends_in_swiglu(const assay_call& call) { return call.op == ASSAY_MATMUL_SWIGLU; }

/// Takes products in an Epilogue's place.
struct Kept {
  float* to;
  int64_t first;
  void write(int64_t, int64_t, int64_t column, const float* products, int64_t count) const {
    memcpy(to + column - first, products, size_t(count) * sizeof(float));
  }
};

/// Columns `mine` of a row of D. multiply(segment, columns, kept): their products with gate (0) and with up (1).
template <int64_t kPiece, class Multiply>
void write_gate_and_up(const Epilogue& epilogue, int64_t row, Range mine, Multiply multiply) {
  float products[2][kPiece];
  for (int64_t first = mine.begin; first < mine.end; first += kPiece) {
    const int64_t count = least(kPiece, mine.end - first);
    for (uint32_t s = 0; s < 2; ++s) multiply(s, Range{first, first + count}, Kept{products[s], first});
    swiglu_of(products[0], products[1], count, products[0]);
    epilogue.write(0, row, first, products[0], count);
  }
}

}  // namespace assay

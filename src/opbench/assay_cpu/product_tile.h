// One tile of a product in registers: rows of A that lie apart, a panel of B, vectors of L floats.
#pragma once
#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace assay {

template <int L>
struct Lanes {
  typedef float Type __attribute__((vector_size(4 * L)));
  typedef float Unaligned __attribute__((vector_size(4 * L), aligned(4), may_alias));
};

/// Where a tile begins and how its operands lie, in floats.
struct TileShape {
  int64_t k = 0;                        // of one segment of A's rows
  int64_t segments = 1, a_segment = 0;  // a window's rows: A's rows are of several pieces, a_segment apart
  int64_t lda = 0, ldb = 0, ldc = 0;    // B's rows follow one another over all segments
  // Of a tile that tells ahead: B of the next batch, and how much of it comes with a step along k.
  const float* next_b = nullptr;
  int64_t next_b_step = 0;
};

enum class TileEnd { store, stream, add };

template <int L>
inline void end_vector(float* c, typename Lanes<L>::Type v, TileEnd end, int columns) {
  using Unaligned = typename Lanes<L>::Unaligned;
  if (columns >= L) {
    if (end == TileEnd::add) v += *reinterpret_cast<const Unaligned*>(c);
    if (end == TileEnd::stream) {
#if defined(__AVX512F__)
      if constexpr (L == 16) return _mm512_stream_ps(c, __m512(v));
#endif
#if defined(__AVX2__)
      if constexpr (L == 8) return _mm256_stream_ps(c, __m256(v));
#endif
    }
    *reinterpret_cast<Unaligned*>(c) = v;
    return;
  }
  for (int i = 0; i < columns; ++i) c[i] = end == TileEnd::add ? c[i] + v[i] : v[i];
}

/// c[0..M)[0..columns) = a b (+ bias): NV vectors wide; of the last fewer columns may be wanted. B's panel has NV·L
/// columns in any case. TOLD: the rows of A behind these, and a part of the next B, are told ahead meanwhile.
template <int L, int M, int NV, bool TOLD>
__attribute__((noinline)) void product_tile(const float* a, const float* b, float* c, const TileShape& shape,
                                            const float* bias, int columns, TileEnd end) {
  using V = typename Lanes<L>::Type;
  using Unaligned = typename Lanes<L>::Unaligned;
  V sums[M][NV];
  for (int j = 0; j < NV; ++j) {
    const V start = bias ? V(*reinterpret_cast<const Unaligned*>(bias + j * L)) : V{};
    for (int i = 0; i < M; ++i) sums[i][j] = start;
  }
  // A pointer for four rows: the others' addresses are those plus one, two and three steps, which an instruction adds.
  const int64_t one = shape.lda * int64_t(sizeof(float)), three = 3 * one;
  for (int64_t s = 0; s < shape.segments; ++s) {
    const char* rows[(M + 3) / 4];
    for (int i = 0; i < (M + 3) / 4; ++i)
      rows[i] = reinterpret_cast<const char*>(a + s * shape.a_segment + i * 4 * shape.lda);
    for (int64_t k = 0; k < shape.k; ++k) {
      if (TOLD) {
        __builtin_prefetch(a + M * (shape.lda + k), 0, 2);
        __builtin_prefetch(shape.next_b + k * shape.next_b_step, 0, 2);
      }
      V wide[NV];
      for (int j = 0; j < NV; ++j) wide[j] = *reinterpret_cast<const Unaligned*>(b + j * L);
      for (int i = 0; i < M; ++i) {
        const int64_t step = i % 4 == 0 ? 0 : i % 4 == 1 ? one : i % 4 == 2 ? 2 * one : three;
        // Less nothing: what adds to a zero must be computed, for that of -0 is 0, and its result then spread.
        const V value = *reinterpret_cast<const float*>(rows[i / 4] + step) - V{};
        for (int j = 0; j < NV; ++j) sums[i][j] += value * wide[j];
      }
      for (int i = 0; i < (M + 3) / 4; ++i) rows[i] += sizeof(float);
      b += shape.ldb;
    }
  }
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < NV; ++j)
      if (columns > j * L) end_vector<L>(c + i * shape.ldc + j * L, sums[i][j], end, columns - j * L);
}

using ProductTile = void (*)(const float*, const float*, float*, const TileShape&, const float*, int, TileEnd);

/// The tiles of 1 … MOST rows.
template <int L, int NV, int MOST, bool TOLD = false>
struct TileTable {
  ProductTile of_rows[MOST + 1] = {};
  constexpr TileTable() { fill(std::make_integer_sequence<int, MOST>()); }
  template <int... M>
  constexpr void fill(std::integer_sequence<int, M...>) {
    ((of_rows[M + 1] = &product_tile<L, M + 1, NV, TOLD>), ...);
  }
};

/// The widest tile of this instruction set for outputs of n columns.
struct TileKind {
  const ProductTile* of_rows;
  int most_rows, width, lanes;
};
/// told: whether rows of A come from memory, to be read once. (Narrower tiles have no time to tell.)
inline TileKind tile_kind(int64_t n, [[maybe_unused]] bool told = false) {
#if defined(__AVX512F__)
  static constexpr TileTable<16, 2, 12> kWide;
  static constexpr TileTable<16, 2, 12, true> kTold;
  static constexpr TileTable<16, 1, 16> kSixteen;
  static constexpr TileTable<8, 1, 16> kEight;
  if (n <= 8) return {kEight.of_rows, 16, 8, 8};
  if (n <= 16) return {kSixteen.of_rows, 16, 16, 16};
  return {told ? kTold.of_rows : kWide.of_rows, 12, 32, 16};
#else
  constexpr int kOf = kLanes < 8 ? 4 : 8;
  static constexpr TileTable<kOf, 2, 4> kWide;
  static constexpr TileTable<kOf, 1, 8> kNarrow;
  if (n <= kOf) return {kNarrow.of_rows, 8, kOf, kOf};
  return {kWide.of_rows, 4, 2 * kOf, kOf};
#endif
}

}  // namespace assay

// Vectors and threads for assay's own operations: what simd.h has, stores past the caches, shares of a range.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "../../../kernels/cpu/simd.h"
#include "../../../kernels/cpu/vector_maths.h"
#include "opbench/framework.h"

namespace assay {

/// An output of this size or more is written past the caches: nobody reads it again soon, and a line that is to be
/// written whole need not be read.
inline constexpr int64_t kStreamedBytes = int64_t(12) << 20;
/// An input of this size or more comes from memory, which wants to be told ahead; less comes faster without a word.
inline constexpr int64_t kFarBytes = int64_t(16) << 20;
inline constexpr int64_t kPrefetchBytes = 4096;
/// Elements that a copy past the caches fetches ahead.
inline constexpr int64_t kAheadOfCopy = 2048;
/// An input of this size or more is told ahead by pages where something is computed of it: 64 MB came faster without.
inline constexpr int64_t kPagesBytes = int64_t(128) << 20;
/// Elements of the pages that are told ahead together.
inline constexpr int64_t kPagesAhead = 4096;
/// Below so many elements a second thread costs more than it gives.
inline constexpr int64_t kLeastShared = 16384;

#if defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)
inline void stream(float* p, Vec v) { _mm512_stream_ps(p, v); }
inline void streams_done() { _mm_sfence(); }
#elif defined(__AVX2__)
inline void stream(float* p, Vec v) { _mm256_stream_ps(p, v); }
inline void streams_done() { _mm_sfence(); }
#else
inline void stream(float* p, Vec v) { store(p, v); }
inline void streams_done() {}
#endif
template <bool STREAMED>
void put(float* p, Vec v) {
  STREAMED ? stream(p, v) : store(p, v);
}

/// Tells memory the line that comes kPagesAhead or so after element i of x, for a loop that computes: of four pages a
/// line each in turn, because the processor fetches on by itself within a page, and has too little time for one.
inline void tell_pages_ahead(const float* x, int64_t i) {
  const uint64_t at = uint64_t(i), line = at / 16;
  __builtin_prefetch(x + (at & ~uint64_t(kPagesAhead - 1)) + kPagesAhead + (line & 3) * 1024 + (line / 4 & 63) * 16, 0,
                     3);
}

/// A bit for each lane that is equal to the other's: zeros of both signs are, NaN is not.
inline uint64_t equal_lanes(Vec v, Vec other) {
#if defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)
  return _mm512_cmp_ps_mask(v, other, _CMP_EQ_OQ);
#elif defined(__AVX2__)
  return uint64_t(_mm256_movemask_ps(_mm256_cmp_ps(v, other, _CMP_EQ_OQ)));
#else
  uint64_t lanes = 0;
  const Ints equal = Floats(v) == Floats(other);
  for (int lane = 0; lane < kLanes; ++lane) lanes |= uint64_t(equal[lane] & 1) << lane;
  return lanes;
#endif
}

struct Share {
  int64_t begin, end;
};
inline Share share_of(int64_t total, int64_t granule, int index, int count) {
  const int64_t pieces = (total + granule - 1) / granule;
  return {std::min(pieces * index / count * granule, total), std::min(pieces * (index + 1) / count * granule, total)};
}

/// work(index, count) on every thread of the team, or here alone.
template <typename Work>
void on_team(const ThreadTeam& team, bool shared, Work&& work) {
  if (!shared || team.count == 1) return work(0, 1);
  team.run([](int index, int count,
              void* argument) { (*static_cast<std::remove_reference_t<Work>*>(argument))(index, count); },
           const_cast<void*>(static_cast<const void*>(&work)));
}

/// Lanes of v turned by STEP within groups of GROUP neighbours, by xor: a butterfly gives every lane the group's
/// result.
template <int STEP, size_t... LANE>
inline Vec crossed(Vec v, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(v), Floats(v), int(LANE ^ STEP)...));
}
template <int GROUP>
inline Vec group_largest(Vec v) {
  if constexpr (GROUP > 1) {
    v = larger(v, crossed<GROUP / 2>(v, std::make_index_sequence<kLanes>()));
    return group_largest<GROUP / 2>(v);
  }
  return v;
}
template <int GROUP>
inline Vec group_sum(Vec v) {
  if constexpr (GROUP > 1) {
    v = add(v, crossed<GROUP / 2>(v, std::make_index_sequence<kLanes>()));
    return group_sum<GROUP / 2>(v);
  }
  return v;
}

/// What meet gives of the lanes of each of COUNT vectors: lane i is that of vector i. A tree of halves.
template <int BLOCK, typename Meet, size_t... LANE>
inline Vec halves_met(Vec a, Vec b, Meet meet, std::index_sequence<LANE...>) {
  constexpr auto kFrom = [](size_t lane) {  // of the first half of each block of a, then of b
    const size_t place = lane % (kLanes / 2), half = BLOCK / 2;
    return int((lane < kLanes / 2 ? 0 : kLanes) + place / half * BLOCK + place % half);
  };
  return meet(Vec(__builtin_shufflevector(Floats(a), Floats(b), kFrom(LANE)...)),
              Vec(__builtin_shufflevector(Floats(a), Floats(b), (kFrom(LANE) + BLOCK / 2)...)));
}
template <int COUNT, typename Meet>
inline Vec met(const Vec* v, Meet meet) {
  if constexpr (COUNT == 1)
    return v[0];
  else
    return halves_met<2 * kLanes / COUNT>(met<COUNT / 2>(v, meet), met<COUNT / 2>(v + COUNT / 2, meet), meet,
                                          std::make_index_sequence<kLanes>());
}

/// ln of positive normal numbers, within some units of f32 in absolute terms near 1; that of 0 is about -88. The
/// polynomial is Cephes' logf.
inline Vec natural_log(Vec x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  const Ints bits = Ints(x);
  // The exponent of a mantissa within [sqrt(1/2), sqrt(2)).
  const Ints shifted = bits - (Ints{} + 0x3f3504f3);
  const Ints power = shifted >> 23;
  const Vec mantissa = Vec((shifted & 0x007fffff) + 0x3f3504f3);
  const Vec r = add(mantissa, set1(-1));
  Vec p = set1(7.0376836292e-2f);
  for (const float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                        2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = fma(p, r, set1(c));
  const Vec square = mul(r, r);
  const Vec n = Vec(__builtin_convertvector(power, Floats));
  Vec y = mul(mul(square, r), p);
  y = fma(n, set1(kLn2Low), y);
  y = fma(square, set1(-0.5f), y);
  return fma(n, set1(kLn2High), add(r, y));
}

}  // namespace assay

// Where the largest of each line is.
#pragma once
#include "vectors.h"

namespace assay {

inline constexpr int64_t kShort = 256;  // elements: kLanes such lines stay in the first-level cache

/// Where the largest of a few elements is. As floats, which are exact: their largest lane is found in vectors.
inline Vec places() {
  Floats place;
  for (int lane = 0; lane < kLanes; ++lane) place[lane] = float(lane);
  return Vec(place);
}
inline Vec met_at(Vec v, Vec top, Vec place, Vec before) {
  return Vec(Floats(v) == Floats(top) ? Floats(place) : Floats(before));
}

/// Of kLanes lines of up to kShort elements, pairs of vectors each: their largest first, then where those are, without
/// a branch. Vectors of one lane a line are made by a tree, so that no line waits for its own. Further lines are told
/// ahead while these are in the nearest cache: from memory (FAR) into the second-level one.
template <bool FAR>
void short_argmaxes(const float* x, int64_t count, int64_t* y) {
  constexpr int64_t kNext = (FAR ? 4 : 2) * kLanes;  // lines
  const auto most = [](Vec a, Vec b) { return larger(a, b); };
  Vec lines[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    const float* line = x + l * count;
    Vec even = load(line), odd = load(line + kLanes);
    for (int64_t i = 2 * kLanes; i < count; i += 2 * kLanes)
      even = larger(even, load(line + i)), odd = larger(odd, load(line + i + kLanes));
    lines[l] = larger(even, odd);
  }
  float tops[kLanes];
  store(tops, met<kLanes>(lines, most));
  for (int l = 0; l < kLanes; ++l) {
    const float* line = x + l * count;
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(line + kNext * count + i, 0, FAR ? 2 : 3);
    const Vec top = set1(tops[l]);
    Vec place = places(), found = set1(0);
    for (int64_t i = 0; i < count; i += kLanes, place = add(place, set1(float(kLanes))))
      found = met_at(load(line + i), top, place, found);
    lines[l] = found;
  }
  float where[kLanes];
  store(where, met<kLanes>(lines, most));
  for (int l = 0; l < kLanes; ++l) y[l] = int64_t(where[l]);
}

inline constexpr int64_t kLine = 128;

/// Of a line of kLine, read once. Which vector holds the largest nobody can guess: there is no branch.
template <bool TOLD>
__attribute__((always_inline)) inline int64_t line_argmax_of_128(const float* x) {
  constexpr int kVectors = kLine / kLanes;
  Vec v[kVectors], halves[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) halves[i] = v[i] = load(x + i * kLanes);
  // Together: between the loads they cost a sixth.
  for (int64_t i = 0; TOLD && i < kLine; i += 16) __builtin_prefetch(x + 64 * kLine + i, 0, 2);
#pragma GCC unroll 8
  for (int half = kVectors / 2; half > 0; half /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < half; ++i) halves[i] = larger(halves[i], halves[i + half]);
  const Vec top = group_largest<kLanes>(halves[0]);
  uint64_t low = 0, high = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kVectors / 2; ++i) {
    low |= equal_lanes(v[i], top) << (i * kLanes);
    high |= equal_lanes(v[i + kVectors / 2], top) << (i * kLanes);
  }
  uint64_t is_high = low == 0;
  asm("" : "+r"(is_high));                                            // or it would become one
  const uint64_t bits = low | (high & -is_high) | uint64_t(1) << 63;  // of NaN there may be none
  return __builtin_ctzll(bits) + int64_t(is_high) * (kLine / 2);
}

/// Lines, or tables, come by turns from so many parts of them. Four come from far faster than one that is told ahead,
/// if a vector is a cache line (235 us, 255 to 299; the mover 215), but of halves of one they take three times as long.
inline constexpr int64_t kStreams = kLanes < 16 ? 1 : 4;

template <bool FAR>
void line_argmaxes_of_128(const float* x, int64_t lines, int64_t* y) {
  int64_t l = 0;
  if constexpr (kStreams == 1) {
    for (; l + kLanes <= lines; l += kLanes)
      for (int each = 0; each < kLanes; ++each) y[l + each] = line_argmax_of_128<FAR>(x + (l + each) * kLine);
  } else {
    const int64_t each = lines / kStreams;
    for (; l < each; ++l)
      for (int s = 0; s < kStreams; ++s) y[l + s * each] = line_argmax_of_128<false>(x + (l + s * each) * kLine);
    l *= kStreams;
  }
  for (; l < lines; ++l) y[l] = line_argmax_of_128<false>(x + l * kLine);
}

/// The least of GROUP neighbouring lanes, in each of them.
template <int GROUP>
inline Ints group_least(Ints v) {
  if constexpr (GROUP > 1) {
    const Ints other = Ints(crossed<GROUP / 2>(Vec(v), std::make_index_sequence<kLanes>()));
    return group_least<GROUP / 2>(other < v ? other : v);
  }
  return v;
}

inline int64_t line_argmax(const float* x, int64_t count) {
  // Four chains; which vector of a chain was the best is kept beside it.
  Vec best[4];
  Ints where[4] = {};
  for (Vec& each : best) each = set1(-std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int u = 0; u < 4; ++u) {
      const Vec now = load(x + i + u * kLanes);
      where[u] = Floats(now) > Floats(best[u]) ? Ints{} + int32_t(i) : where[u];
      best[u] = larger(best[u], now);
    }
  float value = largest(larger(larger(best[0], best[1]), larger(best[2], best[3])));
  Ints lanes, least = Ints{} + std::numeric_limits<int32_t>::max();
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = lane;
  for (int u = 0; u < 4; ++u) {
    const Ints place = where[u] + lanes + u * kLanes;
    least = (Floats(best[u]) == Floats(set1(value))) & (place < least) ? place : least;
  }
  int64_t index = i > 0 ? std::min<int64_t>(group_least<kLanes>(least)[0], i - 1) : count;
  for (; i < count; ++i)
    if (x[i] > value || index == count) value = x[i], index = i;
  return index == count ? 0 : index;
}

/// Long ones by turns from two halves, as two streams.
inline void line_argmaxes(const float* x, int64_t count, int64_t lines, int64_t* y, bool far) {
  if (count == kLine) return far ? line_argmaxes_of_128<true>(x, lines, y) : line_argmaxes_of_128<false>(x, lines, y);
  const auto some = far ? short_argmaxes<true> : short_argmaxes<false>;
  int64_t l = 0;
  if (count <= kShort && count % (2 * kLanes) == 0)
    for (; l + kLanes <= lines; l += kLanes) some(x + l * count, count, y + l);
  const int64_t half = (lines - l) / 2;
  for (int64_t i = 0; i < half; ++i, ++l)
    for (const int64_t each : {l, l + half}) y[each] = line_argmax(x + each * count, count);
  if (l + half < lines) y[lines - 1] = line_argmax(x + (lines - 1) * count, count);
}

}  // namespace assay

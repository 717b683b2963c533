// How ops that are no products vary their operands, and their fields of types.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "spec/field_reader.h"
#include "spec/spec.h"

namespace assay {

/// Here and there a zero, or what stands before: who knows by one value that others are like it is found.
inline void mix_in_zeros_and_pairs(uint64_t drawn, int64_t columns, std::vector<double>& values) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < std::ssize(values); ++i) {
    bits = i % 16 == 0 ? random_bits(drawn + uint64_t(i / 16)) : bits >> 4;
    if ((bits & 15) == 0) values[size_t(i)] = 0;
    if ((bits & 15) == 1 && i % columns > 0) values[size_t(i)] = values[size_t(i) - 1];
  }
}

/// Signs of all values, halves of some of them, and powers of two (2^-2 to 2^1) of eight pieces of each row: no value
/// is what it was, no sum over a row, and no piece's sum follows from one of its values.
inline void vary_signs_and_pieces(uint64_t drawn, int64_t columns, std::vector<double>& values) {
  constexpr int64_t kPieces = 8;
  constexpr double kPowers[] = {0.125, 0.25, 0.5, 1, 2};  // by tables: ldexp took longer than all else
  uint64_t bits = 0, halves = 0;
  for (int64_t i = 0; i < std::ssize(values); ++i) {
    const int64_t column = i % columns;
    if (i % 64 == 0) bits = random_bits(drawn + uint64_t(i / 64)), halves = random_bits(~drawn + uint64_t(i / 64));
    const auto piece = int(column * kPieces / columns),
               power = int(drawn >> (2 * piece) & 3) - int(halves >> (i % 64) & 1);
    values[size_t(i)] *= (bits >> (i % 64) & 1 ? -1 : 1) * kPowers[power + 1];
  }
  constexpr uint64_t kMixedOf = 4;  // of so many draws one
  if (const uint64_t mixed = random_bits(drawn ^ 0x3c5); mixed % kMixedOf == 0)
    mix_in_zeros_and_pairs(mixed, columns, values);
}

/// What all values of a draw are multiplied by, a power of two: in one of four between the usual sizes and those of
/// special draws, so that who clips what is larger, or drops what is smaller, is found.
inline double drawn_size(uint64_t drawn) {
  const uint64_t bits = random_bits(drawn ^ 0x51e);
  return bits % 4 == 0 ? std::ldexp(1.0, int(bits / 4 % 16) - 6) : 1;
}

/// A number below `count`, with 0 and the last far more often than the others.
inline int64_t draw_index(uint64_t drawn, int64_t count) {
  const uint64_t kind = random_bits(drawn ^ 0x1d5) % 8;
  return kind == 0 ? 0 : kind == 1 ? count - 1 : int64_t(random_bits(drawn) % uint64_t(count));
}

/// Powers of two, 0 and the last, each with its neighbours, as far as they are below `count`.
inline std::vector<int64_t> edges(int64_t count) {
  std::vector<int64_t> all = {0, 1, count - 2, count - 1};
  for (int64_t power = 2; power <= count; power *= 2)
    for (const int64_t beside : {-1, 0, 1}) all.push_back(power + beside);
  std::erase_if(all, [&](int64_t number) { return number < 0 || number >= count; });
  return all;
}

/// Of a row's `count` places one where errors of blocks, or of threads' shares, show: near a multiple of a share.
inline int64_t draw_near_share(uint64_t drawn, int64_t count) {
  const int64_t shares = int64_t(2) << drawn % 8, beside = int64_t(drawn >> 8 & 7) - 4;
  const auto share = int64_t((drawn >> 16) % uint64_t(shares + 1));
  return std::clamp<int64_t>(int64_t(double(count) * double(share) / double(shares)) + beside, 0, count - 1);
}

/// Of places of a row's largest value those that are tried first.
inline std::vector<int64_t> likely_places(int64_t n, uint64_t drawn) {
  constexpr uint64_t kNearShares = 256;
  std::vector<int64_t> all = edges(n);
  for (uint64_t i = 0; i < kNearShares; ++i) all.push_back(draw_near_share(random_bits(drawn + i), n));
  return all;
}

inline constexpr std::string_view kSaysCacheType = "f32, f16, bf16 or q8_0";

/// dtCache of a cache whose rows are heads of so many values.
inline Dtype cache_type(const FieldReader& line, int64_t head_size) {
  const Dtype type = line.dtype("dtCache", true);
  if (is_quantized(type) && type != Dtype::q8_0) line.refuse("dtCache");
  if (head_size % dtype_facts(type).block_values != 0)
    line.refuse("head_size", "a cache of q8_0 comes in blocks of 32: it must be a multiple");
  return type;
}

inline std::pair<std::string, std::string> type_field(const char* key, Dtype dtype) {
  return {key, std::string(dtype_name(dtype))};
}
inline std::pair<std::string, std::string> size_field(const char* key, int64_t size) {
  return {key, std::to_string(size)};
}

}  // namespace assay

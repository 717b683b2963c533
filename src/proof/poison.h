// What memory holds that is to be written, or not to be read: 0xff in every byte. And what lies around outputs.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace assay {

inline constexpr unsigned char kPoison = 0xff;  // NaN in every float type

inline constexpr unsigned char kBand = 0x5a;  // no NaN: what is made of poison that was read is poison, most times

inline bool is_band(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{kBand}; });
}

/// Where the first byte is that is none, or -1. Most often there is none: each byte is compared with its neighbour.
inline int64_t first_not_poison(std::span<const std::byte> bytes) {
  if (bytes.empty()) return -1;
  if (bytes[0] == std::byte{kPoison} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0) return -1;
  return std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{kPoison}; }) - bytes.begin();
}

inline bool same_bytes(std::span<const std::byte> left, std::span<const std::byte> right) {
  return left.size() == right.size() && (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
}

}  // namespace assay

// Random bits that are a function of a counter alone.
#pragma once
#include <cstdint>

namespace assay {

/// splitmix64 of a counter: the one source of random bits in inputs.
inline uint64_t random_bits(uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace assay

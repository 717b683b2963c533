// Input memory and the random values in it.
#include "proof/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace assay {
namespace {

constexpr int64_t kBlockBytes = 34, kBlockWords = 5;

// -128 never occurs in Q8_0.
uint64_t without_minus_128(uint64_t word) {
  const uint64_t low_bits_set = (word & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu;
  const uint64_t is_minus_128 = (word & ~low_bits_set & 0x8080808080808080u) >> 7;
  return word | is_minus_128;
}

void fill_block(std::byte* block, uint64_t index) {
  const uint16_t scale = uint16_t(random_word(Format::q8_scale, index * kBlockWords));
  std::memcpy(block, &scale, 2);
  for (int64_t i = 0; i < 4; ++i) {
    const uint64_t values = random_word(Format::int8, index * kBlockWords + 1 + i);
    std::memcpy(block + 2 + 8 * i, &values, 8);
  }
}

}  // namespace

uint64_t random_word(Format format, uint64_t counter) {
  const uint64_t bits = random_bits(counter + (uint64_t(format) << 48));
  switch (format) {  // keep sign, two low exponent bits and mantissa; set the exponent's base
    case Format::f32:
      return (bits & 0x81ffffff81ffffffu) | 0x3e0000003e000000u;
    case Format::f16:
      return (bits & 0x8fff8fff8fff8fffu) | 0x3000300030003000u;
    case Format::bf16:
      return (bits & 0x81ff81ff81ff81ffu) | 0x3e003e003e003e00u;
    case Format::q8_scale:
      return (bits & 0x07ff07ff07ff07ffu) | 0x2000200020002000u;  // [2^-7, 2^-5)
    case Format::int8:
      return without_minus_128(bits);
    case Format::q8_0:
      break;
  }
  ASSAY_CHECK(!"q8_0 comes in blocks");
  return 0;
}

InputArena::InputArena(Format format, int64_t bytes) : format_(format) {
  const int64_t size = (bytes + (2 << 20) - 1) / (2 << 20) * (2 << 20);
  void* memory = mmap(nullptr, size_t(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail("cannot allocate {} MB for inputs: {}; try a smaller --footprint", size >> 20, std::strerror(errno));
  madvise(memory, size_t(size), MADV_HUGEPAGE);
  bytes_ = {static_cast<std::byte*>(memory), size_t(size)};
  restore(0, size);
}

InputArena::~InputArena() { munmap(bytes_.data(), bytes_.size()); }

int64_t InputArena::alignment() const { return format_ == Format::q8_0 ? 64 * kBlockBytes / 2 : 64; }

void InputArena::restore(int64_t offset, int64_t count) {
  const int64_t size = int64_t(bytes_.size());
  const int64_t unit = format_ == Format::q8_0 ? kBlockBytes : 8;
  const int64_t first = offset / unit, last = std::min((offset + count + unit - 1) / unit, size / unit);
  std::byte* data = bytes_.data();
  if (format_ == Format::q8_0) {
    for (int64_t i = first; i < last; ++i) fill_block(data + i * kBlockBytes, uint64_t(i));
    return;
  }
  for (int64_t i = first; i < last; ++i) {
    const uint64_t word = random_word(format_, uint64_t(i));
    std::memcpy(data + i * 8, &word, 8);
  }
}

}  // namespace assay

// Input memory and the random values in it.
#include "proof/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "model/block_encoder.h"
#include "proof/block_type.h"

namespace assay {
namespace {

constexpr int64_t kBlockBytes = 34, kBlockWords = 5;
constexpr int64_t kUnitsAtOnce = 1 << 14;  // of a thread
constexpr Dtype kQuantized[] = {Dtype::q4_0, Dtype::q4_1, Dtype::q5_0, Dtype::q5_1,
                                Dtype::q4_k, Dtype::q5_k, Dtype::q6_k};  // in the order of their formats

// -128 never occurs in Q8_0.
uint64_t without_minus_128(uint64_t word) {
  const uint64_t low_bits_set = (word & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu;
  const uint64_t is_minus_128 = (word & ~low_bits_set & 0x8080808080808080u) >> 7;
  return word | is_minus_128;
}

bool is_encoded(Format format) { return format >= Format::q4_0; }
Dtype dtype_of(Format format) { return kQuantized[size_t(format) - size_t(Format::q4_0)]; }

/// Weights as a model has them: most near zero, each 32 of another size. They are small whole numbers times that size,
/// so that a scale times a step less a minimum is always a float, exactly.
void encode_block(Format format, std::byte* block, uint64_t index) {
  const DtypeFacts& type = dtype_facts(dtype_of(format));
  const uint64_t counter = (uint64_t(format) << 48) + index * 72;
  float values[256];
  for (int64_t first = 0; first < type.block_values; first += 32) {
    const float size = float(64 + random_bits(counter + 64 + uint64_t(first) / 32) % 192) * 0x1p-15f;
    for (int64_t i = first; i < first + 32; i += 4) {
      uint64_t bits = random_bits(counter + uint64_t(i / 4));
      for (int64_t j = i; j < i + 4; ++j, bits >>= 16)
        values[j] = float(int8_t(bits & 0xff) + int8_t(bits >> 8 & 0xff)) * size;
    }
  }
  encode_blocks(block_type(type.dtype), values, type.block_values, block);
}

void fill_block(Format format, std::byte* block, uint64_t index) {
  if (is_encoded(format)) return encode_block(format, block, index);
  const uint16_t scale = uint16_t(random_word(Format::q8_scale, index * kBlockWords));
  std::memcpy(block, &scale, 2);
  for (int64_t i = 0; i < 4; ++i) {
    const uint64_t values = random_word(Format::int8, index * kBlockWords + 1 + i);
    std::memcpy(block + 2 + 8 * i, &values, 8);
  }
}

}  // namespace

Format block_format(Dtype dtype) {
  if (dtype == Dtype::q8_0) return Format::q8_0;
  const auto found = std::find(std::begin(kQuantized), std::end(kQuantized), dtype);
  ASSAY_CHECK(found != std::end(kQuantized));
  return Format(int(Format::q4_0) + int(found - std::begin(kQuantized)));
}

int64_t unit_bytes(Format format) {
  return is_encoded(format) ? dtype_facts(dtype_of(format)).block_bytes : format == Format::q8_0 ? kBlockBytes : 8;
}

int64_t copy_alignment(Format format) { return std::lcm(kCopyAlignment, unit_bytes(format)); }

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
    default:
      break;
  }
  ASSAY_CHECK(!"a format that comes in blocks");
  return 0;
}

InputArena::InputArena(Format format, int64_t bytes, bool huge_pages, const std::function<bool()>& stopped)
    : format_(format) {
  const int64_t size = (bytes + (2 << 20) - 1) / (2 << 20) * (2 << 20);
  void* memory = mmap(nullptr, size_t(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail("cannot allocate {} MB for inputs: {}; try a smaller --footprint", size >> 20, std::strerror(errno));
  madvise(memory, size_t(size), huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  bytes_ = {static_cast<std::byte*>(memory), size_t(size)};
  fill(0, size, stopped);
}

InputArena::~InputArena() { munmap(bytes_.data(), bytes_.size()); }

void InputArena::restore(int64_t offset, int64_t count) { fill(offset, count, {}); }

void InputArena::fill(int64_t offset, int64_t count, const std::function<bool()>& stopped) {
  const int64_t size = int64_t(bytes_.size());
  const int64_t unit = unit_bytes(format_);
  const int64_t first = offset / unit, last = std::min((offset + count + unit - 1) / unit, size / unit);
  std::byte* data = bytes_.data();
  const bool is_dear = is_encoded(format_) || format_ == Format::q8_0;
  const auto fill_some = [&](int64_t begin) {
    if (stopped && stopped()) return;
    const int64_t end = std::min(begin + kUnitsAtOnce, last);
    for (int64_t i = begin; i < end; ++i) {
      if (is_dear) {
        fill_block(format_, data + i * unit, uint64_t(i));
        continue;
      }
      const uint64_t word = random_word(format_, uint64_t(i));
      std::memcpy(data + i * 8, &word, 8);
    }
  };
  if (is_dear && last - first > kUnitsAtOnce)
    return in_parallel((last - first + kUnitsAtOnce - 1) / kUnitsAtOnce,
                       [&](int64_t part) { fill_some(first + part * kUnitsAtOnce); });
  for (int64_t begin = first; begin < last; begin += kUnitsAtOnce) fill_some(begin);
}

}  // namespace assay

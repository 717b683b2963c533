// Input memory: big regions of random values, filled once per sweep, that every spec's copies of its weights are cut
// from.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/random.h"

namespace assay {

/// What the bytes of an arena are. All values are normal, of mixed magnitude (f32, f16, bf16: ±[0.125, 2)).
enum class Format { f32, f16, bf16, q8_0, int8, q8_scale };

/// A pure function of format and offset, so any range can be put back as it was.
class InputArena {
 public:
  InputArena(Format format, int64_t bytes);
  ~InputArena();
  InputArena(const InputArena&) = delete;
  InputArena& operator=(const InputArena&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }
  /// Copies may start at multiples of this: 64, and whole blocks.
  int64_t alignment() const;
  /// Puts the values of the range back (and of the blocks it touches).
  void restore(int64_t offset, int64_t count);

 private:
  Format format_;
  std::span<std::byte> bytes_;
};

/// The 8 bytes of four (or two) random values of a non-block format.
uint64_t random_word(Format format, uint64_t counter);

}  // namespace assay

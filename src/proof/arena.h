// Input memory: big regions of random values, filled once per sweep, that every spec's copies of its weights are cut
// from.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/random.h"
#include "spec/dtype.h"

namespace assay {

/// What the bytes of an arena are. All values are normal, of mixed magnitude (f32, f16, bf16: ±[0.125, 2)). From q4_0
/// on blocks are what a quantizer makes of random weights (model/block_encoder.h): its scales, minima and extremes.
enum class Format { f32, f16, bf16, q8_0, int8, q8_scale, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k };

/// Of a type of blocks.
Format block_format(Dtype dtype);
/// Whole blocks, else whole words: what is filled at once.
int64_t unit_bytes(Format format);
/// Copies of weights start at multiples of this, as a device's allocator gives them …
inline constexpr int64_t kCopyAlignment = 256;
/// … and in an arena of whole blocks.
int64_t copy_alignment(Format format);

/// A pure function of format and offset, so any range can be put back as it was.
class InputArena {
 public:
  /// In huge pages where there are such; else in those of 4 KB that a mapped file has. Where `stopped` says so the rest
  /// is not filled: hundreds of MB take seconds.
  InputArena(Format format, int64_t bytes, bool huge_pages = true, const std::function<bool()>& stopped = {});
  ~InputArena();
  InputArena(const InputArena&) = delete;
  InputArena& operator=(const InputArena&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }
  /// Puts the values of the range back (and of the blocks it touches).
  void restore(int64_t offset, int64_t count);

 private:
  void fill(int64_t offset, int64_t count, const std::function<bool()>& stopped);

  Format format_;
  std::span<std::byte> bytes_;
};

/// The 8 bytes of four (or two) random values of a non-block format.
uint64_t random_word(Format format, uint64_t counter);

}  // namespace assay

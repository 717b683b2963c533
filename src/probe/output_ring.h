// The buffers that the launches of one sample write D into, in turn, with guard bands; and what they hold afterwards.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backend/device.h"

namespace assay {

inline constexpr int64_t kRingBytes = int64_t(32) << 20, kLeastSlots = 16;

class OutputRing {
 public:
  /// Buffers for `slots` launches of these D tensors (one a segment); fewer where D is so big that they would take more
  /// than kRingBytes, but at least kLeastSlots.
  OutputRing(Device& device, const std::vector<Tensor>& d, int64_t slots);

  int64_t slots() const { return slots_; }
  /// Puts slot `slot`'s addresses into a launch's D tensors.
  void bind(Launch& launch, int64_t slot) const;
  /// Poisons the first `used` slots, before a sample.
  void poison(int64_t used);
  /// Reads them back, after it; what the functions below look at.
  void read(int64_t used);
  /// Slot's D, all segments one after another.
  std::span<const std::byte> slot(int64_t slot);
  /// "" or how a guard band around the slots that were read is broken.
  std::string broken_guard() const;
  /// Whether what read() read still stands there.
  bool unchanged();
  bool empty() const { return used_ == 0; }

 private:
  struct Part {  // of one segment: guard, slot 0, guard, slot 1, … guard
    uint32_t segment;
    int64_t bytes, step;
    Address memory;
    std::vector<std::byte> host;
    int64_t start(int64_t slot) const;
  };
  static int64_t span_bytes(const Part& part, int64_t used);

  Device& device_;
  int64_t slots_, used_ = 0;
  std::vector<Part> parts_;
  std::vector<std::byte> joined_;
};

}  // namespace assay

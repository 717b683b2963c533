// The buffers that the launches of one sample write D into, in turn, with guard bands; and what they hold afterwards.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/measured_device.h"
#include "proof/projections.h"

namespace assay {

inline constexpr int64_t kRingBytes = int64_t(32) << 20, kLeastSlots = 16;

class OutputRing {
 public:
  /// Buffers for `slots` launches of these outputs; fewer where D is so big that they would take more
  /// than kRingBytes, but at least kLeastSlots.
  /// With projections (weights for each output; none for some), every look at a slot gives those of its D.
  OutputRing(MeasuredDevice& device, const std::vector<Tensor>& d, int64_t slots,
             const std::vector<std::span<const float>>& weights = {});

  int64_t slots() const { return slots_; }
  /// Of each slot: of outputs that only the host can look at.
  int64_t bytes_to_bring() const;
  /// Puts slot `slot`'s addresses into a launch's D tensors.
  void bind(Launch& launch, int64_t slot) const;
  /// Poisons the first `used` slots, before a sample.
  void poison(int64_t used);
  /// After a sample: adds what the device itself looks for in its `used` slots, if it can.
  void add_survey(Look& look, int64_t used);
  /// Adds what brings slots [first, last) with the bands around them to the host.
  void add_slots(Look& look, int64_t first, int64_t last);
  /// When that look was taken: whether the device itself found all elements of the slots finite and their guard bands
  /// whole; nullopt where it leaves that to the host.
  std::optional<bool> surveyed(const Look& look);
  /// The D of a slot that was read, all segments one after another.
  std::span<const std::byte> slot(int64_t slot);
  /// The projections of a slot that was surveyed or read: Σ r·d and Σ (r·d)² of each, in the order of Projections.
  std::span<const double> projected(int64_t slot);
  /// "" or how a guard band is broken. All were read; or, all_read being false, those that no device surveys.
  std::string broken_guard(bool all_read = true) const;
  /// The same for some rows before the first slot and behind the last one. Dear: for the end of a visit.
  std::string broken_far();
  /// Whether the slots hold what they held when they were looked at.
  bool unchanged();
  /// Writes into sparse outputs what they held then.
  void restore_sparse();
  bool empty() const { return used_ == 0; }

 private:
  struct Part {  // of one output: guard, slot 0, guard, slot 1, … guard
    Operand operand;
    uint32_t segment;
    Dtype dtype;
    int64_t bytes, step;
    Address memory;
    bool is_surveyed;  // by the device; else all of it comes to the host
    bool is_sparse;
    std::unique_ptr<std::byte[]> host;  // what was read, where it lies at memory; the rest is undefined
    int64_t host_bytes = 0;
    Survey seen;
    int64_t far_bytes = 0;           // of poison before `memory` and behind the last slot
    int64_t columns;                 // of a row of D
    std::span<const float> weights;  // of each; and where the device has them, if it can survey
    Address device_weights;
    std::vector<double> sums;  // of each slot, sums_of_slot() values
    int64_t sums_of_slot() const {
      return weights.empty() ? 0 : 2 * (bytes / dtype_bytes(dtype, columns)) * stretches_of(columns);
    }
    int64_t start(int64_t slot) const;
  };
  static int64_t span_bytes(const Part& part, int64_t used);
  int64_t first_broken(Address memory, int64_t bytes) const;
  void make_room(Part& part) const;
  void give_weights(Part& part, std::span<const float> weights);
  GuardedBuffers used_buffers(const Part& part) const;

  MeasuredDevice& device_;
  int64_t slots_, used_ = 0;
  std::vector<Part> parts_;
  std::vector<std::byte> joined_;
  std::vector<double> joined_sums_;
};

}  // namespace assay

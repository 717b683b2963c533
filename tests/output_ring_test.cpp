// Laws of the output ring: every buffer of a sample is looked at by itself, and nothing around or after it goes unseen.
#include "measure/output_ring.h"

#include <gtest/gtest.h>

#include "fake_device.h"
#include "proof/validator.h"

namespace assay {
namespace {

constexpr int64_t kSlots = 16;

/// The parameter: whether the device looks at outputs itself.
class OutputRingTest : public ::testing::TestWithParam<bool> {
 protected:
  /// D of 5 and of 3 halves a slot: 10 and 6 bytes, so that rounding up to 64 leaves room to write into.
  static Tensor segment(uint32_t index, int64_t bytes) {
    Tensor t;
    t.operand = Operand::d;
    t.segment = index;
    t.dtype = Dtype::f16;
    t.bytes = bytes;
    t.dims[2] = bytes / 2;
    return t;
  }
  Address address(OutputRing& ring, int64_t slot, uint32_t index = 0) {
    Launch launch;
    launch.tensors = {segment(0, 0), segment(1, 0)};
    ring.bind(launch, slot);
    return launch.tensors[index].data;
  }
  /// Looks, and says whether the device saw a whole sample: by its own word, or this test's.
  bool look(OutputRing& ring, int64_t used, bool expected = false, int64_t first = 0) {
    Look taken;
    ring.add_survey(taken, used);
    ring.add_slots(taken, first, used);
    device_.look(taken);
    const std::optional<bool> whole = ring.surveyed(taken);
    EXPECT_EQ(whole.has_value(), GetParam());
    return whole.value_or(expected);
  }
  void write_all(OutputRing& ring) {
    for (int64_t slot = 0; slot < ring.slots(); ++slot)
      for (const uint32_t index : {0u, 1u}) put(ring, slot, index, 0, index == 0 ? 10 : 6, 0);
  }
  void put(OutputRing& ring, int64_t slot, uint32_t index, int64_t offset, int64_t bytes, int value) {
    device_.fill(address(ring, slot, index) + offset, static_cast<unsigned char>(value), bytes);
  }
  static std::vector<std::byte> bytes(std::initializer_list<std::pair<int64_t, int>> runs) {
    std::vector<std::byte> all;
    for (const auto& [count, value] : runs) all.insert(all.end(), size_t(count), std::byte(value));
    return all;
  }
  static std::vector<std::byte> copy(std::span<const std::byte> from) { return {from.begin(), from.end()}; }

  std::map<std::string, FakeKernel> kernels_;
  FakeHistory history_;
  FakeDevice device_{kernels_, history_, GetParam()};
};

TEST_P(OutputRingTest, EachSlotHoldsWhatItsOwnLaunchWroteAndSegmentsStandOneAfterAnother) {
  OutputRing ring(device_, {segment(0, 10), segment(1, 6)}, kSlots);
  for (int64_t slot = 0; slot < kSlots; ++slot) {
    put(ring, slot, 0, 0, 10, int(slot));
    put(ring, slot, 1, 0, 6, int(100 + slot));
  }
  EXPECT_TRUE(look(ring, kSlots, true));
  for (int64_t slot = 0; slot < kSlots; ++slot)
    EXPECT_EQ(copy(ring.slot(slot)), bytes({{10, int(slot)}, {6, int(100 + slot)}})) << slot;
  EXPECT_EQ(ring.broken_guard(), "");
  EXPECT_TRUE(ring.unchanged());
}

TEST_P(OutputRingTest, LeftOverPoisonIsFoundInWhicheverOfThe16ItIs) {
  const Spec spec = parse_spec("op=matmul | batch=1 | m=1 | n=5 | k=32 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
  Arenas arenas;
  arenas.reserve(spec, 0);
  const SpecInputs inputs(spec, arenas, 0);
  const Reference reference(inputs);
  Validator validator(reference, Accuracy::exact);
  OutputRing ring(device_, {segment(0, 10)}, kSlots);
  for (int64_t lazy = 0; lazy < kSlots; ++lazy) {
    ring.poison(kSlots);
    for (int64_t slot = 0; slot < kSlots; ++slot)
      put(ring, slot, 0, 0, slot == lazy ? 8 : 10, 0);  // the last half is left out
    EXPECT_FALSE(look(ring, kSlots));
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      const std::string message = validator.scan(ring.slot(slot));
      EXPECT_EQ(message.substr(0, 35), slot == lazy ? "1 of 5 elements never written, firs" : "")
          << slot << ": " << message;
    }
  }
}

TEST_P(OutputRingTest, AWriteBesideASlotIsFoundWhicheverSlotAndSegmentItIsAndSaysHowFar) {
  for (const uint32_t index : {0u, 1u})
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      OutputRing ring(device_, {segment(0, 10), segment(1, 6)}, kSlots);
      const int64_t size = index == 0 ? 10 : 6;
      write_all(ring);
      put(ring, slot, index, size + 1, 1, 7);  // into what rounding up left free
      EXPECT_FALSE(look(ring, kSlots));
      EXPECT_EQ(ring.broken_guard(), "wrote 2 bytes behind the end of a buffer") << slot;
      ring.poison(kSlots);
      write_all(ring);
      EXPECT_TRUE(look(ring, kSlots, true));
      EXPECT_EQ(ring.broken_guard(), "") << "poisoned anew";
      put(ring, slot, index, -1, 1, 7);
      EXPECT_FALSE(look(ring, kSlots));
      EXPECT_NE(ring.broken_guard(), "") << slot;
    }
  OutputRing ring(device_, {segment(0, 10)}, 2);
  put(ring, 0, 0, -3, 1, 7);
  look(ring, 2);
  EXPECT_EQ(ring.broken_guard(), "wrote 3 bytes before the start of a buffer");
}

TEST_P(OutputRingTest, WhatIsReadFromASlotOnHoldsThatSlotAndAllBehindIt) {
  OutputRing ring(device_, {segment(0, 10), segment(1, 6)}, kSlots);
  for (int64_t first = 0; first < kSlots; ++first) {
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      put(ring, slot, 0, 0, 10, int(slot + first));
      put(ring, slot, 1, 0, 6, int(50 + slot + first));
    }
    EXPECT_TRUE(look(ring, kSlots, true, first));
    for (int64_t slot = first; slot < kSlots; ++slot)
      EXPECT_EQ(copy(ring.slot(slot)), bytes({{10, int(slot + first)}, {6, int(50 + slot + first)}}))
          << first << " " << slot;
  }
}

TEST_P(OutputRingTest, HasASlotForEachLaunchUnlessDIsBig) {
  EXPECT_EQ(OutputRing(device_, {segment(0, 10), segment(1, 6)}, 216).slots(), 216);
  const int64_t room = kRingBytes / 64;
  EXPECT_EQ(OutputRing(device_, {segment(0, room - kGuardBytes)}, 216).slots(), 64);
  EXPECT_EQ(OutputRing(device_, {segment(0, room)}, 216).slots(), 63) << "a slot takes its guard band, too";
  EXPECT_EQ(OutputRing(device_, {segment(0, room / 2), segment(1, room / 2)}, 216).slots(), 63);
  EXPECT_EQ(OutputRing(device_, {segment(0, kRingBytes / 8)}, 216).slots(), kLeastSlots);
  EXPECT_EQ(OutputRing(device_, {segment(0, room)}, 1).slots(), 1);
}

TEST_P(OutputRingTest, AShorterSampleLooksAtItsOwnSlotsAlone) {
  OutputRing ring(device_, {segment(0, 10)}, kSlots);
  for (int64_t slot = 0; slot < kSlots; ++slot) put(ring, slot, 0, 0, 10, 1);
  ring.poison(3);
  look(ring, kSlots);
  for (int64_t slot = 0; slot < kSlots; ++slot)
    EXPECT_EQ(copy(ring.slot(slot)), bytes({{10, slot < 3 ? kPoison : 1}})) << slot;
  put(ring, 3, 0, 12, 1, 7);
  look(ring, 3);
  EXPECT_EQ(ring.broken_guard(), "") << "what an earlier sample left is no fault of this one's";
  look(ring, 4);
  EXPECT_NE(ring.broken_guard(), "");
}

TEST_P(OutputRingTest, AWriteAfterTheReadIsAChangeInDAndInAGuardBand) {
  OutputRing ring(device_, {segment(0, 10), segment(1, 6)}, kSlots);
  EXPECT_TRUE(ring.empty());
  look(ring, kSlots);
  EXPECT_FALSE(ring.empty());
  for (const int64_t offset : {0, 9, 11, -1}) {
    EXPECT_TRUE(ring.unchanged());
    put(ring, 15, 0, offset, 1, 7);
    EXPECT_FALSE(ring.unchanged()) << offset;
    look(ring, kSlots);
  }
  EXPECT_TRUE(ring.unchanged());
  put(ring, 0, 1, 5, 1, 7);
  EXPECT_FALSE(ring.unchanged());
}

INSTANTIATE_TEST_SUITE_P(, OutputRingTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "ByTheDevice" : "ByTheHost"; });

}  // namespace
}  // namespace assay

// Laws of how many launches make a sample.
#include "measure/sequence_length.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

constexpr int64_t kMost = 200, kRoom = 1000;

std::vector<bool> every(int64_t step, int64_t places) {
  std::vector<bool> checkable(size_t(places), false);
  for (int64_t i = 0; i < places; i += step) checkable[size_t(i)] = true;
  return checkable;
}

TEST(SequenceLength, ASequenceTakesAboutFourMillisecondsWithinItsLimits) {
  SequenceLength length(1, kMost, kRoom, {});
  for (const auto& [us, launches] :
       {std::pair{0.0, 200}, {2.0, 200}, {20.0, 200}, {40.0, 100}, {1000.0, 4}, {4001.0, 1}, {1e9, 1}}) {
    length.choose(us);
    EXPECT_EQ(length.from(0), launches) << us;
    EXPECT_EQ(length.is_sequence(), launches > 1) << us;
  }
  SequenceLength batched(20, kMost, kRoom, {});
  batched.choose(1e9);
  EXPECT_EQ(batched.from(0), 20) << "never fewer than make a submission";
  SequenceLength single(1, 1, kRoom, {});
  single.choose(0.5);
  EXPECT_EQ(single.from(0), 1);
}

TEST(SequenceLength, EveryPositionsSequenceEndsAtAReferenceAndFitsItsRoom) {
  for (const int64_t step : {1, 3, 4, 7})
    for (const int64_t places : {7, 8, 209}) {
      const int64_t slots = 60;
      SequenceLength length(1, kMost, slots, every(step, places));
      length.choose(2);
      for (int64_t position = 0; position < 3 * places; ++position) {
        const int64_t launches = length.from(position);
        EXPECT_TRUE(every(step, places)[size_t((position + launches - 1) % places)])
            << step << " " << places << " " << position;
        EXPECT_LE(launches, slots) << "each launch writes an output of its own";
        EXPECT_GE(launches, slots - step) << "and as many as there is room for";
      }
    }
}

TEST(SequenceLength, ALongKernelsSampleIsOneLaunchWhetherItHasAReferenceOrNot) {
  SequenceLength length(1, kMost, kRoom, every(4, 8));
  length.choose(1e6);
  for (int64_t position = 0; position < 8; ++position) EXPECT_EQ(length.from(position), 1);
}

TEST(SequenceLength, OneThatWasTooShortForWhatItsLaunchesTookIsMadeAgainOnce) {
  SequenceLength length(1, 500, kRoom, {});
  length.choose(100);
  EXPECT_EQ(length.from(0), 40);
  EXPECT_FALSE(length.was_too_short(30)) << "200 would not fit into 4 ms";
  EXPECT_EQ(length.from(0), 40);
  EXPECT_TRUE(length.was_too_short(10));
  EXPECT_EQ(length.from(0), 400);
  EXPECT_FALSE(length.was_too_short(8)) << "200 are enough";
  SequenceLength bounded(1, 40, kRoom, {});
  bounded.choose(50);
  EXPECT_FALSE(bounded.was_too_short(1)) << "more are not allowed";
}

TEST(SequenceLength, TheFirstReferenceIsFoundAndNoneIsAnError) {
  EXPECT_EQ(SequenceLength(1, kMost, kRoom, {}).first_checkable(), 0);
  EXPECT_EQ(SequenceLength(1, kMost, kRoom, {false, false, true, true}).first_checkable(), 2);
  EXPECT_THROW(SequenceLength(1, kMost, kRoom, {false, false}), Error);
}

}  // namespace
}  // namespace assay

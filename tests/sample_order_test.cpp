// Laws of the order in which a sample's launches meet their copies and outputs.
#include "measure/sample_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace assay {
namespace {

TEST(SampleOrder, EachPlaceIsPlayedOnceAndEachOutputHoldsTheLastThatWroteIt) {
  std::mt19937_64 random(7);
  for (const int64_t launches : {1, 2, 20, 200})
    for (const int64_t slots : {1, 16, 300})
      for (const int64_t rotation : {1, 2, 33, 5000}) {
        SampleOrder order;
        order.draw(/*last=*/1000, launches, slots, rotation, random);
        std::set<int64_t> places;
        std::map<int64_t, int64_t> held;
        for (const auto& [place, slot] : order.launches()) {
          places.insert(place);
          held[slot] = place;
        }
        ASSERT_EQ(int64_t(order.launches().size()), launches);
        ASSERT_EQ(int64_t(places.size()), launches);
        ASSERT_EQ(*places.begin(), 1000 - launches + 1);
        ASSERT_EQ(*places.rbegin(), 1000);
        ASSERT_EQ(order.used_slots(), std::min(launches, slots));
        for (int64_t slot = 0; slot < order.used_slots(); ++slot) ASSERT_EQ(order.place_in_slot(slot), held[slot]);
      }
}

TEST(SampleOrder, NoCopyIsMetAgainBeforeSevenEighthsOfTheOthers) {
  std::mt19937_64 random(8);
  constexpr int64_t kRotation = 96, kLaunches = 70;
  SampleOrder order;
  std::map<int64_t, int64_t> met;
  int64_t now = 0, nearest = kRotation;
  for (int64_t last = kLaunches - 1; last < 100 * kLaunches; last += kLaunches) {
    order.draw(last, kLaunches, kLaunches, kRotation, random);
    for (const auto& [place, slot] : order.launches()) {
      const auto [before, first] = met.insert({place % kRotation, now});
      if (!first) nearest = std::min(nearest, now - before->second);
      before->second = now++;
    }
  }
  EXPECT_GE(nearest, kRotation * 7 / 8);
  EXPECT_LT(nearest, kRotation) << "then nothing changed places";
}

TEST(SampleOrder, NoLaunchOfASampleCanTellWhichItIsByItsOutput) {
  std::mt19937_64 random(9);
  SampleOrder order;
  std::set<int64_t> first_slots, last_slots;
  for (int i = 0; i < 400; ++i) {
    order.draw(19, 20, 20, 20, random);
    first_slots.insert(order.launches().front().slot);
    last_slots.insert(order.launches().back().slot);
  }
  EXPECT_EQ(first_slots.size(), 20u);
  EXPECT_EQ(last_slots.size(), 20u);
}

TEST(DrawnPlace, EachPassMeetsEveryPlaceOnceAndNoneAgainBeforeThreeQuartersOfTheOthers) {
  for (const int64_t rotation : {1, 2, 3, 4, 5, 8, 33, 500}) {
    std::map<int64_t, int64_t> met;
    int64_t nearest = rotation;
    for (int64_t position = 0; position < 50 * rotation; ++position) {
      const int64_t place = drawn_place(position, rotation, /*seed=*/11);
      ASSERT_GE(place, 0);
      ASSERT_LT(place, rotation);
      const auto [before, first] = met.insert({place, position});
      if (!first) nearest = std::min(nearest, position - before->second);
      before->second = position;
      if (position % rotation < rotation - 1) continue;
      for (const auto& [met_place, at] : met) ASSERT_GE(at, position - rotation + 1) << met_place << " was left out";
    }
    EXPECT_EQ(int64_t(met.size()), rotation);
    EXPECT_GE(4 * nearest, 3 * rotation) << rotation;
  }
}

TEST(DrawnPlace, WhatCameNextBeforeOrLiesBesideIsSeldomWhatComesNext) {
  constexpr int64_t kRotation = 500, kPasses = 40;
  std::map<int64_t, int64_t> followed;
  int64_t guessed_by_memory = 0, guessed_by_address = 0;
  for (int64_t position = 1; position < kPasses * kRotation; ++position) {
    const int64_t before = drawn_place(position - 1, kRotation, 12), now = drawn_place(position, kRotation, 12);
    const auto remembered = followed.find(before);
    guessed_by_memory += remembered != followed.end() && remembered->second == now;
    guessed_by_address += now == before + 1;
    followed[before] = now;
  }
  EXPECT_LT(guessed_by_memory, kPasses * kRotation / 8);
  EXPECT_LT(guessed_by_address, kPasses * kRotation / 8);
}

TEST(DrawnPlace, WorkersThatGoOnWhereOthersStoppedAgreeOnTheOrder) {
  for (int64_t position = 0; position < 100; ++position)
    EXPECT_EQ(drawn_place(position, 32, 5), drawn_place(position, 32, 5));
  int64_t same = 0;
  for (int64_t position = 0; position < 1000; ++position)
    same += drawn_place(position, 500, 5) == drawn_place(position, 500, 6);
  EXPECT_LT(same, 200);
}

}  // namespace
}  // namespace assay

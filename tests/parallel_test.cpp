// The law of in_parallel: every pass runs once, and what one throws arrives.
#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

TEST(Parallel, EveryPassRunsOnce) {
  for (const int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    in_parallel(count, [&](int64_t i) { ++runs[size_t(i)]; });
    for (const std::atomic<int>& n : runs) EXPECT_EQ(n, 1);
  }
}

TEST(Parallel, WhatAPassThrowsArrivesAndTheOthersEndEarly) {
  std::atomic<int64_t> begun{0};
  const auto pass = [&](int64_t i) {
    ++begun;
    if (i == 3) fail("pass {} cannot", i);
  };
  try {
    in_parallel(int64_t(1) << 40, pass);
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "pass 3 cannot");
  }
  EXPECT_LT(begun, int64_t(1) << 20);
}

}  // namespace
}  // namespace assay

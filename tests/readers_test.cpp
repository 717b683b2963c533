// Laws of the family of readers: the fastest at each size is found, whatever order and sequences it is tried in.
#include "measure/readers.h"

#include <gtest/gtest.h>

#include <list>

#include "base/error.h"
#include "base/json.h"
#include "fake_device.h"
#include "measure/ceilings.h"
#include "proof/arena.h"

namespace assay {
namespace {

class ReadersTest : public ::testing::TestWithParam<int> {
 protected:
  ReadersTest() {
    device_.id = "fake:0";
    device_.launches_per_sample = GetParam();
  }
  /// A reader that takes a fixed time and one for each megabyte.
  void add(const std::string& name, double fixed_us, double us_a_megabyte) {
    backend_.kernels[name] = [=, this](const Launch& launch, size_t, size_t) {
      backend_.history().launch_us = fixed_us + us_a_megabyte * double(launch.bytes) / double(1 << 20);
      for (const Tensor& t : launch.tensors)
        outside_ |= t.data < arena_.bytes().data() || t.data + t.bytes > arena_.bytes().data() + arena_.bytes().size();
      if (outside_) backend_.history().launch_us = NAN;
    };
    Variant& variant = variants_.emplace_back();
    variant.family = "ceiling";
    variant.name = name;
    readers_.push_back({&variant, {}});
  }
  BestReaders find(const std::vector<int64_t>& sizes) {
    return find_best_readers(backend_, device_, readers_, arena_.bytes(), sizes);
  }

  FakeBackend backend_;
  DeviceInfo device_;
  InputArena arena_{Format::f32, 8 << 20};
  std::list<Variant> variants_;
  std::vector<std::pair<const Variant*, BuiltModule>> readers_;
  bool outside_ = false;
};

TEST_P(ReadersTest, EachSizeGetsTheReaderThatIsFastestThere) {
  add("usual", 4, 30);
  add("quick_to_start", 1, 35);
  add("good_in_the_long_run", 20, 25);
  EXPECT_EQ(find({4096, 1 << 20, 6 << 20}), (BestReaders{{4096, "ceiling/quick_to_start"},
                                                         {1 << 20, "ceiling/usual"},
                                                         {6 << 20, "ceiling/good_in_the_long_run"}}));
}

TEST_P(ReadersTest, TheUsualOneStaysWhereNoneIsFasterByMoreThanMeasuringTells) {
  add("usual", 0, 30);
  add("equal", 0, 29.95);
  EXPECT_EQ(find({1 << 20}).at(1 << 20), "ceiling/usual");
}

TEST_P(ReadersTest, HotReadersAreTriedOnTheSameBytesAgainAndAgain) {
  const auto in_a_cache = [](Address& before, const Launch& launch) {
    const bool is_same = before == launch.tensors[0].data;
    before = launch.tensors[0].data;
    return is_same;
  };
  add("usual", 0, 30);
  add("good_in_a_cache", 0, 30);
  backend_.kernels["good_in_a_cache"] = [this, in_a_cache, before = Address()](const Launch& launch, size_t,
                                                                               size_t) mutable {
    backend_.history().launch_us = in_a_cache(before, launch) ? 10 : 40;
  };
  EXPECT_EQ(find_best_readers(backend_, device_, readers_, arena_.bytes(), {1 << 20}, Mode::hot).at(1 << 20),
            "ceiling/good_in_a_cache");
  EXPECT_EQ(find({1 << 20}).at(1 << 20), "ceiling/usual");
}

TEST_P(ReadersTest, WeightsBeyondTheMemoryAtHandAreReadAsFarAsItGoes) {
  add("usual", 0, 30);
  add("faster", 0, 20);
  EXPECT_EQ(find({64 << 20}).at(64 << 20), "ceiling/faster");
}

TEST_P(ReadersTest, AReaderThatDiesIsAnErrorThatSaysWhatWasTried) {
  add("usual", 0, 30);
  backend_.kernels["usual"] = [](const Launch&, size_t, size_t) { std::abort(); };
  try {
    find({4096});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("trying the reading kernels of fake:0 failed"), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(, ReadersTest, ::testing::Values(1, 200), [](const auto& which) {
  return which.param == 1 ? std::string("OneByOne") : std::string("InSequences");
});

TEST(ReaderSize, LittleSizesShareAnAnswerAndBigOnesHaveTheirOwn) {
  EXPECT_EQ(reader_size(1), 4096);
  EXPECT_EQ(reader_size(170'240), 256 << 10);
  EXPECT_EQ(reader_size(9728 * 896 * 2), 9728 * 896 * 2);
  EXPECT_EQ(reader_size(1'114'112 + 100), 1'114'112);
}

TEST(BestReaders, ComeBackFromTheirText) {
  const BestReaders readers{{4096, "ceiling/a"}, {int64_t(1) << 33, "ceiling/b"}};
  EXPECT_EQ(best_readers_from_json(to_json(readers)), readers);
  EXPECT_EQ(best_readers_from_json("{}"), BestReaders());
}

TEST(Ceilings, AReadRateIsThatOfTheSmallestFootprintThatHoldsTheBytes) {
  Ceilings ceilings;
  EXPECT_EQ(ceilings.read_gbps(1), 0);
  ceilings.read = {{32 << 10, 500, 0}, {1 << 20, 300, 0}, {256 << 20, 30, 0}};
  EXPECT_EQ(ceilings.read_gbps(0), 500);
  EXPECT_EQ(ceilings.read_gbps(32 << 10), 500);
  EXPECT_EQ(ceilings.read_gbps((32 << 10) + 1), 300);
  EXPECT_EQ(ceilings.read_gbps(int64_t(1) << 40), 30);
}

}  // namespace
}  // namespace assay

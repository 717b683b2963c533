// Laws of the proof of ops that are no products: what an honest kernel writes passes, and each way to be wrong is seen.
#include "proof/element_proof.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "model/block_encoder.h"
#include "proof/element_judge.h"
#include "proof/projections.h"

namespace assay {
namespace {

constexpr const char* kLines[] = {
    "op=rms_norm | m=3 | n=77 | dtA=f32 | dtB=f32 | dtD=f32 | eps=0.01 | residual=1",
    "op=swiglu | m=2 | n=300 | dtA=f32 | dtD=f16",
    "op=embedding | m=3 | n=64 | rows=7 | dtB=q8_0 | dtD=f32",
    "op=argmax | m=3 | n=31 | dtA=f32",
    "op=top_k | m=2 | n=90 | k=6 | dtA=f32",
    "op=copy | batch=3 | m=4 | n=50 | dtA=f32 | dtD=f16 | order=201 | repeat=2",
    "op=rope | m=2 | heads=4 | kv_heads=2 | head_size=6 | capacity=9 | dtA=f32 | dtCache=f16 | dtD=f32 | style=neox | "
    "base=10000 | factors=1",
    "op=attention | m=2 | heads=4 | kv_heads=2 | head_size=8 | length=130 | capacity=140 | dtA=f32 | dtCache=f16 | "
    "dtD=f32 "
    "| scale=0.5",
    "op=matmul_swiglu | m=2 | n=20 | k=64 | dtA=f32 | dtB=q8_0 | dtD=f32",
    "op=rope | m=2 | heads=4 | kv_heads=2 | head_size=64 | capacity=9 | dtA=f32 | dtCache=q8_0 | dtD=f32 | style=pairs "
    "| "
    "base=10000",
    "op=attention | m=2 | heads=4 | kv_heads=2 | head_size=32 | length=130 | capacity=140 | dtA=f32 | dtCache=q8_0 | "
    "dtD=f32 | scale=0.2",
};

/// A spec's inputs and proof; and outputs as a right kernel would leave them.
class Bench {
 public:
  explicit Bench(const std::string& line) : spec_(parse_spec(line)) {
    arenas_.reserve(spec_, 1 << 16);
    inputs_ = std::make_unique<SpecInputs>(spec_, arenas_, 1 << 16);
    proof_ = std::make_unique<ElementProof>(*inputs_);
    judge_ = proof_->judge(Accuracy::exact);
  }

  LaunchInputs draw(int64_t copy = 0) {
    LaunchInputs launch{copy % inputs_->copies(), proof_->draw(random_, 1, true)};
    return launch;
  }
  /// All outputs, one after another; poison where nothing is to be written.
  std::vector<std::byte> right(const LaunchInputs& launch) const {
    std::vector<std::byte> all;
    const std::vector<ExpectedOutput> expected = proof_->expected(launch, Accuracy::exact);
    for (size_t i = 0; i < expected.size(); ++i) {
      const Tensor& t = proof_->outputs()[i];
      std::vector<std::byte> d(size_t(t.bytes), std::byte{kPoison});
      std::vector<std::pair<int64_t, int64_t>> written = expected[i].written;
      if (written.empty()) written = {{0, t.values()}};
      size_t next = 0;
      if (is_quantized(t.dtype)) {
        std::vector<float> values;
        for (const ExpectedValue& e : expected[i].values) values.push_back(float(e.value));
        for (const auto& [first, last] : written) {
          encode_blocks(TensorType::q8_0, &values[next], last - first, &d[size_t(dtype_bytes(t.dtype, first))]);
          next += size_t(last - first);
        }
        written.clear();
      }
      for (const auto& [first, last] : written)
        for (int64_t at = first; at < last; ++at)
          encode_value(t.dtype, expected[i].values[next++].value, &d[size_t(dtype_bytes(t.dtype, at))]);
      all.insert(all.end(), d.begin(), d.end());
    }
    return all;
  }
  std::vector<double> projections(const std::vector<std::byte>& d) const {
    std::vector<double> sums;
    const std::byte* at = d.data();
    const auto weights = proof_->projection_weights();
    for (size_t i = 0; i < weights.size(); at += proof_->outputs()[i++].bytes) {
      const Tensor& t = proof_->outputs()[i];
      if (!is_projected(t)) continue;
      const auto first = sums.size();
      sums.resize(first + size_t(2 * t.values() / t.dims[2] * stretches_of(t.dims[2])));
      project(t.dtype, at, t.values(), t.dims[2], weights[i].data(), &sums[first]);
    }
    return sums;
  }
  /// What any of the checks says.
  std::string judge(const std::vector<std::byte>& d, const LaunchInputs& launch) {
    for (const std::string& message : {spec_.op->may_be_infinite(launch.a.special) ? "" : judge_->scan(d),
                                       judge_->check_projections(projections(d), launch),
                                       judge_->check_unprojected(d, launch), judge_->check(d, launch)})
      if (!message.empty()) return message;
    return "";
  }

  const Spec& spec() const { return spec_; }
  const ElementProof& proof() const { return *proof_; }
  Judge& judge() { return *judge_; }

 private:
  const Spec spec_;
  Arenas arenas_;
  std::unique_ptr<SpecInputs> inputs_;
  std::unique_ptr<ElementProof> proof_;
  std::unique_ptr<Judge> judge_;
  std::mt19937_64 random_{7};
};

class ElementProofTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ElementProofTest, RightAnswersPassOnEveryCopyAndOnEverySpecialDraw) {
  Bench bench(GetParam());
  for (int64_t copy = 0; copy < 3; ++copy)
    for (int special = -1; special < bench.spec().op->specials; ++special) {
      LaunchInputs launch = bench.draw(copy);
      launch.a.special = special;
      EXPECT_EQ(bench.judge(bench.right(launch), launch), "") << special;
    }
}

TEST_P(ElementProofTest, WithOtherNumbersOtherAnswersAreRight) {
  Bench bench(GetParam());
  int told_apart = 0;
  for (int64_t number = 0; number < bench.proof().specials(); ++number) {
    LaunchInputs launch{0, bench.proof().special(number)};
    const std::vector<std::byte> right = bench.right(launch);
    EXPECT_EQ(bench.judge(right, launch), "") << number;
    if (!launch.a.other_numbers) continue;
    launch.a.other_numbers = false;
    told_apart += !bench.judge(right, launch).empty();
  }
  EXPECT_EQ(told_apart > 0, with_other_numbers(bench.spec()).has_value());
}

TEST_P(ElementProofTest, WhatWasRightForAnotherDrawIsWrong) {
  Bench bench(GetParam());
  int same = 0;
  for (int i = 0; i < 8; ++i) {
    const LaunchInputs before = bench.draw(), now = bench.draw();
    same += bench.judge(bench.right(before), now).empty();
  }
  EXPECT_LE(same, 2) << "few answers can be drawn twice";
}

TEST_P(ElementProofTest, AnElementThatIsNotWrittenIsSeen) {
  Bench bench(GetParam());
  const LaunchInputs launch = bench.draw();
  const std::vector<std::byte> right = bench.right(launch);
  const std::vector<ExpectedOutput> expected = bench.proof().expected(launch, Accuracy::exact);
  size_t before = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const Tensor& t = bench.proof().outputs()[i];
    const int64_t element = expected[i].written.empty() ? t.values() - 1 : expected[i].written.back().second - 1;
    std::vector<std::byte> d = right;
    const DtypeFacts& type = dtype_facts(t.dtype);
    std::memset(&d[before + size_t(element / type.block_values * type.block_bytes)], kPoison, size_t(type.block_bytes));
    EXPECT_NE(bench.judge(d, launch), "") << "output " << i;
    before += size_t(t.bytes);
  }
}

TEST_P(ElementProofTest, AWriteBesideTheRowsOfASparseOutputIsSeen) {
  Bench bench(GetParam());
  const LaunchInputs launch = bench.draw();
  const std::vector<std::byte> right = bench.right(launch);
  size_t before = 0;
  for (const Tensor& t : bench.proof().outputs()) {
    for (size_t at = 0; t.is_sparse && at < size_t(t.bytes); at += 2) {
      if (right[before + at] != std::byte{kPoison} || right[before + at + 1] != std::byte{kPoison}) continue;
      std::vector<std::byte> d = right;
      d[before + at] = std::byte{0};
      EXPECT_NE(bench.judge(d, launch).find("must stay as it was"), std::string::npos) << at;
    }
    before += size_t(t.bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, ElementProofTest, ::testing::ValuesIn(kLines), [](const auto& test) {
  const std::string line = test.param;
  return line.substr(3, line.find(' ') - 3) + (line.find("dtCache=q8_0") == line.npos ? "" : "_of_blocks");
});

TEST(ElementProof, WithoutWeightsThereIsOneCopyAndNothingIsCold) {
  const Spec spec = parse_spec(kLines[1]);
  Arenas arenas;
  arenas.reserve(spec, 1 << 20);
  const SpecInputs inputs(spec, arenas, 1 << 20);
  EXPECT_EQ(inputs.copies(), 1);
  EXPECT_EQ(spec.cold_bytes(), 0);
  EXPECT_EQ(spec.hot_bytes(), 2 * 300 * (4 + 4 + 2));
}

TEST(ElementProof, KeysAndValuesRotateTogether) {
  const Spec spec = parse_spec(kLines[7]);
  Arenas arenas;
  arenas.reserve(spec, 1 << 20);
  const SpecInputs inputs(spec, arenas, 1 << 20);
  ASSERT_GT(inputs.copies(), 10);
  for (int64_t copy = 0; copy < inputs.copies(); ++copy) {
    ASSERT_EQ(inputs.b(copy).size(), 2u);
    EXPECT_EQ(inputs.b(copy)[0].segment, 0u);
    EXPECT_EQ(inputs.b(copy)[1].segment, 1u);
    EXPECT_GT(inputs.b(copy)[1].data, inputs.b(copy)[0].data);
  }
  EXPECT_EQ(spec.cold_bytes(), 2 * 2 * (130 - 2) * 8 * 2) << "what the shortest length that is drawn must read";
}

/// Of each output the values as they are off by what rounding to blocks of Q8_0 may cause, and by twice that.
TEST(ElementProof, ARowOfBlocksIsOffByHalfAStepAndNoMore) {
  Bench bench(kLines[9]);
  const LaunchInputs launch = bench.draw();
  const std::vector<std::byte> right = bench.right(launch);
  const std::vector<ExpectedOutput> expected = bench.proof().expected(launch, Accuracy::exact);
  const size_t first =
      size_t(bench.proof().outputs()[0].bytes + dtype_bytes(Dtype::q8_0, expected[1].written[0].first));
  for (const int step : {-1, 1}) {
    std::vector<std::byte> d = right;
    for (size_t i = 0; i < 32; ++i) {
      const auto value = int8_t(d[first + 2 + i]);
      if (std::abs(int(value)) < 127) d[first + 2 + i] = std::byte(uint8_t(value + step));
    }
    EXPECT_NE(bench.judge(d, launch), "") << step;
  }
}

TEST(ElementProof, OnlyTheRowsThatATokenTouchesAreCounted) {
  EXPECT_EQ(parse_spec(kLines[2]).cold_bytes(), 3 * 64 / 32 * 34);
  EXPECT_EQ(parse_spec(kLines[6]).written_bytes(), 2 * 4 * 6 * 4 + 2 * (2 * 2 * 6 * 2));
}

constexpr const char* kGateUp = "op=matmul_swiglu | m=2 | n=300 | k=128 | dtA=f32 | dtB=q8_0 | dtD=f32";

TEST(ElementProof, SumsOfGroupsGiveTheAnswersThatAreComputedAnew) {
  Bench bench(kGateUp);
  for (int64_t copy = 0; copy < 3; ++copy) {
    const LaunchInputs launch = bench.draw(copy);
    const std::vector<ExpectedOutput> all = bench.proof().expected(launch, Accuracy::exact);
    for (int64_t element = 0; element < 600; element += 7) {
      const ExpectedValue one = bench.proof().expected_some(launch, Accuracy::exact, {{element}})[0];
      const ExpectedValue& kept = all[0].values[size_t(element)];
      EXPECT_NEAR(one.value, kept.value, 0.01 * (one.fixed + kToleranceC * one.free)) << element;
      EXPECT_NEAR(one.free, kept.free, 1e-3 * one.free);
      EXPECT_NEAR(one.fixed, kept.fixed, 1e-3 * one.fixed);
    }
  }
}

// A gate of -709.5 has a sigmoid that a long double holds and a double does not; both round to a float's zero.
TEST(ElementProof, TwoOpinionsNeedNotAgreeOnWhatNoFloatHolds) {
  for (int i = 0; i < 150; ++i)
    EXPECT_NO_THROW(Bench("op=matmul_swiglu | m=2 | n=256 | k=896 | dtA=f32 | dtB=q8_0 | dtD=f32")) << i;
}

TEST(ElementProof, OfAFreeDrawElementsAllOverAreComputedAnew) {
  Bench bench(kGateUp);
  LaunchInputs launch = bench.draw(1);
  launch.a.is_free = true;
  const std::vector<std::byte> right = bench.right(launch);
  int seen = 0;
  for (uint64_t drawn = 0; drawn < 200; ++drawn) {
    ASSERT_EQ(bench.judge().check_one(right, launch, drawn), "");
    std::vector<std::byte> one = right, stretch = right;
    std::memset(&one[4 * 17], 0, 4);
    std::memset(stretch.data() + 4 * 200, 0, 4 * 64);
    seen += !bench.judge().check_one(one, launch, drawn).empty();
    ASSERT_NE(bench.judge().check_one(stretch, launch, drawn), "");
  }
  EXPECT_GE(seen, 2) << "one element in nineteen is drawn";
}

TEST(ElementProof, NothingOfAFreeDrawIsRightForAGroupedOne) {
  Bench bench(kGateUp);
  LaunchInputs free = bench.draw(), grouped = bench.draw();
  free.a.is_free = true;
  EXPECT_NE(bench.judge(bench.right(free), grouped), "");
  EXPECT_NE(bench.judge().check_one(bench.right(grouped), free, 3), "");
}

}  // namespace
}  // namespace assay

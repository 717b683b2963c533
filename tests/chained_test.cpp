// Laws of mode chained: launches that may begin early must wait for what they are given, and are asked whether they do.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "fake_rounds.h"
#include "kernel/manifest.h"

namespace assay {
namespace {

class ChainedTest : public FakeRounds {
 protected:
  ChainedTest() {
    device_.launches_per_sample = 4;
    context_.mode = Mode::chained;
    context_.reader = context_.bulk_reader = work(
        "chained reader", [](const Launch&, size_t, size_t) {}, /*chained=*/true);
  }
  CaseRecord run(FakeKernel kernel, bool chained = true) {
    return FakeRounds::run({work("k", std::move(kernel), chained)}).at(0);
  }
};

void wait_and_multiply(const Launch& launch, size_t, size_t) {
  wait_for_previous();
  multiply(launch);
}

TEST_F(ChainedTest, AKernelThatWaitsBeforeItReadsPasses) {
  const CaseRecord record = run(wait_and_multiply);
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  EXPECT_GT(backend_.history().handed, 0);
}

TEST_F(ChainedTest, AKernelThatReadsBeforeItWaitsIsWrong) {
  EXPECT_EQ(run([](const Launch& launch, size_t, size_t) {
              multiply(launch);
              wait_for_previous();
            }).outcome,
            Outcome::wrong);
}

TEST_F(ChainedTest, AKernelThatKeptWhatTheLaunchBeforeWasGivenIsWrong) {
  EXPECT_EQ(run([kept = std::vector<std::byte>()](const Launch& launch, size_t, size_t) mutable {
              wait_for_previous();
              Launch of_before = launch;
              Tensor& a = of_before.tensors[0];
              ASSERT_EQ(a.operand, Operand::a);
              const std::vector<std::byte> now(a.data, a.data + a.bytes);
              if (kept.empty()) kept = now;
              a.data = kept.data();
              multiply(of_before);
              kept = now;
            }).outcome,
            Outcome::wrong);
}

TEST_F(ChainedTest, AFamilyThatDoesNotSaySoIsNeverStartedEarly) {
  const CaseRecord record = run(
      [](const Launch& launch, size_t, size_t) {
        if (!launch.overlaps_previous) multiply(launch);
      },
      /*chained=*/false);
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  EXPECT_EQ(backend_.history().handed, 0);
}

TEST_F(ChainedTest, TheLaunchesOfATimedSequenceMayOverlap) {
  const CaseRecord record = run([](const Launch& launch, size_t, size_t count) {
    wait_for_previous();
    if (count == 1 || launch.overlaps_previous) multiply(launch);  // else D stays poisoned
  });
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
}

TEST_F(ChainedTest, InDecodeModeNothingOverlapsAndNothingIsHandedOver) {
  context_.mode = Mode::decode;
  const CaseRecord record = run([](const Launch& launch, size_t, size_t) {
    if (!launch.overlaps_previous) multiply(launch);
  });
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  EXPECT_EQ(backend_.history().handed, 0);
}

/// A device that leaves the host free: what a sample left to compare is compared while the next one runs.
class MeanwhileTest : public ChainedTest {
 protected:
  MeanwhileTest() {
    backend_.history().by_itself = true;
    backend_.surveys = true;
  }
};

TEST_F(MeanwhileTest, ARightKernelPassesAndIsComparedWhileTheNextSampleRuns) {
  for (const Mode mode : {Mode::decode, Mode::chained}) {
    context_.mode = mode;
    const CaseRecord record = run(wait_and_multiply);
    EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  }
  EXPECT_GT(backend_.history().meanwhile, 0);
}

TEST_F(MeanwhileTest, AWrongElementOfOneTimedLaunchIsFoundAllTheSame) {
  for (const Mode mode : {Mode::decode, Mode::chained}) {
    context_.mode = mode;
    const CaseRecord record = run([](const Launch& launch, size_t index, size_t count) {
      wait_and_multiply(launch, index, count);
      for (const Tensor& t : launch.tensors)
        if (t.operand == Operand::d && count > 1 && index == 1) {
          const float wrong = element(t, 5) + 100;
          std::memcpy(t.data + 20, &wrong, 4);
        }
    });
    EXPECT_EQ(record.outcome, Outcome::wrong) << mode_name(mode);
  }
}

TEST_F(MeanwhileTest, AKernelThatReadsBeforeItWaitsIsWrong) {
  EXPECT_EQ(run([](const Launch& launch, size_t, size_t) {
              multiply(launch);
              wait_for_previous();
            }).outcome,
            Outcome::wrong);
}

TEST(Chains, FamiliesThatSaySoAreBuiltToWaitAndNoOthers) {
  Manifest manifest = load_manifest(std::filesystem::path(ASSAY_SOURCE_DIR) / "kernels" / "cuda");
  build_for_chains(manifest);
  int chained = 0;
  for (const Variant& variant : manifest.variants) {
    const auto& flags = variant.compile_flags;
    EXPECT_EQ(std::count(flags.begin(), flags.end(), kChainedFlag), variant.chained ? 1 : 0) << variant.id();
    chained += variant.chained;
  }
  EXPECT_GT(chained, 20);
}

TEST(Chains, ACpuFamilyCannotSaySo) {
  const std::string text = R"({"schema": 1, "backend": "cpu", "families": [{"family": "f", "source": "chained_test.cpp",
      "technique": "t", "name": "n", "chained": true, "supports": {"op": ["argmax"], "a": ["f32"]}}]})";
  try {
    parse_manifest(text, std::filesystem::path(ASSAY_SOURCE_DIR) / "tests" / "manifest.json");
    FAIL() << "was read";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("/families/0/chained: backend cpu has no such key"), std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace assay

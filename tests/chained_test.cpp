// Laws of mode chained: launches that may begin early must wait for what they are given, and are asked whether they do.
#include <gtest/gtest.h>

#include <list>

#include "fake_device.h"
#include "measure/rounds.h"

namespace assay {
namespace {

class ChainedTest : public ::testing::Test {
 protected:
  ChainedTest() {
    device_.id = "fake:0";
    device_.one_worker = true;
    device_.launches_per_sample = 4;
    arenas_.reserve(spec_, 0);
    context_.backend = &backend_;
    context_.device = &device_;
    context_.ceilings = &ceilings_;
    context_.arenas = &arenas_;
    context_.mode = Mode::chained;
    context_.reader = context_.bulk_reader = work(
        "reader", [](const Launch&, size_t, size_t) {}, /*chained=*/true);
    context_.effort.spec_budget_s = 0;
    context_.effort.settle_ms = 1;
    backend_.history().launch_us = 0.01;  // far less than a turn takes here
  }

  CaseToRun work(const std::string& name, FakeKernel kernel, bool chained) {
    backend_.kernels[name] = std::move(kernel);
    Variant& variant = variants_.emplace_back();
    variant.family = "test";
    variant.name = name;
    variant.chained = chained;
    CaseToRun result;
    result.variant = &variant;
    result.key = {name, name};
    return result;
  }
  CaseRecord run(FakeKernel kernel, bool chained = true) {
    return run_rounds(spec_, {work("k", std::move(kernel), chained)}, context_).at(0);
  }

  const Spec spec_ = parse_spec("op=matmul | batch=1 | m=1 | n=24 | k=32 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  FakeBackend backend_;
  DeviceInfo device_;
  Ceilings ceilings_;
  Arenas arenas_;
  std::list<Variant> variants_;
  RoundsContext context_;
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

}  // namespace
}  // namespace assay

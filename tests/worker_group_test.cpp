// Laws of a group of cases that share one worker process: a fault costs its case alone, and every buffer of a sample is
// looked at.
#include "measure/worker_group.h"

#include <gtest/gtest.h>

#include <list>
#include <set>
#include <tuple>

#include "fake_device.h"
#include "proof/reference.h"

namespace assay {
namespace {

constexpr double kWatchdogS = 60;  // only a hang takes so long, however busy the machine is
constexpr int kSequence = 40;      // what 100 us a launch make of a sample

/// Whether the device looks at outputs itself; and D's elements: so many that most launches are not compared, or few.
class WorkerGroupTest : public ::testing::TestWithParam<std::tuple<bool, int>> {
 protected:
  WorkerGroupTest() {
    backend_.surveys = std::get<0>(GetParam());
    device_.id = "fake:0";
    device_.one_worker = true;
    device_.launches_per_sample = kSequence;
    arenas_.reserve(spec_, kFootprint);
    inputs_ = std::make_unique<SpecInputs>(spec_, arenas_, kFootprint);
    reference_ = std::make_unique<Reference>(*inputs_);
  }

  /// A case whose kernel is `kernel`; a group's cases are numbered from 0.
  size_t add(const std::string& name, FakeKernel kernel) {
    backend_.kernels[name] = std::move(kernel);
    Variant& variant = variants_.emplace_back();
    variant.family = "test";
    variant.name = name;
    variant.parameters = {{"index", int64_t(variants_.size()) - 1}};
    WorkerCase& work = cases_.emplace_back();
    work.backend = &backend_;
    work.device = &device_;
    work.variant = &variant;
    work.module = &module_;
    work.proof = reference_.get();
    work.inputs = inputs_.get();
    work.arenas = &arenas_;
    work.footprint = kFootprint;
    work.memory_limit = int64_t(1) << 30;
    return group_.add(work);
  }
  size_t add_right(const std::string& name) {
    return add(name, [](const Launch& launch, size_t, size_t) { multiply(launch); });
  }
  Reply ask(size_t index, Step step, double limit_s = kWatchdogS) {
    Command command;
    command.step = step;
    command.launches = command.least_launches = 2;
    return group_.ask(index, command, limit_s).reply;
  }
  Outcome sample(size_t index) { return ask(index, Step::sample).outcome; }
  /// Or more: the last one is of weights that have a reference.
  static std::vector<LaunchTimes> three_samples(WorkerGroup& group, size_t index) {
    Command command;
    command.step = Step::sample;
    command.launches = command.least_launches = 3;
    command.time_us = 1e6;
    const Answer answer = group.ask(index, command, kWatchdogS);
    EXPECT_EQ(answer.reply.outcome, Outcome::pass) << answer.reply.detail;
    EXPECT_GE(answer.times.size(), 3u);
    return {answer.times.begin(), answer.times.end()};
  }
  int loads(size_t index) const { return backend_.history().loaded[index]; }
  int opened() const { return backend_.history().opened; }
  FakeHistory& history() { return backend_.history(); }

  static constexpr int64_t kFootprint = 640 * 1024;
  const int elements_ = std::get<1>(GetParam());
  const Spec spec_ = parse_spec(
      fmt::format("op=matmul | batch=1 | m=1 | n={} | k=32 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32", elements_));
  FakeBackend backend_;
  DeviceInfo device_;
  BuiltModule module_;
  Arenas arenas_;
  std::unique_ptr<SpecInputs> inputs_;
  std::unique_ptr<Reference> reference_;
  std::list<Variant> variants_;
  std::list<WorkerCase> cases_;
  WorkerGroup group_{kWatchdogS};
};

TEST_P(WorkerGroupTest, CasesShareOneOpenedDeviceAndAreSetUpOnceEach) {
  const size_t one = add_right("one"), two = add_right("two");
  EXPECT_EQ(ask(one, Step::setup).outcome, Outcome::pass);
  for (int round = 0; round < 3; ++round)
    for (const size_t index : {one, two}) EXPECT_EQ(sample(index), Outcome::pass) << ask(index, Step::sample).detail;
  EXPECT_EQ(ask(two, Step::settle).outcome, Outcome::pass);
  EXPECT_EQ(opened(), 1);
  EXPECT_EQ(loads(one), 1);
  EXPECT_EQ(loads(two), 1) << "asked for a sample, it was set up before";
}

TEST_P(WorkerGroupTest, ACaseThatCrashesIsReplacedAndTheOthersAreSetUpAgain) {
  const size_t before = add_right("before"), after = add_right("after");
  const size_t crashes = add("crashes", [](const Launch& launch, size_t, size_t count) {
    if (count > 1) raise(SIGKILL);  // warm-up launches are single
    multiply(launch);
  });
  for (const size_t index : {before, crashes, after}) EXPECT_EQ(ask(index, Step::setup).outcome, Outcome::pass);
  const Reply reply = ask(crashes, Step::sample);
  EXPECT_EQ(reply.outcome, Outcome::crashed);
  EXPECT_NE(std::string(reply.detail).find("KILL"), std::string::npos) << reply.detail;
  for (const size_t index : {before, after}) EXPECT_EQ(sample(index), Outcome::pass);
  EXPECT_EQ(opened(), 2);
  EXPECT_EQ(loads(before), 2);
  EXPECT_EQ(loads(after), 2);
  EXPECT_EQ(loads(crashes), 1) << "nobody asked for it again";
  EXPECT_FALSE(history().opened_twice) << "a device is open in one process only";
}

TEST_P(WorkerGroupTest, ACrashInSetupCostsThatCaseAlone) {
  const size_t right = add_right("right"),
               crashes = add("crashes", [](const Launch&, size_t, size_t) { std::abort(); });
  EXPECT_EQ(ask(right, Step::setup).outcome, Outcome::pass);
  EXPECT_EQ(ask(crashes, Step::setup).outcome, Outcome::crashed);
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(sample(crashes), Outcome::crashed) << "asked again it is tried again";
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(opened(), 3);
}

TEST_P(WorkerGroupTest, ACaseThatLeavesAProcessBehindIsWrongAndTheOthersBeginAnewWithoutIt) {
  const size_t right = add_right("right"), forks = add("forks", [this](const Launch&launch, size_t, size_t count) {
                                             multiply(launch);
                                             if (count <= 1 || fork() != 0) return;
                                             setsid();
                                             history().left = getpid();
                                             for (;;) pause();
                                           });
  for (const size_t index : {right, forks}) EXPECT_EQ(ask(index, Step::setup).outcome, Outcome::pass);
  const Reply reply = ask(forks, Step::sample);
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_NE(std::string(reply.detail).find("behind: "), std::string::npos) << reply.detail;
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(opened(), 2);
  EXPECT_TRUE(history().left == 0 || kill(history().left, 0) != 0)
      << "it may have been found before it could say who it is";
}

TEST_P(WorkerGroupTest, AFailureThatTheSurroundingsMayHaveCausedSaysSo) {
  const auto retry = [&](FakeKernel kernel, Outcome outcome) {
    const Reply reply = ask(add("case", std::move(kernel)), Step::setup);
    EXPECT_EQ(reply.outcome, outcome) << reply.detail;
    variants_.back().parameters.clear();
    return reply.retry != 0;
  };
  EXPECT_TRUE(retry([](const Launch&, size_t, size_t) { throw Unavailable("no permission"); }, Outcome::launch_failed));
  group_ = WorkerGroup(kWatchdogS);
  EXPECT_TRUE(retry([](const Launch&, size_t, size_t) { throw NoRoom("no memory"); }, Outcome::device_limit));
  group_ = WorkerGroup(kWatchdogS);
  EXPECT_TRUE(retry([](const Launch&, size_t, size_t) { raise(SIGTERM); }, Outcome::crashed));
  group_ = WorkerGroup(kWatchdogS);
  EXPECT_FALSE(
      retry([](const Launch&, size_t, size_t) { throw OverLimit("too many registers"); }, Outcome::device_limit));
  group_ = WorkerGroup(kWatchdogS);
  EXPECT_FALSE(retry([](const Launch&, size_t, size_t) { throw Error("returned 3"); }, Outcome::launch_failed));
  group_ = WorkerGroup(kWatchdogS);
  EXPECT_FALSE(retry([](const Launch&, size_t, size_t) { raise(SIGSEGV); }, Outcome::crashed));
}

TEST_P(WorkerGroupTest, ACaseThatHangsIsKilledAtItsLimitAndTheOthersGoOn) {
  const size_t right = add_right("right"), hangs = add("hangs", [](const Launch&launch, size_t, size_t count) {
                                             while (count > 1) pause();
                                             multiply(launch);
                                           });
  EXPECT_EQ(ask(hangs, Step::setup).outcome, Outcome::pass);
  const Reply reply = ask(hangs, Step::sample, 0.3);
  EXPECT_EQ(reply.outcome, Outcome::timed_out);
  EXPECT_EQ(std::string(reply.detail), "no answer within 0.3 s: killed");
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_FALSE(history().opened_twice);
}

TEST_P(WorkerGroupTest, ACaseThatChangedWhatOthersReadIsWrongAndTheOthersBeginAnew) {
  const size_t right = add_right("right"), taints = add("taints", [this](const Launch&launch, size_t, size_t count) {
                                             if (count > 1) history().taint = true;
                                             multiply(launch);
                                           });
  for (const size_t index : {right, taints}) EXPECT_EQ(ask(index, Step::setup).outcome, Outcome::pass);
  const Reply reply = ask(taints, Step::sample);
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_EQ(std::string(reply.detail), "changed what others read");
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(opened(), 2);
  EXPECT_EQ(loads(right), 2);
}

TEST_P(WorkerGroupTest, AWriteIntoPreparedWeightsIsFoundAtTheEndOfTheStepIfTheyAreTheCasesOwn) {
  const size_t right = add_right("right"), writes = add("writes", [](const Launch&launch, size_t, size_t count) {
                                             if (count > 1) *launch.prepared = std::byte{2};
                                             multiply(launch);
                                           });
  variants_.back().prepares = variants_.back().keeps_b = true;
  EXPECT_EQ(ask(writes, Step::setup).outcome, Outcome::pass);
  EXPECT_EQ(sample(right), Outcome::pass);
  const Reply reply = ask(writes, Step::sample);
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_EQ(std::string(reply.detail), "changed prepared weights");
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(opened(), 2);
}

TEST_P(WorkerGroupTest, WhoPreparedItsOwnCopyFindsNaNWhereBWasUnlessItsManifestSaysThatItReadsBoth) {
  const size_t reads_b = add_right("reads_b");
  variants_.back().prepares = true;
  const size_t says_so = add_right("says_so");
  variants_.back().prepares = variants_.back().keeps_b = true;
  EXPECT_EQ(ask(reads_b, Step::setup).outcome, Outcome::wrong);
  EXPECT_EQ(sample(says_so), Outcome::pass) << ask(says_so, Step::sample).detail;
}

TEST_P(WorkerGroupTest, ClaimingManyPreparedBytesBuysNoWarmWeights) {
  const size_t claims = add("claims", [this, met = std::set<Address>()](const Launch& launch, size_t, size_t) mutable {
    met.insert(launch.prepared);
    history().copies = int(met.size());
    multiply(launch);
  });
  Variant& variant = variants_.back();
  variant.prepares = variant.keeps_b = true;
  variant.parameters.emplace_back("prepared_bytes", kFootprint);
  EXPECT_EQ(sample(claims), Outcome::pass) << ask(claims, Step::sample).detail;
  EXPECT_GE(history().copies, elements_ == 24 ? 10 : 2) << "a footprint's worth of weights, by what they are at most";
}

TEST_P(WorkerGroupTest, AWriteIntoAnothersPreparedWeightsIsNeverTheOthersFaultAndIsFoundWhenItHappensAgain) {
  Address prepared = nullptr;  // of the child's
  const size_t right = add("right", [&prepared](const Launch& launch, size_t, size_t) {
    multiply(launch);
    prepared = launch.prepared;
  });
  variants_.back().prepares = variants_.back().keeps_b = true;
  const size_t bystander = add_right("bystander"),
               meddles = add("meddles", [&prepared](const Launch&launch, size_t, size_t count) {
                 multiply(launch);
                 if (count > 1 && prepared) *prepared = std::byte{2};
               });
  for (const size_t index : {right, bystander, meddles}) EXPECT_EQ(ask(index, Step::setup).outcome, Outcome::pass);
  EXPECT_EQ(sample(meddles), Outcome::pass) << "nobody looks at what it changed yet";
  EXPECT_EQ(sample(bystander), Outcome::pass);
  EXPECT_EQ(sample(right), Outcome::pass) << "set up again, and sampled then";
  EXPECT_EQ(opened(), 2);
  EXPECT_EQ(loads(right), 2);
  EXPECT_EQ(sample(bystander), Outcome::pass);
  const Reply reply = ask(meddles, Step::sample);
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_EQ(std::string(reply.detail), "changed prepared weights");
  for (const size_t index : {right, bystander}) EXPECT_EQ(sample(index), Outcome::pass);
  EXPECT_EQ(opened(), 3);
}

TEST_P(WorkerGroupTest, ACaseThatCannotBeSetUpAnswersSoWheneverItIsAskedAndDisturbsNobody) {
  const size_t right = add_right("right"),
               fails = add("fails", [](const Launch&, size_t, size_t) { throw Unsupported("not for this shape"); });
  EXPECT_EQ(sample(right), Outcome::pass);
  for (const Step step : {Step::setup, Step::sample, Step::settle}) {
    const Reply reply = ask(fails, step);
    EXPECT_EQ(reply.outcome, Outcome::unsupported);
    EXPECT_EQ(std::string(reply.detail), "not for this shape");
  }
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(opened(), 1);
  EXPECT_EQ(loads(right), 1);
}

TEST_P(WorkerGroupTest, OneElementThatOneLaunchOfASampleLeavesOutIsFoundWhicheverLaunchItIs) {
  std::list<WorkerGroup> groups;
  for (size_t lazy = 0; lazy < kSequence; ++lazy) {
    const std::string name = fmt::format("lazy{}", lazy);
    add(name, [lazy](const Launch& launch, size_t index, size_t count) {
      multiply(launch, count > 1 && index == lazy ? 1 : 0);
    });
    variants_.back().parameters.clear();
    WorkerGroup& group = groups.emplace_back(kWatchdogS);
    const size_t place = group.add(cases_.back());
    Command command;
    command.step = Step::sample;
    command.launches = command.least_launches = 1;
    const Reply reply = group.ask(place, command, kWatchdogS).reply;
    EXPECT_EQ(reply.outcome, Outcome::wrong) << name;
    EXPECT_EQ(std::string(reply.detail).find(fmt::format("1 of {} elements never written", elements_)), 0u)
        << name << ": " << reply.detail;
  }
}

TEST_P(WorkerGroupTest, AShortKernelsSequencesAreLongHoweverSlowItIsAlone) {
  device_.launches_per_sample = 500;
  const size_t index = add("slow alone", [this](const Launch& launch, size_t, size_t count) {
    multiply(launch);
    history().launch_us = count > 1 ? 5 : 100;
  });
  for (const LaunchTimes& sample : three_samples(group_, index)) EXPECT_GE(sample.launches, 200);
}

TEST_P(WorkerGroupTest, ColdSamplesAreSingleLaunchesThatWaitForNoHostAndFindNothingCached) {
  history().latency_us = 50;
  add_right("right");
  cases_.back().mode = Mode::cold;
  WorkerGroup group(kWatchdogS);
  const size_t index = group.add(cases_.back());
  for (const LaunchTimes& sample : three_samples(group, index)) {
    EXPECT_EQ(sample.launches, 1);
    EXPECT_EQ(sample.device_us, history().launch_us) << "the device had it before it began";
    EXPECT_EQ(sample.submit_us, kFakeSubmitUs) << "host times are those of a launch alone, after another one";
  }
  EXPECT_EQ(history().warm, 0);
}

TEST_P(WorkerGroupTest, ATurnThatIsDisturbedThroughoutIsMarkedAndEndsLikeAnother) {
  device_.launches_per_sample = 1;
  history().disturbed = true;
  add_right("right");
  const SpecInputs four(spec_, arenas_, 4 * spec_.weight_bytes());
  ASSERT_EQ(four.copies(), 4) << "one of them has a reference, and of four launches three are left out";
  const Reference reference(four);
  cases_.back().inputs = &four;
  cases_.back().proof = &reference;
  WorkerGroup group(kWatchdogS);
  const std::vector<LaunchTimes> samples = three_samples(group, group.add(cases_.back()));
  EXPECT_LE(samples.size(), 6u);
  for (const LaunchTimes& sample : samples) EXPECT_TRUE(sample.disturbed);
}

TEST_P(WorkerGroupTest, AWriteAfterTheLastLaunchIsFoundWhenAllHaveSettled) {
  Address late = nullptr;  // of the child's: it is forked when first asked
  const size_t right = add_right("right"), writes = add("writes", [&late](const Launch&launch, size_t, size_t) {
                                             multiply(launch);
                                             for (const Tensor& t : launch.tensors)
                                               if (t.operand == Operand::d) late = t.data;
                                           });
  const size_t meddles = add("meddles", [&late](const Launch& launch, size_t, size_t) {
    multiply(launch);
    std::memset(late, 1, 1);
  });
  EXPECT_EQ(sample(right), Outcome::pass);
  EXPECT_EQ(sample(writes), Outcome::pass);
  EXPECT_EQ(ask(writes, Step::settle).outcome, Outcome::pass);
  EXPECT_EQ(ask(meddles, Step::setup).outcome, Outcome::pass);
  group_.resume();
  const Reply reply = ask(writes, Step::settle);
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_EQ(std::string(reply.detail), "D changed after the kernel had returned: something still writes to it");
  EXPECT_EQ(ask(right, Step::settle).outcome, Outcome::pass);
}

INSTANTIATE_TEST_SUITE_P(, WorkerGroupTest, ::testing::Combine(::testing::Bool(), ::testing::Values(24, 1200)),
                         [](const auto& which) {
                           return fmt::format("{}{}", std::get<0>(which.param) ? "ByTheDevice" : "ByTheHost",
                                              std::get<1>(which.param));
                         });

}  // namespace
}  // namespace assay

// Laws of planning: what is measured, what is left out and why, from descriptions alone; no device need be there.
#include "probe/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ops/matmul.h"

namespace assay {
namespace {

Spec spec_of(const std::string& rest) { return parse_spec("op=matmul | batch=1 | m=1 | " + rest); }
const Spec kF16 = spec_of("n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
const Spec kF16Small = spec_of("n=896 | k=4864 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
const Spec kQ8 = spec_of("n=896 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16");
const Spec kBias = parse_spec(
    "op=matmul_bias_add | batch=1 | m=1 | n=1152 | k=896 | tA=0 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16 | bias=1");

/// A machine that nobody has.
DeviceInfo imagined_device() {
  DeviceInfo device;
  device.id = "cpu:0";
  device.backend = "cpu";
  device.isa = {{"generic", {}}, {"wide", {"-mwide"}}, {"wider", {"-mwide", "-mwider"}}};
  device.memory_bytes = int64_t(4) << 30;
  return device;
}

Variant variant(const std::string& family, const std::string& name) {
  Variant v;
  v.family = family;
  v.name = name;
  v.backend = "cpu";
  v.supports.types = {
      {Operand::a, {Dtype::f32, Dtype::f16}}, {Operand::b, {Dtype::f16}}, {Operand::d, {Dtype::f32, Dtype::f16}}};
  v.supports.layout = {"nt"};
  return v;
}

/// A small installation: two of one family, one for q8_0, one disabled, one ceiling.
struct Kernels {
  Kernels() {
    all = {variant("rowdot", "r1"), variant("rowdot", "r4"), variant("q8", "dot"), variant("odd", "slow"),
           variant("ceiling", "read")};
    all[2].supports.types[Operand::b] = {Dtype::q8_0};
    all[3].disabled = {{"loses everywhere", {}}};
    all[4].role = Role::ceiling;
    for (const Variant& v : all) pointers.push_back(&v);
  }
  Kernels(const Kernels&) = delete;
  std::vector<Variant> all;
  std::vector<const Variant*> pointers;
};

std::set<std::string> ids(const PlannedSpec& planned) {
  std::set<std::string> result;
  for (const PlannedCase& c : planned.cases) result.insert(c.variant->id());
  return result;
}

int64_t skipped(const Plan& plan, const std::string& variant_id, const std::string& reason) {
  int64_t count = 0;
  for (const SkipGroup& skip : plan.skips)
    if (skip.variant == variant_id && skip.reason == reason) count += skip.count;
  return count;
}

std::string error_of(const std::vector<Spec>& specs, const Kernels& kernels, const Selection& selection) {
  try {
    make_plan(specs, kernels.pointers, imagined_device(), selection);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

using Ids = std::set<std::string>;

TEST(Plan, ADescriptionIsEnoughAndEveryEnabledSupportingKernelIsTaken) {
  const Kernels kernels;
  const Plan plan = make_plan({kF16, kQ8}, kernels.pointers, imagined_device(), {});
  ASSERT_EQ(plan.specs.size(), 2u);
  EXPECT_EQ(ids(plan.specs[0]), (Ids{"rowdot/r1", "rowdot/r4"}));
  EXPECT_EQ(ids(plan.specs[1]), (Ids{"q8/dot"}));
  EXPECT_EQ(plan.cases(), 3);
  for (const PlannedSpec& planned : plan.specs)
    for (const PlannedCase& c : planned.cases) EXPECT_EQ(c.over_limit, "");
}

TEST(Plan, EveryPairIsEitherACaseOrCountedOnceWithItsReason) {
  const Kernels kernels;
  const Plan plan = make_plan({kF16, kF16Small, kQ8}, kernels.pointers, imagined_device(), {});
  EXPECT_EQ(skipped(plan, "rowdot/r1", "unsupported: b is q8_0, supports f16"), 1);
  EXPECT_EQ(skipped(plan, "q8/dot", "unsupported: b is f16, supports q8_0"), 2);
  EXPECT_EQ(skipped(plan, "odd/slow", "disabled: loses everywhere"), 3);
  int64_t skips = 0;
  for (const SkipGroup& skip : plan.skips) {
    EXPECT_EQ(skip.op_name, "matmul");
    EXPECT_NE(skip.variant, "ceiling/read") << "a ceiling is no way to compute anything";
    skips += skip.count;
  }
  EXPECT_EQ(plan.cases() + skips, 3 * 4) << "three specs, four kernels";
}

TEST(Plan, ABaselineThatWouldTakeSecondsALaunchIsLeftOutWithTheEstimate) {
  Kernels kernels;
  kernels.all[0].baseline = true;
  const auto of_m = [](int64_t m) {
    return parse_spec(
        fmt::format("op=matmul | batch=1 | m={} | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16", m));
  };
  const Plan plan = make_plan({of_m(128), of_m(512)}, kernels.pointers, imagined_device(), {});
  EXPECT_EQ(ids(plan.specs[0]), (Ids{"rowdot/r1", "rowdot/r4"})) << "2.2 GFLOP";
  EXPECT_EQ(ids(plan.specs[1]), (Ids{"rowdot/r4"})) << "8.9 GFLOP; of others no rate is known";
  EXPECT_EQ(
      skipped(plan, "rowdot/r1", "too_long: one launch takes about 3 s, at 4 GFLOP/s a thread as plain loops have"), 1);
  DeviceInfo large = imagined_device();
  large.threads = 16;
  EXPECT_EQ(ids(make_plan({of_m(512)}, kernels.pointers, large, {}).specs[0]), (Ids{"rowdot/r1", "rowdot/r4"}));
}

TEST(Plan, SkipsOfDifferentOpsAreCountedApart) {
  const Kernels kernels;
  const Plan plan = make_plan({kF16, kBias}, kernels.pointers, imagined_device(), {});
  std::set<std::string> ops;
  for (const SkipGroup& skip : plan.skips)
    if (skip.variant == "odd/slow") ops.insert(skip.op_name);
  EXPECT_EQ(ops, (Ids{"matmul", "matmul_bias_add"}));
}

TEST(Plan, ASpecWithoutAnyCaseStaysInThePlan) {
  const Kernels kernels;
  const Plan plan = make_plan({kBias}, kernels.pointers, imagined_device(), {});
  ASSERT_EQ(plan.specs.size(), 1u);
  EXPECT_TRUE(plan.specs[0].cases.empty());
}

TEST(Plan, LinesWithEqualMathsAreOneSpec) {
  const Kernels kernels;
  const Spec cached = parse_spec(
      "op=matmul_cache | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16 | cache=1");
  EXPECT_EQ(make_plan({kF16, cached, kF16}, kernels.pointers, imagined_device(), {}).specs.size(), 1u);
}

TEST(Plan, GlobsChooseVariantsAndADisabledOneRunsOnlyWhenNamed) {
  const Kernels kernels;
  const auto chosen = [&](const std::vector<std::string>& globs) {
    return ids(make_plan({kF16}, kernels.pointers, imagined_device(), {globs, {}, {}, {}}).specs[0]);
  };
  EXPECT_EQ(chosen({"rowdot/*"}), (Ids{"rowdot/r1", "rowdot/r4"}));
  EXPECT_EQ(chosen({"*/r4"}), (Ids{"rowdot/r4"}));
  EXPECT_EQ(chosen({"rowdot/r1", "*4"}), (Ids{"rowdot/r1", "rowdot/r4"}));
  EXPECT_EQ(chosen({"odd/slow"}), (Ids{"odd/slow"}));
  EXPECT_EQ(chosen({"odd/*"}), (Ids{}));
  EXPECT_EQ(chosen({"*"}), (Ids{"rowdot/r1", "rowdot/r4"}));
}

TEST(Plan, KernelsThatWereNotAskedForAreNoSkips) {
  const Kernels kernels;
  const Plan plan = make_plan({kF16}, kernels.pointers, imagined_device(), {{"rowdot/r1"}, {}, {}, {}});
  for (const SkipGroup& skip : plan.skips) EXPECT_EQ(skip.variant, "odd/slow");
}

TEST(Plan, OpsAndShapesFilterAndAnyOfSeveralShapesMatches) {
  const Kernels kernels;
  const auto chosen = [&](const Selection& selection) {
    std::set<int64_t> sizes;
    for (const PlannedSpec& planned :
         make_plan({kF16, kF16Small, kBias}, kernels.pointers, imagined_device(), selection).specs)
      sizes.insert(matmul_of(planned.spec).n);
    return sizes;
  };
  using Sizes = std::set<int64_t>;
  EXPECT_EQ(chosen({{}, {"matmul_bias*"}, {}, {}}), (Sizes{1152}));
  EXPECT_EQ(chosen({{}, {"matmul"}, {}, {}}), (Sizes{9728, 896}));
  EXPECT_EQ(chosen({{}, {}, {}, {"n=9728"}}), (Sizes{9728}));
  EXPECT_EQ(chosen({{}, {}, {}, {"n=1000..10000"}}), (Sizes{9728, 1152}));
  EXPECT_EQ(chosen({{}, {}, {}, {"m=1,k=896"}}), (Sizes{9728, 1152}));
  EXPECT_EQ(chosen({{}, {}, {}, {"k=896,n=1152", "k=4864"}}), (Sizes{1152, 896}));
  EXPECT_EQ(chosen({{}, {"*bias*"}, {}, {"batch=1"}}), (Sizes{1152}));
}

TEST(Plan, AFilterThatMatchesNothingIsAnErrorThatSuggestsWhatThereIs) {
  const Kernels kernels;
  const std::string mistyped = error_of({kF16}, kernels, {{"rowdott/r1"}, {}, {}, {}});
  EXPECT_NE(mistyped.find("--variant rowdott/r1"), std::string::npos) << mistyped;
  EXPECT_NE(mistyped.find("did you mean"), std::string::npos) << mistyped;
  EXPECT_NE(mistyped.find("rowdot/r1"), std::string::npos) << mistyped;
  EXPECT_NE(error_of({kF16}, kernels, {{"rowdot/*", "nothing/*"}, {}, {}, {}}), "") << "each glob must match";
  EXPECT_NE(error_of({kF16}, kernels, {{"ceiling/read"}, {}, {}, {}}), "") << "a ceiling cannot be chosen";
  const std::string op = error_of({kF16, kBias}, kernels, {{}, {"matmul_bias_ad"}, {}, {}});
  EXPECT_NE(op.find("--op matmul_bias_ad"), std::string::npos) << op;
  EXPECT_NE(op.find("matmul_bias_add"), std::string::npos) << op;
  const std::string shape = error_of({kF16}, kernels, {{}, {}, {}, {"n=9729"}});
  EXPECT_NE(shape.find("n=9729"), std::string::npos) << shape;
}

TEST(Plan, AMalformedShapeIsAnErrorThatQuotesIt) {
  const Kernels kernels;
  for (const char* shape :
       {"n", "n=", "n=x", "n=1..", "n=..5", "n=1..x", "width=3", "n=1,", ",n=1", "n=1.5", "n==1", ""}) {
    const std::string message = error_of({kF16}, kernels, {{}, {}, {}, {shape}});
    EXPECT_NE(message.find(std::string("--shape ") + shape), std::string::npos) << shape << ": " << message;
  }
  EXPECT_NE(error_of({kF16}, kernels, {{}, {}, {}, {"width=3"}}).find("batch, m, n, k"), std::string::npos);
}

TEST(Plan, TheBestInstructionLevelOfBothDeviceAndVariantIsChosen) {
  const DeviceInfo device = imagined_device();
  Variant v = variant("a", "b");
  EXPECT_EQ(choose_isa(v, device)->name, "wider");
  v.isa = {"generic", "wide"};
  EXPECT_EQ(choose_isa(v, device)->name, "wide");
  v.isa = {"wide", "generic", "widest"};
  EXPECT_EQ(choose_isa(v, device)->name, "wide") << "the device's order counts";
  v.isa = {"widest"};
  EXPECT_EQ(choose_isa(v, device), nullptr);
}

TEST(Plan, AVariantThatTheProcessorCannotRunIsSkippedWithBothSidesNamed) {
  Kernels kernels;
  kernels.all[0].isa = {"widest", "tiles"};
  kernels.all[1].isa = {"wide"};
  const DeviceInfo device = imagined_device();  // the plan points into it
  const Plan plan = make_plan({kF16}, kernels.pointers, device, {});
  EXPECT_EQ(skipped(plan, "rowdot/r1", "unsupported: needs widest or tiles; this processor has wider"), 1);
  ASSERT_EQ(plan.specs[0].cases.size(), 1u);
  EXPECT_EQ(plan.specs[0].cases[0].isa->name, "wide");
}

TEST(Plan, AnAccuracyLeavesOutEveryLessAccurateClass) {
  Kernels kernels;
  kernels.all[0].accuracy = Accuracy::int8_activation;
  kernels.all[1].accuracy = Accuracy::f16_activation;
  const DeviceInfo device = imagined_device();
  Selection selection;
  for (const auto& [most, planned] : std::map<Accuracy, size_t>{{Accuracy::exact, 0},
                                                                {Accuracy::f16_activation, 1},
                                                                {Accuracy::bf16_activation, 1},
                                                                {Accuracy::int8_activation, 2}}) {
    selection.accuracy = most;
    const Plan plan = make_plan({kF16}, kernels.pointers, device, selection);
    EXPECT_EQ(plan.specs[0].cases.size(), planned) << accuracy_name(most);
    EXPECT_EQ(skipped(plan, "rowdot/r1", fmt::format("accuracy: int8_activation, asked for {}", accuracy_name(most))),
              planned < 2);
  }
}

TEST(Plan, WhatIsDisabledOnAnotherKindOfProcessorIsPlannedHere) {
  Kernels kernels;
  kernels.all[0].disabled = {{"slow", {"Zen 4"}}};
  DeviceInfo device = imagined_device();
  device.kind = "Zen 4";
  EXPECT_EQ(skipped(make_plan({kF16}, kernels.pointers, device, {}), "rowdot/r1", "disabled: seen on Zen 4: slow"), 1);
  device.kind = "Zen 3";
  EXPECT_EQ(ids(make_plan({kF16}, kernels.pointers, device, {}).specs[0]).count("rowdot/r1"), 1u);
}

TEST(Plan, AVariantThatThisProcessorCannotRunIsNotCalledDisabled) {
  Kernels kernels;
  kernels.all[0].disabled = {{"slow", {}}};
  kernels.all[0].isa = {"widest"};
  const DeviceInfo device = imagined_device();
  EXPECT_EQ(skipped(make_plan({kF16}, kernels.pointers, device, {}), "rowdot/r1",
                    "unsupported: needs widest; this processor has wider"),
            1);
}

TEST(Plan, MoreThanTheDevicesMemoryIsADeviceLimitThatSaysHowMuchOfHowMuch) {
  const Kernels kernels;
  DeviceInfo device = imagined_device();
  const int64_t weights = kF16.weight_bytes();
  device.memory_bytes = weights - (1 << 20);
  const Plan plan = make_plan({kF16, kF16Small}, kernels.pointers, device, {});
  for (const PlannedCase& c : plan.specs[0].cases) EXPECT_EQ(c.over_limit, "needs 16 MB of memory, cpu:0 has 15 MB");
  EXPECT_EQ(plan.cases(), 4) << "it is a case with an outcome, no skip";
  for (const PlannedCase& c : plan.specs[1].cases) EXPECT_EQ(c.over_limit, "");
}

TEST(Plan, RepackedWeightsCountAgainstTheMemory) {
  Kernels kernels;
  kernels.all[1].prepares = true;
  DeviceInfo device = imagined_device();
  device.memory_bytes = kF16.weight_bytes() * 2;
  const Plan plan = make_plan({kF16}, kernels.pointers, device, {});
  ASSERT_EQ(plan.specs[0].cases.size(), 2u);
  EXPECT_EQ(plan.specs[0].cases[0].over_limit, "");
  EXPECT_NE(plan.specs[0].cases[1].over_limit, "");
}

TEST(Plan, OtherDtypesKeepTheShapeAndTakeTheTypesThatGoWithThem) {
  const std::vector<Spec> f32 = with_dtype({kF16, kF16Small}, "f32");
  ASSERT_EQ(f32.size(), 2u);
  for (const Spec& spec : f32)
    EXPECT_TRUE(matmul_of(spec).a == Dtype::f32 && matmul_of(spec).b == Dtype::f32 && matmul_of(spec).d == Dtype::f32);
  EXPECT_EQ(matmul_of(f32[0]).n, matmul_of(kF16).n);
  EXPECT_EQ(parse_spec(f32[0].line()).math_line(), f32[0].math_line());
  const std::vector<Spec> q8 = with_dtype({kF16, kBias}, "q8_0");
  ASSERT_EQ(q8.size(), 1u) << "q8_0 weights lie n×k, the bias spec's do not";
  EXPECT_TRUE(matmul_of(q8[0]).a == Dtype::f16 && matmul_of(q8[0]).b == Dtype::q8_0 &&
              matmul_of(q8[0]).d == Dtype::f16);
  const std::vector<Spec> in_f32 = with_dtype({kF16}, "f32:q4_0");
  EXPECT_TRUE(matmul_of(in_f32.at(0)).a == Dtype::f32 && matmul_of(in_f32.at(0)).b == Dtype::q4_0 &&
              matmul_of(in_f32.at(0)).d == Dtype::f32);
  EXPECT_EQ(with_dtype({kF16, kF16}, "bf16").size(), 1u);
  EXPECT_EQ(with_dtype({spec_of("n=8 | k=48 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16")}, "q8_0").size(), 0u)
      << "48 is no whole block";
}

TEST(Plan, AnUnknownDtypeIsAnErrorWithTheNames) {
  try {
    with_dtype({kF16}, "fp16");
    FAIL() << "fp16 was taken";
  } catch (const Error& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("--dtype fp16"), std::string::npos) << message;
    EXPECT_NE(message.find("q8_0"), std::string::npos) << message;
    EXPECT_NE(message.find("did you mean"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace assay

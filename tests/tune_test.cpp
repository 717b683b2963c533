// Laws of tuning: what is tried first, what is chosen, what a table then says, and what a turn of runs proves.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/terminal.h"
#include "gguf_models.h"
#include "model/gguf.h"
#include "spec/completion.h"
#include "stats/middle_half.h"
#include "tune/alone_times.h"
#include "tune/table_section.h"
#include "tune/trial_order.h"
#include "tune/tune_state.h"
#include "tune/tune_text.h"

namespace assay {
namespace {

Spec spec_of(const std::string& m, const std::string& n = "64") {
  return parse_spec("op=matmul | batch=1 | m=" + m + " | n=" + n +
                    " | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f16 | dtD=f32");
}

Variant variant(const std::string& family, const std::string& storage = "", Accuracy accuracy = Accuracy::exact) {
  Variant v;
  v.family = family, v.name = "x", v.backend = "cpu";
  v.supports.op = {"matmul"};
  v.storage = storage;
  v.prepares = !storage.empty();
  v.accuracy = accuracy;
  return v;
}

/// Kernels of a machine that nobody has: two that read weights as they lie, two of one storage, a plain loop; dots
/// compute prompts, too.
struct Kernels {
  Kernels() {
    all = {variant("gemv"),         variant("gemv2"),
           variant("tiles", "t16"), variant("tiles_gemm", "t16"),
           variant("loop"),         variant("rounded", "", Accuracy::int8_activation),
           variant("dots")};
    all[0].supports.sizes["m"].range = all[1].supports.sizes["m"].range = {1, 1};
    all[4].baseline = true;
    for (const Variant& v : all) pointers.push_back(&v);
    device.id = "cpu:0", device.backend = "cpu";
    device.isa = {{"generic", {}}};
  }
  const Variant* operator[](const std::string& family) const {
    for (const Variant& v : all)
      if (v.family == family) return &v;
    return nullptr;
  }
  std::vector<Variant> all;
  std::vector<const Variant*> pointers;
  DeviceInfo device;
};

CaseRecord record(const std::string& family, double us, Accuracy accuracy = Accuracy::exact) {
  CaseRecord r;
  r.variant = family + "/x";
  r.key = "key of " + family;
  r.accuracy = accuracy;
  for (int i = 0; i < 20; ++i) r.device_us.push_back(us * (0.99 + 0.001 * (i * 7 % 20)));
  r.disturbed.assign(20, 0);
  return r;
}

RankedSpec ranked(const std::string& m, std::vector<CaseRecord> records) {
  return rank_spec(spec_of(m), std::move(records), {}, {});
}

class tuning : public testing::Test {
 protected:
  TunedOp tuned(const std::string& decode, const std::string& prompt) const {
    TunedOp t;
    t.op = {spec_of("1"), spec_of("64"), true, "attn_out", 24};
    t.before = {kernels[decode], kernels[prompt]};
    return t;
  }
  PairOptions options() const { return {kernels.pointers, &kernels.device, Accuracy::exact, 4, 64}; }
  Kernels kernels;
};

TEST_F(tuning, takes_the_fastest_whose_storage_has_a_kernel_for_prompts) {
  TunedOp t = tuned("tiles", "tiles_gemm");
  choose_kernels(t, ranked("1", {record("tiles", 20), record("gemv", 10), record("loop", 90)}), {}, options());
  EXPECT_FALSE(t.is_changed()) << "nothing but a plain loop computes prompts from weights as they lie";
  t = tuned("tiles", "tiles_gemm");
  choose_kernels(t, ranked("1", {record("tiles", 20), record("dots", 5)}), {}, options());
  EXPECT_FALSE(t.is_changed()) << "it computes prompts, but how fast was not measured";
  t = tuned("loop", "loop");
  choose_kernels(t, ranked("1", {record("tiles", 20), record("gemv", 10), record("loop", 90)}), {}, options());
  EXPECT_EQ(t.after.decode, kernels["gemv"]) << "prompts were as slow before";
  EXPECT_EQ(t.after_us, summarize(record("gemv", 10).device_us).median);
  EXPECT_EQ(t.result, "key of gemv");
  EXPECT_GT(t.margin_percent, 90);
}

TEST_F(tuning, keeps_the_default_where_it_ties) {
  TunedOp t = tuned("gemv2", "loop");
  choose_kernels(t, ranked("1", {record("gemv2", 10.05), record("gemv", 10)}), {}, options());
  EXPECT_FALSE(t.is_changed());
  EXPECT_EQ(t.ties, std::vector<std::string>{"gemv/x"});
  EXPECT_EQ(t.result, "key of gemv2");
}

TEST_F(tuning, leaves_out_less_accurate_classes) {
  TunedOp t = tuned("gemv", "loop");
  const RankedSpec both = ranked("1", {record("gemv", 10), record("rounded", 5, Accuracy::int8_activation)});
  choose_kernels(t, both, {}, options());
  EXPECT_EQ(t.after.decode, kernels["gemv"]);
  PairOptions loose = options();
  loose.accuracy = Accuracy::int8_activation;
  choose_kernels(t, both, {}, loose);
  EXPECT_EQ(t.after.decode, kernels["rounded"]);
}

TEST_F(tuning, chooses_both_kernels_of_a_weight_together_where_prompts_were_measured) {
  TunedOp t = tuned("gemv", "loop");
  const RankedSpec decode = ranked("1", {record("gemv", 10), record("tiles", 11)});
  const RankedSpec prompt = ranked("64", {record("loop", 64'000), record("tiles_gemm", 640)});
  choose_kernels(t, decode, prompt, options());
  EXPECT_EQ(t.after.decode, kernels["tiles"]);
  EXPECT_EQ(t.after.prompt, kernels["tiles_gemm"]);
  PairOptions no_prompts = options();
  no_prompts.mix = 0;
  choose_kernels(t, decode, prompt, no_prompts);
  EXPECT_EQ(t.after.decode, kernels["gemv"]);
}

TEST_F(tuning, keeps_the_default_where_nothing_is_proved) {
  TunedOp t = tuned("gemv", "loop");
  CaseRecord wrong = record("gemv2", 1);
  wrong.outcome = Outcome::wrong;
  choose_kernels(t, ranked("1", {wrong}), {}, options());
  EXPECT_FALSE(t.is_changed());
  EXPECT_EQ(t.after_us, 0);
}

TEST_F(tuning, writes_a_section_that_can_be_read_with_its_defaults_behind) {
  TableDevice defaults;
  defaults.backend = "cpu";
  defaults.entries.push_back(
      {SpecBucket("op=matmul | dtB=f16", "t"), "gemv/x", "", Accuracy::exact, {"loop/x"}, {}, ""});
  defaults.entries.push_back({SpecBucket("op=matmul", "t"), "loop/x", "", Accuracy::exact, {}, {}, ""});
  TableDevice earlier;
  const auto old = [](const std::string& bucket, const std::string& source) {
    return TableEntry{SpecBucket(bucket, "t"), "gemv2/x", "", Accuracy::exact, {}, {}, source};
  };
  earlier.entries = {old("op=matmul | m=1 | n=64 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f16", "s"),
                     old("op=matmul | m=1 | n=4096 | k=64", "s"), old("op=matmul | dtB=bf16", "")};
  SectionRequest request{
      {{"model", "X"}, {kThreadsUsed, "2"}}, 9, &defaults, &earlier, [](const Variant&) { return "s"; }};
  TunedOp t = tuned("gemv", "loop");
  choose_kernels(t, ranked("1", {record("gemv", 20), record("tiles", 10)}), {}, options());
  ASSERT_EQ(t.after.decode, kernels["tiles"]);
  const DispatchTable table = parse_table(table_text(table_of(make_section({t}, request), "test", "t.json")), "t.json");
  const auto& entries = table.devices.at(0).entries;
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].variant, "tiles/x");
  EXPECT_EQ(entries[0].storage, "t16");
  EXPECT_EQ(entries[0].fallback, (std::vector<std::string>{"gemv/x", "loop/x"}));
  EXPECT_EQ(entries[0].evidence.result, "key of tiles");
  EXPECT_EQ(entries[0].source, "s");
  EXPECT_TRUE(entries[1].bucket.matches(spec_of("64").math)) << entries[1].bucket.line();
  EXPECT_EQ(entries[2].bucket.line(), "op=matmul | k=64 | m=1 | n=4096") << "of another model, measured earlier";
  EXPECT_EQ(entries[3].variant, "gemv/x");
  EXPECT_EQ(entries[4].variant, "loop/x");
}

TEST(trial_order, begins_with_the_default_then_with_what_was_fast_anywhere) {
  Kernels kernels;
  kernels.all[1].disabled = {{"slow on its author's machine", {}}};
  PlannedSpec planned{spec_of("1"), {}};
  for (const char* family : {"gemv", "gemv2", "tiles", "loop"}) planned.cases.push_back({kernels[family], nullptr, ""});
  const auto families = [&](const std::vector<PastTime>& past) {
    std::vector<std::string> order;
    for (const size_t i : trial_order(planned, "loop/x", past, "")) order.push_back(planned.cases[i].variant->family);
    return order;
  };
  EXPECT_EQ(families({}), (std::vector<std::string>{"loop", "gemv", "tiles", "gemv2"}));
  const std::string line = spec_of("1").math_line(), kin = spec_of("1", "128").math_line();
  EXPECT_EQ(families({{"host a", line, "gemv/x", 30}, {"host a", line, "gemv2/x", 10}, {"host b", kin, "tiles/x", 1}}),
            (std::vector<std::string>{"loop", "gemv2", "tiles", "gemv"}));
}

TEST(turn_ratio, is_of_pairs_so_that_drift_hits_both_alike) {
  std::vector<double> before, after;
  for (int i = 0; i < 12; ++i) before.push_back(10 + 5 * i), after.push_back(0.9 * (10 + 5 * i));
  const TurnRatio ratio = turn_ratio(before, after);
  EXPECT_NEAR(ratio.median, 0.9, 1e-9);
  EXPECT_NEAR(ratio.high, 0.9, 1e-9);
  EXPECT_EQ(ratio.turns, 12u);
}

TEST_F(tuning, names_what_only_a_plain_loop_supports) {
  TuneResult result;
  result.step = {tuned("loop", "loop"), tuned("loop", "loop"), tuned("gemv", "loop")};
  choose_kernels(result.step[0], ranked("1", {record("loop", 90)}), {}, options());
  choose_kernels(result.step[1], ranked("1", {record("loop", 90), record("gemv", 95)}), {}, options());
  choose_kernels(result.step[2], ranked("1", {record("gemv", 9)}), {}, options());
  const std::string text = choice_text(result, 128, false), begin = "Plain loops alone compute these here";
  ASSERT_NE(text.find(begin), std::string::npos) << text;
  EXPECT_EQ(text.find("attn_out", text.find(begin)), text.rfind("attn_out")) << "one of the three\n" << text;
  result.step.erase(result.step.begin());
  EXPECT_EQ(choice_text(result, 128, false).find(begin), std::string::npos);
}

TEST_F(tuning, its_report_fits_the_terminal) {
  TuneResult result;
  result.step = {tuned("loop", "loop"), tuned("gemv", "loop")};
  choose_kernels(result.step[0], ranked("1", {record("loop", 90)}), {}, options());
  choose_kernels(result.step[1], ranked("1", {record("gemv", 9)}), {}, options());
  for (TunedOp& t : result.step)
    t.in_context_us = 10, t.after_us = 9, t.taken_back = "it was slower in the model's run";
  result.turns.before = result.turns.after = {1, 2, 3, 4, 5};
  for (const size_t width : {60u, 80u})
    for (const std::string& text : {choice_text(result, 128, false, width), proof_text(result, 128, false, width)})
      for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const std::string line = text.substr(at, text.find('\n', at) - at);
        EXPECT_LE(display_width(line), width) << line;
      }
}

TEST_F(tuning, one_disturbed_run_does_not_hide_what_the_others_say) {
  TuneResult result;
  result.turns.before = result.turns.after = {0.040, 0.041, 0.042, 0.043, 0.044};
  result.turns.predicted_before = result.turns.predicted_after = {0.038, 0.039, 0.040, 0.041, 26.909};
  const std::string text = proof_text(result, 128, false);
  EXPECT_NE(text.find("Achieved at depth 128, 5 runs in turns: 0.042 (half of the runs 0.041 to 0.043) ms per token; "
                      "predicted before each run: 0.040 (half of the runs 0.039 to 0.041). A run took 5.0 % more than "
                      "predicted before it (median; half of the runs +4.9 to +5.1 %)"),
            std::string::npos)
      << text;
}

TEST(alone_samples, add_up_to_the_rounds_of_the_middle_half) {
  AloneSamples samples;
  samples.calls = {24, 1};
  samples.us = {{10, 11, 12, 90, 10, 11, 12, 1}, {500, 520, 540, 500, 520, 540, 500, 520}};
  samples.between_us = {70, 71, 72, 73, 70, 71, 72, 73};
  EXPECT_EQ(samples.step_ms().size(), 8u);
  EXPECT_NEAR(samples.step_ms()[3], 24 * 0.09 + 0.5 + 0.073, 1e-12) << "slow calls of one op are in its round";
  const double sum_ms = (24 * samples.us_of(0) + samples.us_of(1)) * 1e-3 + samples.between_ms();
  EXPECT_NEAR(sum_ms, step_time(samples.step_ms()).mean, 1e-12);
  EXPECT_LT(samples.us_of(0), 13) << "a round that was disturbed counts as little as the fastest";
  EXPECT_GT(samples.us_of(0), 10);
}

TEST(tune_state, goes_on_where_it_was_interrupted) {
  Store store;
  {
    TuneState state(store, "question");
    EXPECT_FALSE(state.searched());
    state.search_ended(60);
    state.predicted("new", 27);
    state.add_run("new", {28, 0, {{"op=swiglu", "swiglu/x", 3.5}}, 0.2, {3.25}, 0.1, 27});
  }
  TuneState again(store, "question"), other(store, "another");
  EXPECT_TRUE(again.searched());
  EXPECT_EQ(again.budget_s(), 60);
  ASSERT_EQ(again.runs("new").size(), 1u);
  EXPECT_EQ(again.runs("new")[0].ops.at(0).us, 3.5);
  EXPECT_EQ(again.runs("new")[0].alone_us.at(0), 3.25);
  EXPECT_EQ(again.runs("new")[0].predicted_ms, 27);
  EXPECT_EQ(again.runs("new")[0].between_ms, 0.2);
  EXPECT_EQ(again.runs("new")[0].alone_between_ms, 0.1);
  EXPECT_TRUE(again.runs("old").empty());
  EXPECT_FALSE(again.finished());
  EXPECT_FALSE(other.searched());
  TuneResult result;
  result.text = "done\n";
  result.section.backend = "cpu";
  result.section.entries.push_back({SpecBucket("op=matmul", "t"), "loop/x", "", Accuracy::exact, {}, {}, ""});
  again.finish(result);
  const auto finished = TuneState(store, "question").finished();
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->text, "done\n");
  EXPECT_EQ(finished->section.entries.at(0).variant, "loop/x");
}

TEST(engine_step, lists_each_op_once_with_its_calls_and_what_prompts_need) {
  const std::filesystem::path file =
      std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no ../shared/data/models here";
  const Gguf model(file);
  const ModelConfig config = read_model_config(model);
  const EngineStep whole = engine_step(model, config, {100, 64, Dtype::f32});
  const std::vector<StepOp>& step = whole.ops;
  std::vector<int64_t> launched(step.size(), 0);
  for (const StepLaunch& launch : whole.launches) ++launched.at(launch.op);
  for (size_t i = 0; i < step.size(); ++i) EXPECT_EQ(launched[i], step[i].calls) << step[i].role;
  int64_t heads = 0, attentions = 0;
  for (const StepOp& op : step) {
    EXPECT_EQ(*find_field(op.spec.math, "m"), "1") << op.spec.line();
    if (op.role == "generation_step_output") {
      ++heads;
      ASSERT_TRUE(op.prompt);
      EXPECT_FALSE(op.prompt_runs) << "of a prompt's piece the head sees one token";
      EXPECT_EQ(*find_field(op.prompt->math, "m"), "64");
    }
    if (op.role == "sdpa") {
      ++attentions;
      EXPECT_EQ(op.calls, config.layers);
      EXPECT_EQ(*find_field(op.spec.math, "length"), "100");
      EXPECT_EQ(*find_field(op.spec.math, "capacity"), "256");
    }
    const SpecBucket bucket(bucket_of(op.spec, "1"), "test");
    EXPECT_TRUE(bucket.matches(op.spec.math));
  }
  TableDevice nothing;
  nothing.backend = "cpu";
  const Variant plain = variant("plain");
  std::vector<TunedOp> tuned;
  for (const StepOp& op : step) {
    tuned.emplace_back();
    tuned.back().op = op;
    tuned.back().before = tuned.back().after = {&plain, &plain};
  }
  const TableDevice section = make_section(tuned, {{}, 0, &nothing, nullptr, {}});
  for (const StepOp& op : step)
    EXPECT_EQ(find_entry(section, op.spec.math)->bucket.line(), SpecBucket(bucket_of(op.spec, "1"), "test").line());
  EXPECT_EQ(heads, 1);
  EXPECT_EQ(attentions, 1);
}

}  // namespace
}  // namespace assay

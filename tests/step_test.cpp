// A model's step as data: the shapes of each architecture, types tensor by tensor, folds, and the file that probe
// reads.
#include "model/step.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "assay_program.h"
#include "base/error.h"
#include "base/file.h"
#include "gguf_models.h"
#include "refusals.h"
#include "spec/workload.h"

namespace assay {
namespace {

/// Bytes that live as long as the file that reads them.
struct Model {
  explicit Model(const std::string& text) : bytes(text), file(bytes, "small.gguf"), config(read_model_config(file)) {
    check_model_tensors(file, config);
  }
  std::vector<StepEntry> step(const StepRequest& request = {}) const { return model_step(file, config, request); }
  std::string bytes;
  Gguf file;
  ModelConfig config;
};

Model model(const std::string& architecture, TensorType type = TensorType::q8_0) {
  return Model(small_model(small_config(architecture), type));
}

std::vector<std::string> ops(const std::vector<StepEntry>& step, int64_t layer) {
  std::vector<std::string> names;
  for (const StepEntry& entry : step)
    if (entry.layer == layer) names.push_back(entry.op);
  return names;
}

const StepEntry& entry_of(const std::vector<StepEntry>& step, const std::string& tensor, size_t nth = 0) {
  for (const StepEntry& entry : step)
    if (std::count(entry.tensors.begin(), entry.tensors.end(), tensor) > 0 && nth-- == 0) return entry;
  throw Error("no entry of " + tensor);
}

std::string product_line(const std::string& sizes, const std::string& type = "q8_0") {
  return fmt::format("op=matmul | batch=1 | {} | tA=0 | tB=1 | dtA=f16 | dtB={} | dtD=f16", sizes, type);
}

/// With the residual as its epilogue.
std::string residual_line(const std::string& sizes) {
  std::string line = product_line(sizes) + " | residual=1";
  return line.replace(0, sizeof("op=matmul") - 1, "op=matmul_residual");
}

using Names = std::vector<std::string>;

TEST(step, a_layer_of_llama_is_every_op_in_the_order_of_a_forward_pass) {
  const std::vector<StepEntry> step = model("llama").step({1, 128, Dtype::f16});
  const Names layer{"rms_norm",        "matmul",   "rope",          "attention",
                    "matmul_residual", "rms_norm", "matmul_swiglu", "matmul_residual"};
  EXPECT_EQ(ops(step, 0), layer);
  EXPECT_EQ(ops(step, 1), layer);
  EXPECT_EQ(ops(step, -1), (Names{"embedding", "rms_norm", "matmul", "argmax"}));
  EXPECT_EQ(step.front().op, "embedding");
  EXPECT_EQ(step.back().op, "argmax");
}

TEST(step, without_a_context_attention_is_left_out) {
  const Names names = ops(model("llama").step(), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), "attention"), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), "rope"), 1);
}

TEST(step, products_have_the_sizes_of_their_tensors) {
  const std::vector<StepEntry> step = model("llama").step();
  EXPECT_EQ(
      entry_of(step, "blk.1.attn_q.weight").line,
      "op=matmul | batch=1 | m=1 | n=? | k=64 | tA=? | tB=? | nq=64 | nk=32 | nv=32 | dtA=f16 | dtB=q8_0 | dtD=f16");
  EXPECT_EQ(entry_of(step, "blk.1.attn_q.weight").tensors,
            (Names{"blk.1.attn_q.weight", "blk.1.attn_k.weight", "blk.1.attn_v.weight"}));
  EXPECT_EQ(entry_of(step, "blk.1.attn_output.weight").line, residual_line("m=1 | n=64 | k=64"));
  EXPECT_EQ(entry_of(step, "blk.1.ffn_gate.weight").line,
            "op=matmul_swiglu | m=1 | n=128 | k=64 | dtA=f16 | dtB=q8_0 | dtD=f16");
  EXPECT_EQ(entry_of(step, "blk.1.ffn_gate.weight").tensors, (Names{"blk.1.ffn_gate.weight", "blk.1.ffn_up.weight"}));
  EXPECT_EQ(entry_of(step, "blk.1.ffn_down.weight").line, residual_line("m=1 | n=64 | k=128"));
  EXPECT_EQ(entry_of(step, "blk.1.ffn_down.weight").layer, 1);
  EXPECT_EQ(entry_of(step, "blk.1.ffn_down.weight").bytes, 64 * 128 / 32 * 34);
}

TEST(step, qwen2_adds_a_bias_to_q_k_and_v_alone) {
  const std::vector<StepEntry> step = model("qwen2").step();
  const StepEntry& qkv = entry_of(step, "blk.0.attn_q.weight");
  EXPECT_EQ(
      qkv.line,
      "op=matmul_bias_add | batch=1 | m=1 | n=? | k=64 | tA=? | tB=? | nq=64 | nk=32 | nv=32 | dtA=f16 | dtB=q8_0 | "
      "dtD=f16 | bias=1");
  ASSERT_TRUE(qkv.spec);
  EXPECT_EQ(qkv.bytes, 128 * 64 / 32 * 34 + 128 * 4) << "as they are in the file";
  EXPECT_EQ(entry_of(step, "blk.0.attn_output.weight").op, "matmul_residual");
}

TEST(step, qwen3_norms_q_and_k_head_by_head_and_has_heads_of_a_size_of_their_own) {
  const std::vector<StepEntry> step = model("qwen3").step({3, 0, Dtype::f32});
  EXPECT_EQ(entry_of(step, "blk.0.attn_q_norm.weight").line,
            "op=rms_norm | m=12 | n=32 | dtA=f32 | dtB=f32 | dtD=f32 | eps=1e-06");
  EXPECT_EQ(entry_of(step, "blk.0.attn_k_norm.weight").line,
            "op=rms_norm | m=6 | n=32 | dtA=f32 | dtB=f32 | dtD=f32 | eps=1e-06");
  const StepEntry &q = entry_of(step, "blk.0.attn_q.weight"), &o = entry_of(step, "blk.0.attn_output.weight");
  EXPECT_EQ(q.spec->segments[0].n, 4 * 32);
  EXPECT_EQ(q.spec->size("m"), 3);
  EXPECT_EQ(o.spec->size("k"), 4 * 32);
  EXPECT_EQ(o.spec->size("n"), 64);
}

TEST(step, the_output_is_the_embedding_where_they_are_tied_and_its_own_weight_where_not) {
  ModelConfig config = small_config("llama");
  const std::vector<StepEntry> tied = Model(small_model(config)).step();
  EXPECT_EQ(entry_of(tied, "token_embd.weight", 0).op, "embedding");
  EXPECT_EQ(entry_of(tied, "token_embd.weight", 1).line, product_line("m=1 | n=96 | k=64"));
  config.tied_output = false;
  const std::vector<StepEntry> untied = Model(small_model(config)).step();
  EXPECT_EQ(entry_of(untied, "output.weight").line, product_line("m=1 | n=96 | k=64"));
  EXPECT_THROW(entry_of(untied, "token_embd.weight", 1), Error);
}

TEST(step, attention_reads_what_its_heads_share_once) {
  const std::vector<StepEntry> step = model("llama").step({1, 200, Dtype::f32});
  const StepEntry &rope = entry_of(step, "blk.0.k_cache"), &attention = entry_of(step, "blk.0.k_cache", 1);
  EXPECT_EQ(rope.op, "rope");
  EXPECT_EQ(
      attention.line,
      "op=attention | m=1 | heads=4 | kv_heads=2 | head_size=16 | length=200 | capacity=200 | dtA=f32 | dtCache=f16 "
      "| dtD=f32 | scale=0.25");
  EXPECT_EQ(attention.tensors, (Names{"blk.0.k_cache", "blk.0.v_cache"}));
  EXPECT_LE(attention.bytes, 2 * 2 * 200 * 2 * 16) << "two heads of K and V, whatever the number of queries";
  EXPECT_GE(attention.bytes, 2 * 2 * (200 - 200 / 64) * 2 * 16);
  EXPECT_EQ(rope.bytes, 2 * 2 * 2 * 16) << "a row of each";
}

TEST(step, a_context_that_does_not_hold_the_chunk_is_an_error) {
  EXPECT_THROW(model("llama").step({8, 4, Dtype::f16}), Error);
}

TEST(step, each_tensor_has_its_own_type) {
  const ModelConfig config = small_config("llama");
  GgufBytes bytes = small_keys(config);
  for (const ModelTensor& tensor : model_tensors(config)) {
    const bool is_weight = tensor.use == WeightUse::matmul || tensor.use == WeightUse::embedding;
    TensorType type = is_weight ? TensorType::q8_0 : TensorType::f32;
    if (tensor.name == "blk.0.attn_q.weight") type = TensorType::q4_0;
    if (tensor.name == "blk.1.attn_q.weight") type = TensorType::bf16;
    bytes.tensor(tensor.name, {tensor.dims.begin(), tensor.dims.end()}, type);
  }
  const std::vector<StepEntry> step = Model(bytes.bytes()).step();
  const StepEntry& q4 = entry_of(step, "blk.0.attn_q.weight");
  EXPECT_EQ(q4.line, product_line("m=1 | n=64 | k=64", "q4_0")) << "K and V are of another type";
  EXPECT_EQ(q4.spec->dtype(Operand::b), Dtype::q4_0);
  EXPECT_EQ(entry_of(step, "blk.1.attn_q.weight").spec->dtype(Operand::b), Dtype::bf16);
  EXPECT_EQ(entry_of(step, "blk.0.attn_k.weight").spec->dtype(Operand::b), Dtype::q8_0);
}

TEST(step, every_entry_is_a_spec_or_says_why_not) {
  for (const std::string architecture : {"llama", "qwen2", "qwen3"})
    for (const StepEntry& entry : model(architecture).step({4, 64, Dtype::f16})) {
      EXPECT_EQ(entry.spec.has_value(), entry.not_yet.empty()) << entry.line;
      if (entry.spec) {
        EXPECT_EQ(entry.spec->line(), entry.line);
      }
    }
}

TEST(step, its_bytes_are_those_that_inspect_counts) {
  for (const std::string architecture : {"llama", "qwen2", "qwen3"}) {
    const Model small = model(architecture);
    int64_t bytes = 0;
    for (const StepEntry& entry : small.step())
      if (entry.op != "rope") bytes += entry.calls * entry.bytes;
    EXPECT_EQ(bytes, step_bytes(small.file, small.config).total()) << architecture;
  }
}

TEST(step_folds, equal_lines_are_one_with_their_tensors_folded_by_block) {
  const std::vector<StepFold> folds = fold_step(model("llama").step());
  const auto square = std::find_if(folds.begin(), folds.end(), [](const StepFold& fold) {
    return fold.first.line == residual_line("m=1 | n=64 | k=64");
  });
  ASSERT_NE(square, folds.end());
  EXPECT_EQ(square->calls, 2);
  EXPECT_EQ(square->bytes, 2 * 64 * 64 / 32 * 34);
  EXPECT_EQ(square->tensors, (Names{"blk.0-1.attn_output.weight"}));
}

TEST(step_workload, loads_again_with_every_measurable_spec_and_its_calls_per_token) {
  for (const int64_t tokens : {1, 8}) {
    const StepRequest request{tokens, 128, Dtype::f16};
    const std::vector<StepFold> folds = fold_step(model("qwen2").step(request));
    const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "step_test.json";
    write_file(file, step_workload({"small", "small.gguf"}, request, folds));
    const Workload workload = load_workload(file);
    std::filesystem::remove(file);
    EXPECT_EQ(workload.name, fmt::format("small-m{}-c128", tokens));
    EXPECT_TRUE(workload.quarantined.empty());
    size_t measurable = 0;
    for (const StepFold& fold : folds) {
      if (!fold.first.spec) continue;
      ASSERT_LT(measurable, workload.entries.size());
      const WorkloadEntry& entry = workload.entries[measurable++];
      EXPECT_EQ(entry.spec.line(), fold.first.line);
      EXPECT_DOUBLE_EQ(entry.calls_per_token, double(fold.calls) / double(tokens));
    }
    EXPECT_EQ(measurable, workload.entries.size());
  }
}

TEST(step_workload, says_what_it_leaves_out_and_of_how_many_bytes) {
  const Workload workload =
      parse_workload(step_workload({"small", "f"}, {}, fold_step(model("llama", TensorType::q4_0).step())), "f");
  EXPECT_TRUE(std::any_of(workload.entries.begin(), workload.entries.end(),
                          [](const WorkloadEntry& e) { return e.spec.dtype(Operand::b) == Dtype::q4_0; }));
  EXPECT_EQ(workload.description.find("not in it"), std::string::npos);
}

TEST(real_models, have_steps_of_the_bytes_that_inspect_counts) {
  const std::filesystem::path folder = std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/data/models";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no ../shared/data/models here";
  size_t tried = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    if (item.path().extension() != ".gguf") continue;
    const Gguf file(item.path());
    const ModelConfig config = read_model_config(file);
    int64_t bytes = 0;
    for (const StepEntry& entry : model_step(file, config, {}))
      if (entry.op != "rope") bytes += entry.calls * entry.bytes;
    EXPECT_EQ(bytes, step_bytes(file, config).total()) << item.path();
    ++tried;
  }
  EXPECT_GT(tried, 0u);
}

class step_cli : public testing::Test {
 protected:
  void SetUp() override { write_file(model_, small_model(small_config("qwen2"))); }
  Home home_;
  const fs::path model_ = home_.folder / "small.gguf", out_ = home_.folder / "out.json";
};

TEST_F(step_cli, specs_shows_a_row_a_distinct_spec_and_a_table_a_step) {
  const Ended ended = home_.run({"specs", model_, "--m", "1,8", "--context", "4,128"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  for (const std::string part : {"small-m1-c4: a decode step at a context of 4", "small-m1-c128", "small-m8-c128",
                                 "blk.0-1.attn_q.weight", "attention", "argmax"})
    EXPECT_TRUE(has(ended.out, part)) << part << "\n" << ended.out;
  EXPECT_FALSE(has(ended.out, "small-m8-c4")) << "a context of 4 holds no 8 tokens";
}

TEST_F(step_cli, specs_writes_a_workload_that_probe_reads) {
  EXPECT_EQ(home_.run({"specs", model_, "--m", "8", "--activations", "f32", "--out", out_}).exit_code, 0);
  EXPECT_EQ(load_workload(out_).name, "small-m8");
  const Ended plan = home_.run({"probe", "--specs", out_, "--workload", "small-m8", "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_TRUE(has(plan.out,
                  "Spec op=matmul_bias_add | batch=1 | m=8 | n=? | k=64 | tA=? | tB=? | nq=64 | nk=32 | nv=32 | "
                  "dtA=f32 | dtB=q8_0"))
      << plan.out;
}

TEST_F(step_cli, probe_plans_the_specs_of_a_model_alone_and_says_what_is_not_in_them) {
  const Ended plan = home_.run({"probe", "--model", model_, "--m", "1,512", "--context", "1024", "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_TRUE(has(plan.err, "small-m512-c1024: a chunk of 512 tokens")) << plan.err;
  for (const std::string part : {"Spec op=rms_norm | m=1 | n=64 | dtA=f16 | dtB=f32 | dtD=f16 | eps=1e-06:",
                                 "Spec op=attention | m=512 | heads=4", "Spec op=rope | m=1 |", "m=1 | n=96 | k=64"})
    EXPECT_TRUE(has(plan.out, part)) << part << "\n" << plan.out;
  EXPECT_FALSE(has(plan.out, "| k=896")) << "the shipped workloads were not asked for";
}

TEST_F(step_cli, a_plain_loop_of_seconds_is_skipped_with_its_estimate) {
  ModelConfig config = small_config("llama");
  config.vocabulary = 40'000;
  write_file(model_, small_model(config));
  const Ended plan = home_.run({"probe", "--model", model_, "--m", "8192", "--threads", "1", "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_TRUE(has(plan.out, "naive/loop: matmul skipped 1 (too_long: one launch takes about 11 s")) << plan.out;
}

TEST_F(step_cli, what_cannot_be_is_refused) {
  expect_refused(home_, {"specs", model_, "--m", "1,x"}, {"--m: 1,x", "whole numbers"});
  expect_refused(home_, {"specs", model_, "--m", "0"}, {"--m: 0"});
  expect_refused(home_, {"specs", model_, "--activations", "q8_0"}, {"--activations q8_0", "f16 or f32"});
  expect_refused(home_, {"specs", model_, "--m", "8", "--context", "4"}, {"--context", "holds the chunk"});
  expect_refused(home_, {"specs", model_, "--m", "1,8", "--out", out_}, {"--out", "one workload"});
  expect_refused(home_, {"specs", model_, "--out", model_}, {"small.gguf"});
  expect_refused(home_, {"probe", "--m", "8", "--dry-run"}, {"--m", "--model FILE"});
  expect_refused(home_, {"probe", "--model", home_.folder / "absent.gguf", "--dry-run"}, {"absent.gguf"});
}

}  // namespace
}  // namespace assay

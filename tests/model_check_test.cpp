// Laws of what the engine can run: what it would compute wrong is refused by inspect, with the key or the tensor.
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "gguf_models.h"
#include "model/inspection.h"
#include "refusals.h"
#include "text_lines.h"

namespace assay {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

GgufBytes whole(const ModelConfig& config) {
  GgufBytes file = small_keys(config);
  add_tensors(file, config);
  return file;
}
GgufBytes llama() { return whole(small_config("llama")); }

std::string why_not(const GgufBytes& parts) {
  const std::string bytes = parts.bytes();
  return inspect(Gguf(bytes, "m.gguf")).why_not;
}

void expect_why_not(const GgufBytes& parts, const std::vector<std::string>& words) {
  const std::string why = why_not(parts);
  for (const std::string& word : words) EXPECT_TRUE(contains(why, word)) << word << "\nis not in\n" << why;
}

GgufBytes with_factors(float first) {
  ModelConfig config = small_config("llama");
  config.rope.has_factors = true;
  GgufBytes file = whole(config);
  for (GgufBytes::Tensor& tensor : file.tensors)
    if (tensor.name == "rope_freqs.weight")
      for (uint64_t i = 0; i < tensor.dims[0]; ++i)
        file.data.replace(size_t(tensor.offset + 4 * i), 4, raw(i == 0 ? first : 2.0f));
  return file;
}

TEST(model_check, rules_of_scaling_name_their_keys) {
  for (const std::string rule : {"linear", "yarn", "longrope"})
    expect_why_not(
        llama().text("llama.rope.scaling.type", rule).f32("llama.rope.scaling.factor", 4),
        {"the rule \"" + rule + "\" and a factor of 4 (\"llama.rope.scaling.type\", \"llama.rope.scaling.factor\")",
         "take another model"});
}

TEST(model_check, a_factor_without_a_rule_is_a_linear_one) {
  expect_why_not(llama().f32("llama.rope.scaling.factor", 4),
                 {"the rule \"linear\" and a factor of 4 (\"llama.rope.sca"});
  expect_why_not(llama().f32("llama.rope.scale_linear", 4),
                 {"the rule \"linear\" and a factor of 4 (\"llama.rope.sca"});
  for (const float nothing : {0.0f, 1.0f}) {
    EXPECT_EQ(why_not(llama().f32("llama.rope.scaling.factor", nothing)), "");
    EXPECT_EQ(why_not(llama().f32("llama.rope.scale_linear", nothing)), "");
    EXPECT_EQ(why_not(llama().text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", nothing)), "");
  }
  EXPECT_EQ(why_not(llama().text("llama.rope.scaling.type", "none").f32("llama.rope.scaling.factor", 4)), "");
  const auto yarn = [](float factor) {
    return llama().text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", factor);
  };
  EXPECT_EQ(why_not(yarn(1)), "");
  EXPECT_EQ(why_not(yarn(1).u32("llama.rope.scaling.original_context_length", 0)), "");
  expect_why_not(yarn(4), {"rule \"yarn\"", "factor of 4"});
  expect_why_not(yarn(1).f32("llama.rope.scaling.yarn_attn_factor", 1.2f), {"rule \"yarn\""});
  expect_why_not(llama().f32("llama.rope.scaling.factor", -2), {"llama.rope.scaling.factor", "above 0"});
}

TEST(model_check, heads_whose_values_have_another_size_name_their_keys) {
  ModelConfig config = small_config("llama");
  config.key_size = 32;
  config.rope.dimensions = 32;
  expect_why_not(whole(config), {"\"llama.attention.key_length\" is 32 and \"llama.attention.value_length\" 16"});
}

TEST(model_check, a_base_beyond_floats_names_its_key) {
  for (const float base : {1e-30f, 3e38f})
    expect_why_not(llama().f32("llama.rope.freq_base", base), {"\"llama.rope.freq_base\" is", "1 to 1e+30", "convert"});
}

TEST(model_check, a_tensor_that_no_op_reads_is_named) {
  for (const std::string name : {"blk.5.foo.weight", "blk.0.ffn_up.bias", "blk.1.attn_q.bias"})
    expect_why_not(llama().tensor(name, {64}, TensorType::f32), {"holds tensor \"" + name + "\"", "another model"});
  EXPECT_EQ(why_not(llama().tensor("blk.0.attn_rot_embd", {8}, TensorType::f32)), "");
}

TEST(model_check, a_type_that_an_op_does_not_take_names_its_tensor) {
  GgufBytes file = llama();
  for (GgufBytes::Tensor& tensor : file.tensors)
    if (tensor.name == "output_norm.weight") tensor.type = uint32_t(TensorType::q8_0);
  expect_why_not(file, {"no op computes with \"output_norm.weight\"", "dtB=q8_0", "f32, f16 or bf16", "convert"});
}

TEST(model_check, factors_of_rope_are_numbers_to_divide_by) {
  EXPECT_EQ(why_not(with_factors(1)), "");
  EXPECT_EQ(why_not(with_factors(1e30f)), "") << "a pair that does not turn";
  for (const float factor : {0.0f, -1.0f, 1e-38f, kInfinity, std::numeric_limits<float>::quiet_NaN()})
    expect_why_not(with_factors(factor), {"\"rope_freqs.weight\" holds", "in column 0", "convert"});
}

TEST(model_check, keys_that_change_what_is_computed_are_refused_unless_they_say_nothing) {
  struct Case {
    std::string key;
    float changes;
    std::vector<float> nothing;
  };
  const Case cases[] = {{"logit_scale", 0.5f, {0, 1}},
                        {"embedding_scale", 12, {0, 1}},
                        {"residual_scale", 0.2f, {0, 1}},
                        {"attention.scale", 0.2f, {0, 0.25f}},
                        {"attention.clamp_kqv", 8, {0}},
                        {"attention.max_alibi_bias", 8, {0}},
                        {"attention.temperature_scale", 0.1f, {0}},
                        {"attn_logit_softcapping", 50, {0}},
                        {"final_logit_softcapping", 30, {0}},
                        {"rope.scaling.attn_factor", 1.2f, {1}}};
  for (const auto& [key, changes, nothing] : cases) {
    expect_why_not(llama().f32("llama." + key, changes), {"key \"llama." + key + "\" is", "changes nothing"});
    for (const float value : nothing) EXPECT_EQ(why_not(llama().f32("llama." + key, value)), "") << key << value;
  }
  const auto with_window = [] { return llama().u32("llama.attention.sliding_window", 64); };
  expect_why_not(with_window().f32("llama.rope.freq_base_swa", 5000), {"llama.rope.freq_base_swa", "changes nothing"});
  EXPECT_EQ(why_not(with_window().f32("llama.rope.freq_base_swa", 10000)), "");
  EXPECT_EQ(why_not(llama().f32("llama.rope.freq_base_swa", 5000)), "") << "of layers with a window, which it has not";
  for (const auto& [key, neutral] : {std::pair("attention.causal", true), {"use_parallel_residual", false}}) {
    const std::string name = std::string("llama.") + key;
    EXPECT_EQ(why_not(llama().add(name, GgufType::boolean, raw(neutral))), "");
    expect_why_not(llama().add(name, GgufType::boolean, raw(!neutral)), {"key \"" + name + "\" is", "supported"});
  }
  expect_why_not(llama().u32("llama.expert_count", 8), {"mixture of 8 experts"});
  expect_why_not(llama().u32("llama.expert_used_count", 2), {"llama.expert_used_count"});
  EXPECT_EQ(why_not(llama().u32("llama.expert_count", 0).u32("llama.expert_used_count", 0)), "");
}

TEST(model_check, an_unknown_key_of_the_architecture_is_told_and_not_refused) {
  const std::string bytes = llama().f32("llama.of_tomorrow", 1).f32("general.of_tomorrow", 1).bytes();
  const Inspection all = inspect(Gguf(bytes, "m.gguf"));
  EXPECT_EQ(all.why_not, "");
  EXPECT_EQ(all.unknown_keys, std::vector<std::string>{"llama.of_tomorrow"});
}

/// What llama.cpp's converters write of models that many have.
TEST(model_check, keys_of_usual_models_are_known) {
  const auto with = [](const std::string& architecture, const auto& add) {
    GgufBytes file = whole(small_config(architecture));
    add(file, architecture + ".");
    const std::string bytes = file.bytes();
    const Inspection all = inspect(Gguf(bytes, "m.gguf"));
    EXPECT_EQ(all.why_not, "");
    EXPECT_EQ(all.unknown_keys, std::vector<std::string>()) << architecture;
  };
  with("qwen2", [](GgufBytes& file, const std::string& of) {
    file.f32(of + "rope.freq_base", 1e6f).u32(of + "attention.sliding_window", 131072);
    file.add(of + "use_sliding_window", GgufType::boolean, raw(false));
  });
  with("qwen3", [](GgufBytes& file, const std::string& of) { file.f32(of + "rope.freq_base", 1e6f); });
  with("llama", [](GgufBytes& file, const std::string& of) {
    file.u32(of + "vocab_size", 96).u32(of + "rope.dimension_count", 16).f32(of + "rope.freq_base", 5e5f);
    file.u32(of + "attention.key_length", 16).u32(of + "attention.value_length", 16);
    file.u32(of + "attention.sliding_window", 4096).text(of + "tensor_data_layout", "Meta AI original pth");
    file.text(of + "rope.scaling.type", "none");
  });
}

TEST(model_check, a_model_without_an_embedding_says_so) {
  GgufBytes file = small_keys(small_config("llama"), {"tokenizer.ggml.tokens"});
  add_tensors(file, small_config("llama"));
  file.tensors[0].name = "token_embd.other";
  expect_why_not(file, {"has no tensor \"token_embd.weight\""});
}

TEST(model_check, the_window_bounds_the_context) {
  const auto config = [](GgufBytes file) {
    const std::string bytes = file.bytes();
    return read_model_config(Gguf(bytes, "m.gguf"));
  };
  EXPECT_EQ(config(llama()).most_positions(), 512);
  EXPECT_EQ(config(llama().u32("llama.attention.sliding_window", 100)).most_positions(), 100);
  EXPECT_EQ(config(llama().u32("llama.attention.sliding_window", 4096)).most_positions(), 512);
  EXPECT_EQ(config(llama().u32("llama.attention.sliding_window", 0)).most_positions(), 512);
  EXPECT_EQ(config(llama().add("llama.attention.sliding_window", GgufType::i32, raw(-1))).most_positions(), 512);
  EXPECT_EQ(config(llama()
                       .u32("llama.attention.sliding_window", 100)
                       .add("llama.use_sliding_window", GgufType::boolean, raw(false)))
                .most_positions(),
            512);
}

class model_check_cli : public testing::Test {
 protected:
  fs::path write(const GgufBytes& file) const {
    write_file(home.folder / "m.gguf", file.bytes());
    return home.folder / "m.gguf";
  }
  Home home;
};

TEST_F(model_check_cli, all_that_use_a_model_refuse_it_for_the_reason_that_inspect_gives) {
  const fs::path model = write(llama().tensor("blk.0.ffn_up.bias", {128}, TensorType::f32));
  const Ended inspected = home.run({"inspect", model});
  EXPECT_EQ(inspected.exit_code, 0);
  EXPECT_TRUE(has(inspected.out, "no: holds tensor \"blk.0.ffn_up.bias\"")) << inspected.out;
  const std::vector<std::string> reason{"m.gguf: holds tensor \"blk.0.ffn_up.bias\""};
  for (const Arguments& use : {Arguments{"specs", model}, {"probe", "--dry-run", "--model", model}, {"replay", model}})
    expect_refused(home, use, reason);
  expect_refused(home, {"logits", model, "--tokens", "1 2", "--out", home.folder / "l.f32"}, reason);
}

TEST_F(model_check_cli, a_context_beyond_the_window_is_refused) {
  GgufBytes file = llama().u32("llama.attention.sliding_window", 3);
  file.data.assign(file.data.size(), '\0');
  const fs::path model = write(file);
  const auto logits = [&](const std::string& tokens, const std::string& context) {
    return Arguments{"logits", model, "--tokens", tokens, "--out", home.folder / "l.f32", "--context", context};
  };
  const Ended fits = home.run(logits("1 2 3", "3"));
  EXPECT_EQ(fits.exit_code, 0) << fits.err;
  expect_refused(home, logits("1 2 3 4", "4"), {"--context 4", "llama.attention.sliding_window", "give 3 or less"});
  expect_refused(home, {"logits", model, "--tokens", "1 2 3 4", "--out", home.folder / "l.f32"},
                 {"4 tokens more", "sees the last 3 tokens alone (key \"llama.attention.sliding_window\")"});
}

TEST_F(model_check_cli, infinite_logits_are_no_result) {
  ModelConfig config = small_config("llama");
  config.tied_output = false;
  GgufBytes file = small_keys(config);
  add_tensors(file, config, TensorType::f32);
  file.data.assign(file.data.size(), '\0');
  for (const GgufBytes::Tensor& tensor : file.tensors)
    if (const float value = tensor.name == "output.weight"                                              ? 3e38f
                            : tensor.name == "output_norm.weight" || tensor.name == "token_embd.weight" ? 1.0f
                                                                                                        : 0.0f)
      for (uint64_t i = 0; i < tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1); ++i)
        file.data.replace(size_t(tensor.offset + 4 * i), 4, raw(value));
  const fs::path model = write(file);
  expect_refused(home, {"logits", model, "--tokens", "1 2", "--out", home.folder / "l.f32"},
                 {"its logits are infinite", "sums overflowed"});
  EXPECT_FALSE(fs::exists(home.folder / "l.f32"));
  expect_refused(home, {"bench", model, "-p", "4", "-n", "2"}, {"its logits are infinite"});
}

TEST_F(model_check_cli, replay_refuses_a_depth_that_the_context_does_not_hold) {
  const fs::path model = write(llama());
  expect_refused(home, {"replay", model, "--depth", "512"}, {"--depth 512", "holds 512", "give a smaller one"});
}

}  // namespace
}  // namespace assay

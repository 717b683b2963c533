// Laws of a model's facts: what the metadata says is read or refused with its reason; tensors and metadata agree.
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "gguf_models.h"
#include "model/finite_check.h"
#include "model/inspection.h"
#include "text_lines.h"

namespace assay {
namespace {

/// The refusal of a file's metadata or tensors.
std::string refusal(const GgufBytes& parts) {
  const std::string bytes = parts.bytes();
  const Gguf file(bytes, "m.gguf");
  try {
    check_model_tensors(file, read_model_config(file));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

void expect_refusal(const GgufBytes& parts, const std::vector<std::string>& words) {
  const std::string message = refusal(parts);
  EXPECT_EQ(message.rfind("m.gguf: ", 0), 0u) << message;
  for (const std::string& word : words) EXPECT_TRUE(contains(message, word)) << word << "\nis not in\n" << message;
}

GgufBytes with_tensors(GgufBytes keys, const ModelConfig& config) {
  add_tensors(keys, config);
  return keys;
}

TEST(model_config, every_architecture_is_read_back) {
  for (const std::string& architecture : supported_architectures()) {
    const ModelConfig made = small_config(architecture);
    const std::string bytes = small_model(made);
    const Gguf file(bytes, "m.gguf");
    const ModelConfig read = read_model_config(file);
    check_model_tensors(file, read);
    EXPECT_EQ(read.architecture, architecture);
    EXPECT_EQ(read.layers, 2);
    EXPECT_EQ(read.query_rows(), made.heads * made.key_size);
    EXPECT_EQ(read.key_rows(), made.kv_heads * made.key_size);
    EXPECT_EQ(read.vocabulary, 96);
    EXPECT_TRUE(read.tied_output);
    EXPECT_EQ(read.query_key_norm, architecture == "qwen3");
    EXPECT_EQ(read.query_key_value_bias, architecture == "qwen2");
    EXPECT_EQ(read.rope.pairs, architecture == "llama" ? RopePairs::neighbours : RopePairs::halves);
    EXPECT_EQ(read.rope.base, 10000);
    EXPECT_EQ(read.rope.dimensions, made.key_size);
    EXPECT_EQ(model_tensors(read).size(), file.tensors().size());
  }
}

TEST(model_config, an_output_of_its_own_a_bias_and_rope_factors_are_seen) {
  ModelConfig made = small_config("llama");
  made.tied_output = false, made.attention_output_bias = made.query_key_value_bias = true, made.rope.has_factors = true;
  GgufBytes keys = small_keys(made);
  keys.f32("llama.rope.freq_base", 500000).text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  const std::string bytes = with_tensors(keys, made).bytes();
  const Gguf file(bytes, "m.gguf");
  const ModelConfig read = read_model_config(file);
  check_model_tensors(file, read);
  EXPECT_FALSE(read.tied_output);
  EXPECT_TRUE(read.attention_output_bias && read.query_key_value_bias && read.rope.has_factors);
  EXPECT_EQ(read.rope.base, 500000);
  EXPECT_EQ(read.rope.scaling, "yarn");
  EXPECT_EQ(read.rope.factor, 4);
}

TEST(model_config, a_step_reads_every_product_once_and_one_row_of_the_embedding) {
  ModelConfig made = small_config("llama");
  for (const bool tied : {true, false}) {
    made.tied_output = tied;
    const std::string bytes = small_model(made);
    const Gguf file(bytes, "m.gguf");
    const StepBytes step = step_bytes(file, read_model_config(file));
    const int64_t row = 64 / 32 * 34, table = 96 * row;
    // A layer: q, k, v, output, gate, up of 64 values a row, down of 128.
    const int64_t layer = (64 + 32 + 32 + 64 + 128 + 128) * row + 64 * 2 * row;
    EXPECT_EQ(step.matmul, 2 * layer + table);
    EXPECT_EQ(step.embedding_row, row);
    EXPECT_EQ(step.others, 5 * 64 * 4);
    EXPECT_EQ(step.total(), step.matmul + step.embedding_row + step.others);
  }
}

TEST(model_config, an_unsupported_architecture_is_named_with_those_that_are_supported) {
  ModelConfig made = small_config("llama");
  made.architecture = "gemma2";
  expect_refusal(small_keys(made), {"architecture gemma2 is not supported; supported are qwen2, qwen3, llama"});
  made.architecture = "qwen";
  expect_refusal(small_keys(made), {"did you mean qwen"});
}

TEST(model_config, missing_keys_and_wrong_types_are_named) {
  const ModelConfig made = small_config("llama");
  for (const std::string key : {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
                                "attention.layer_norm_rms_epsilon"}) {
    expect_refusal(small_keys(made, {key}), {"has no key \"llama." + key + "\""});
    expect_refusal(small_keys(made, {key}).text("llama." + key, "3"), {"\"llama." + key + "\" is string"});
  }
  expect_refusal(small_keys(made, {"general.architecture"}), {"has no key \"general.architecture\""});
  expect_refusal(small_keys(made, {"general.architecture"}).u32("general.architecture", 1), {"is u32, not a string"});
  EXPECT_EQ(refusal(with_tensors(small_keys(made, {"context_length", "tokenizer.ggml.tokens"}), made)), "");
}

TEST(model_config, sizes_are_sizes) {
  const ModelConfig made = small_config("llama");
  for (const std::string key : {"block_count", "embedding_length", "attention.head_count", "attention.head_count_kv"})
    for (const uint32_t value : {0u, ~0u})
      expect_refusal(small_keys(made, {key}).u32("llama." + key, value), {"llama." + key, "is what a model can have"});
  expect_refusal(small_keys(made, {"attention.head_count_kv"}).u32("llama.attention.head_count_kv", 3),
                 {"4 heads do not share 3"});
  expect_refusal(small_keys(made, {"attention.head_count"}).u32("llama.attention.head_count", 6),
                 {"6 heads do not divide"});
  expect_refusal(small_keys(made).u32("llama.rope.dimension_count", 18), {"rope turns 18 values"});
  for (const float wrong :
       {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    expect_refusal(small_keys(made).f32("llama.rope.freq_base", wrong), {"llama.rope.freq_base", "above 0"});
    expect_refusal(
        small_keys(made, {"attention.layer_norm_rms_epsilon"}).f32("llama.attention.layer_norm_rms_epsilon", wrong),
        {"epsilon", "above 0"});
  }
}

TEST(model_config, heads_may_be_listed_by_layer_if_all_are_alike) {
  const ModelConfig made = small_config("llama");
  GgufBytes keys = small_keys(made, {"attention.head_count"});
  keys.array("llama.attention.head_count", GgufType::u32, 2, raw(4u) + raw(4u));
  EXPECT_EQ(refusal(with_tensors(keys, made)), "");
  keys = small_keys(made, {"attention.head_count"});
  keys.array("llama.attention.head_count", GgufType::u32, 2, raw(4u) + raw(2u));
  expect_refusal(keys, {"differs from layer to layer (4 and 2)"});
}

TEST(model_config, vocabulary_and_embedding_agree) {
  const ModelConfig made = small_config("llama");
  ModelConfig other = made;
  other.vocabulary = 95;
  expect_refusal(with_tensors(small_keys(other), made), {"has 95 tokens, but an embedding of 96 rows"});
  EXPECT_EQ(refusal(with_tensors(small_keys(made), made).u32("llama.vocab_size", 97)), "") << "only tensors count";
  GgufBytes keys = small_keys(made, {"tokenizer.ggml.tokens"});
  keys.array("tokenizer.ggml.tokens", GgufType::u32, 1, raw(1u));
  expect_refusal(keys, {"\"tokenizer.ggml.tokens\" is an array of u32, not an array of strings"});
}

TEST(model_config, tensors_are_there_of_the_right_shape_and_a_supported_type) {
  const ModelConfig made = small_config("llama");
  GgufBytes file = with_tensors(small_keys(made), made);
  file.tensors[3].name = "blk.0.attn_k.other";
  expect_refusal(file, {"has no tensor \"blk.0.attn_k.weight\"; did you mean"});
  file = with_tensors(small_keys(made), made);
  file.tensors[3].dims = {64, 16};
  expect_refusal(file, {"\"blk.0.attn_k.weight\" is 64 x 16; its metadata asks for 64 x 32"});
  file = with_tensors(small_keys(made), made);
  file.tensors[3].dims = {32, 64};
  expect_refusal(file, {"is 32 x 64; its metadata asks for 64 x 32"});
  file = with_tensors(small_keys(made), made);
  file.tensors[3].type = 20;
  expect_refusal(file, {"\"blk.0.attn_k.weight\" is of type IQ4_NL, which is not supported; supported are F32"});
  file = small_keys(made, {"block_count"}).u32("llama.block_count", 9999);
  add_tensors(file, made);
  expect_refusal(file, {"says that it has 9999 layers, but holds"});
}

TEST(inspection, weights_that_are_no_numbers_are_found_where_they_are) {
  const ModelConfig made = small_config("llama");
  std::string bytes = small_model(made);
  const Gguf sound(bytes, "m.gguf");
  const size_t at = size_t(sound.tensor("blk.1.ffn_up.weight").offset);
  for (size_t i = 0; i < bytes.size() - size_t(sound.data_begin()); ++i) bytes[size_t(sound.data_begin()) + i] = 0;
  const Gguf file(bytes, "m.gguf");
  check_finite(file);
  bytes[at + 34 * 7] = 0, bytes[at + 34 * 7 + 1] = 0x7c;  // the scale of block 7: infinite
  try {
    check_finite(file);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_TRUE(contains(e.what(), "tensor \"blk.1.ffn_up.weight\" holds")) << e.what();
    EXPECT_TRUE(contains(e.what(), "row 3, column 32")) << e.what();
  }
}

TEST(inspection, a_vocabulary_a_part_and_a_foreign_model_say_why_they_are_no_model) {
  const ModelConfig made = small_config("qwen2");
  const auto why = [](const GgufBytes& parts) {
    const std::string bytes = parts.bytes();
    return inspect(Gguf(bytes, "m.gguf")).why_not;
  };
  EXPECT_EQ(why(small_keys(made)), "holds no weights: a vocabulary alone");
  EXPECT_EQ(why(small_keys(made, {"block_count"})), "holds no weights: a vocabulary alone");
  EXPECT_EQ(why(with_tensors(small_keys(made), made)), "");
  EXPECT_TRUE(contains(why(with_tensors(small_keys(made), made).add("split.count", GgufType::u16, raw(uint16_t(3)))),
                       "one of 3 parts"));
  EXPECT_TRUE(contains(why(GgufBytes()), "has no key \"general.architecture\""));
}

TEST(inspection, tensors_fold_by_layer_where_type_and_shape_are_alike) {
  const ModelConfig made = small_config("llama");
  GgufBytes parts = with_tensors(small_keys(made), made);
  parts.tensor("extra.weight", {4}, TensorType::f32);
  const std::string bytes = parts.bytes();
  const Gguf file(bytes, "m.gguf");
  const Inspection all = inspect(file);
  EXPECT_EQ(all.folds.size(), 1u + 9 + 1 + 1);
  EXPECT_EQ(all.folds[1].name, "blk.0-1.attn_norm.weight");
  EXPECT_EQ(all.folds[1].count, 2);
  EXPECT_EQ(all.unused, std::vector<std::string>{"extra.weight"});
  EXPECT_EQ(all.matmul_types, std::vector<TensorType>{TensorType::q8_0});
}

}  // namespace
}  // namespace assay

// The tensors of a model: which there must be, of which shape, and the bytes that a decode step reads of them.

#include "base/error.h"
#include "base/joined.h"
#include "model/model_config.h"

namespace assay {

std::vector<ModelTensor> model_tensors(const ModelConfig& c) {
  std::vector<ModelTensor> all;
  const auto add = [&](std::string name, std::vector<int64_t> dims, WeightUse use, int64_t layer = -1) {
    all.push_back({std::move(name), std::move(dims), use, layer});
  };
  add("token_embd.weight", {c.embedding, c.vocabulary}, WeightUse::embedding);
  if (c.rope.has_factors) add("rope_freqs.weight", {c.rope.dimensions / 2}, WeightUse::rope);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const auto part = [&](std::string_view name, std::vector<int64_t> dims, WeightUse use) {
      add(fmt::format("blk.{}.{}", layer, name), std::move(dims), use, layer);
    };
    const auto bias = [&](std::string_view name, int64_t rows, bool there) {
      if (there) part(name, {rows}, WeightUse::bias);
    };
    part("attn_norm.weight", {c.embedding}, WeightUse::norm);
    part("attn_q.weight", {c.embedding, c.query_rows()}, WeightUse::matmul);
    bias("attn_q.bias", c.query_rows(), c.query_key_value_bias);
    part("attn_k.weight", {c.embedding, c.key_rows()}, WeightUse::matmul);
    bias("attn_k.bias", c.key_rows(), c.query_key_value_bias);
    part("attn_v.weight", {c.embedding, c.value_rows()}, WeightUse::matmul);
    bias("attn_v.bias", c.value_rows(), c.query_key_value_bias);
    if (c.query_key_norm) {
      part("attn_q_norm.weight", {c.key_size}, WeightUse::norm);
      part("attn_k_norm.weight", {c.key_size}, WeightUse::norm);
    }
    part("attn_output.weight", {c.heads * c.value_size, c.embedding}, WeightUse::matmul);
    bias("attn_output.bias", c.embedding, c.attention_output_bias);
    part("ffn_norm.weight", {c.embedding}, WeightUse::norm);
    part("ffn_gate.weight", {c.embedding, c.feed_forward}, WeightUse::matmul);
    part("ffn_up.weight", {c.embedding, c.feed_forward}, WeightUse::matmul);
    part("ffn_down.weight", {c.feed_forward, c.embedding}, WeightUse::matmul);
  }
  add("output_norm.weight", {c.embedding}, WeightUse::norm);
  if (!c.tied_output) add("output.weight", {c.embedding, c.vocabulary}, WeightUse::matmul);
  return all;
}

void check_model_tensors(const Gguf& file, const ModelConfig& config) {
  // Before a list is made that only a key asked for.
  if (config.layers > int64_t(file.tensors().size()))
    fail("{}: says that it has {} layers, but holds {} tensors in all", file.name(), config.layers,
         file.tensors().size());
  for (const ModelTensor& wanted : model_tensors(config)) {
    const GgufTensor& tensor = file.tensor(wanted.name);
    const std::vector<int64_t> dims(tensor.dims.begin(), tensor.dims.begin() + tensor.dimensions);
    if (dims != wanted.dims)
      fail("{}: tensor \"{}\" is {}; its metadata asks for {}", file.name(), wanted.name, tensor.shape_text(),
           joined(wanted.dims, " x "));
    if (!tensor_type_facts(tensor.type).is_decoded)
      fail(
          "{}: tensor \"{}\" is of type {}, which is not supported; supported are {}: quantize the model to one of "
          "these",
          file.name(), wanted.name, tensor_type_name(tensor.type), decoded_type_names());
  }
}

// An embedding that is the output, too, is read whole for the product and a row for the token.
StepBytes step_bytes(const Gguf& file, const ModelConfig& config) {
  StepBytes bytes;
  for (const ModelTensor& part : model_tensors(config)) {
    const GgufTensor* tensor = file.find_tensor(part.name);
    ASSAY_CHECK(tensor);
    const auto size = int64_t(tensor->bytes.size());
    if (part.use == WeightUse::embedding) bytes.embedding_row += size / tensor->dims[1];
    if (part.use == WeightUse::matmul || (part.use == WeightUse::embedding && config.tied_output)) bytes.matmul += size;
    if (part.use != WeightUse::matmul && part.use != WeightUse::embedding) bytes.others += size;
  }
  return bytes;
}

}  // namespace assay

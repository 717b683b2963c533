// The facts of a model as names and values, the same for all forms of `assay inspect`.
#include "report/inspect_facts.h"

#include <fmt/format.h>

#include "base/terminal.h"

namespace assay {
namespace {

std::string attention_text(const ModelConfig& c) {
  std::string text = fmt::format("{} heads of {} values", c.heads, c.key_size);
  if (c.value_size != c.key_size) text += fmt::format(" ({} of V)", c.value_size);
  text += c.kv_heads == c.heads ? ", as many for K and V" : fmt::format(", {} for K and V", c.kv_heads);
  if (c.query_key_norm) text += ", a norm on Q and K";
  if (c.query_key_value_bias) text += ", biases on Q, K and V";
  if (c.attention_output_bias) text += ", a bias on the output";
  return text;
}

std::string rope_text(const ModelConfig& c) {
  const bool is_neighbours = c.rope.pairs == RopePairs::neighbours;
  std::string text = fmt::format("base {}, pairs {}, {} of {} values", c.rope.base,
                                 is_neighbours ? "of neighbours (2i, 2i + 1)" : "of halves (i, i + half)",
                                 c.rope.dimensions, c.key_size);
  if (c.rope.scaling != "none") text += fmt::format(", scaling {} by {}", one_line(c.rope.scaling), c.rope.factor);
  if (c.rope.has_factors) text += ", a factor a pair";
  return text;
}

std::string tokenizer_text(const Gguf& file) {
  const GgufEntry* model = file.find("tokenizer.ggml.model");
  const GgufEntry* pre = file.find("tokenizer.ggml.pre");
  if (!model || model->type != GgufType::string) return "no tokenizer";
  std::string text = "tokenizer " + value_text(*model, 40);
  if (pre && pre->type == GgufType::string) text += ", pre-tokenizer " + value_text(*pre, 40);
  return text;
}

Table columns(const char* title, std::vector<Column> list) { return {title, std::move(list), {}, {}, {}}; }

}  // namespace

std::string bytes_text(int64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", double(bytes) / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.1f} MB", double(bytes) / 1e6);
  return bytes >= 1000 ? fmt::format("{:.1f} KB", double(bytes) / 1e3) : fmt::format("{} bytes", bytes);
}

Facts model_facts(const Gguf& file, const std::optional<ModelConfig>& config) {
  Facts facts;
  const GgufEntry* tokens = file.find("tokenizer.ggml.tokens");
  const auto vocabulary = [&](int64_t count) {
    facts.emplace_back("vocabulary", fmt::format("{} tokens, {}", count, tokenizer_text(file)));
  };
  if (!config) {
    if (tokens && tokens->is_array()) vocabulary(int64_t(tokens->count));
    return facts;
  }
  const ModelConfig& c = *config;
  facts.emplace_back("layers", fmt::format("{} of {} values, feed-forward {}", c.layers, c.embedding, c.feed_forward));
  facts.emplace_back("attention", attention_text(c));
  facts.emplace_back("rope", rope_text(c));
  facts.emplace_back("norm", fmt::format("RMS, epsilon {:.3g}", c.norm_epsilon));
  vocabulary(c.vocabulary);
  if (!file.tensors().empty())
    facts.emplace_back("output", c.tied_output ? "the embedding's weight (tied)" : "a weight of its own");
  if (c.context > 0) facts.emplace_back("context", fmt::format("{} tokens", c.context));
  if (c.window > 0)
    facts.emplace_back("window", c.context > 0 && c.context <= c.window
                                     ? fmt::format("{} tokens, no less than the context", c.window)
                                     : fmt::format("{} tokens: the context stays within it", c.window));
  return facts;
}

Facts use_facts(const Inspection& inspection) {
  Facts facts;
  if (inspection.step) {
    const StepBytes& step = *inspection.step;
    facts.emplace_back("a decode step reads",
                       fmt::format("{}: matmul weights {}, one row of the embedding {}, norms and the like {}",
                                   bytes_text(step.total()), bytes_text(step.matmul), bytes_text(step.embedding_row),
                                   bytes_text(step.others)));
    facts.emplace_back("KV cache",
                       fmt::format("{} a token of context, in f16", bytes_text(2 * inspection.config->cache_values())));
  }
  facts.emplace_back("assay can use it", inspection.why_not.empty() ? "yes" : "no: " + inspection.why_not);
  std::string measured, later;
  for (const TensorType type : inspection.matmul_types)
    (has_matmul_kernels(type) ? measured : later) += fmt::format(" {}", tensor_type_name(type));
  if (!measured.empty()) facts.emplace_back("probe measures weights of", measured.substr(1));
  if (!later.empty()) facts.emplace_back("probe has no kernels for", later.substr(1));
  const auto names = [&](const char* what, const std::vector<std::string>& all) {
    if (all.empty()) return;
    std::string text;
    for (size_t i = 0; i < all.size() && i < 5; ++i) text += " " + all[i];
    if (all.size() > 5) text += " …";
    facts.emplace_back(what, fmt::format("{}:{}", all.size(), cut_end(text, 200)));
  };
  names("tensors without use", inspection.unused);
  names("keys that assay does not know", inspection.unknown_keys);
  return facts;
}

Table type_table(const Inspection& inspection) {
  Table table = columns("Weights", {{"type", "type", Column::Format::text, 9, 0},
                                    {"tensors", "tensors", Column::Format::whole, 8, 0},
                                    {"bytes", "MB", Column::Format::fixed3, 8, 0},
                                    {"share", "%", Column::Format::fixed1, 5, 0},
                                    {"reads", "assay", Column::Format::text, 4, 0}});
  for (const TypeTotal& total : inspection.types)
    table.rows.push_back({std::string(tensor_type_name(total.type)), double(total.tensors), double(total.bytes) / 1e6,
                          100 * double(total.bytes) / double(std::max<int64_t>(inspection.tensor_bytes, 1)),
                          total.is_measured  ? "reads, and measures products"
                          : total.is_decoded ? "reads"
                                             : "not supported"});
  return table;
}

Table fold_table(const Inspection& inspection) {
  Table table = columns("Tensors", {{"tensor", "tensor", Column::Format::text, 9, 12},
                                    {"count", "", Column::Format::text, 7, 0},
                                    {"type", "type", Column::Format::text, 8, 0},
                                    {"shape", "shape", Column::Format::text, 8, 0},
                                    {"bytes", "MB", Column::Format::fixed3, 6, 0}});
  for (const TensorFold& fold : inspection.folds)
    table.rows.push_back({fold.name, fold.count > 1 ? fmt::format("x {}", fold.count) : " ",
                          std::string(tensor_type_name(fold.example->type)), fold.example->shape_text(),
                          double(fold.bytes) / 1e6});
  return table;
}

Table tensor_table(const Gguf& file) {
  Table table = columns("Tensors", {{"tensor", "tensor", Column::Format::text, 9, 12},
                                    {"type", "type", Column::Format::text, 8, 0},
                                    {"shape", "shape", Column::Format::text, 8, 0},
                                    {"bytes", "bytes", Column::Format::whole, 6, 0},
                                    {"offset", "offset", Column::Format::whole, 5, 0}});
  for (const GgufTensor& tensor : file.tensors())
    table.rows.push_back({std::string(tensor.name), std::string(tensor_type_name(tensor.type)), tensor.shape_text(),
                          double(tensor.bytes.size()), double(tensor.offset)});
  return table;
}

std::string value_text(const GgufEntry& entry, size_t width) {
  const std::string type(gguf_type_name(entry.element));
  if (entry.is_array()) return fmt::format("[{}] {} values", type, entry.count);
  if (entry.type == GgufType::string) {
    const std::string_view text = entry.bytes.substr(8);
    return width == 0 ? std::string(text) : cut_end(one_line(text.substr(0, 4 * width)), width);
  }
  const GgufArray value(entry);
  if (entry.type == GgufType::boolean) return value.integer(0) ? "true" : "false";
  if (entry.type == GgufType::f32) return fmt::format("{}", float(value.number(0)));
  if (entry.type == GgufType::f64) return fmt::format("{}", value.number(0));
  return fmt::format("{}", value.integer(0));
}

Table key_table(const Gguf& file) {
  Table table = columns("Metadata", {{"key", "key", Column::Format::text, 9, 12},
                                     {"type", "type", Column::Format::text, 5, 0},
                                     {"value", "value", Column::Format::text, 9, 12}});
  for (const GgufEntry& entry : file.entries())
    table.rows.push_back({std::string(entry.key), std::string(gguf_type_name(entry.type)), value_text(entry, 80)});
  return table;
}

}  // namespace assay

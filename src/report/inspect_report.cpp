// What `assay inspect` shows of a model file, in each form.
#include "report/inspect_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "report/csv.h"
#include "report/inspect_facts.h"
#include "report/markdown.h"
#include "report/table_json.h"

namespace assay {
namespace {

std::string title_text(const Gguf& file, const Inspection& inspection) {
  const GgufEntry* name = file.find("general.name");
  const GgufEntry* architecture = file.find("general.architecture");
  std::string text = name && name->type == GgufType::string ? value_text(*name, 80) : "a model without a name";
  if (architecture && architecture->type == GgufType::string) text += " (" + value_text(*architecture, 40) + ")";
  return text + fmt::format("; GGUF version {}, {}; {} keys, {} tensors of {}", file.version(),
                            bytes_text(int64_t(file.file_bytes().size())), file.entries().size(), file.tensors().size(),
                            bytes_text(inspection.tensor_bytes));
}

std::string facts_text(const Facts& facts, const Terminal& terminal) {
  size_t widest = 0;
  for (const auto& [name, value] : facts) widest = std::max(widest, name.size());
  std::string text;
  for (const auto& [name, value] : facts)
    text += wrap(fmt::format("  {:<{}}  {}", name, widest, one_line(value)), terminal.width, widest + 4) + "\n";
  return text;
}

Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

Json entry_json(const GgufEntry& entry) {
  Json json = {{"key", std::string(entry.key)}, {"type", std::string(gguf_type_name(entry.type))}};
  const auto value = [&](size_t i) -> Json {
    const GgufArray values(entry);
    if (entry.element == GgufType::boolean) return values.integer(i) != 0;
    if (entry.element == GgufType::f32 || entry.element == GgufType::f64) return number(values.number(i));
    return values.integer(i);
  };
  if (!entry.is_array()) {
    json["value"] = entry.type == GgufType::string ? Json(std::string(entry.bytes.substr(8))) : value(0);
    return json;
  }
  json["element"] = std::string(gguf_type_name(entry.element));
  json["count"] = entry.count;
  if (entry.element == GgufType::string) return json;
  Json first = Json::array();
  for (size_t i = 0; i < std::min<uint64_t>(entry.count, 8); ++i) first.push_back(value(i));
  json["first"] = std::move(first);
  return json;
}

Json config_json(const ModelConfig& c) {
  return {{"architecture", c.architecture},
          {"layers", c.layers},
          {"embedding", c.embedding},
          {"feed_forward", c.feed_forward},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"key_size", c.key_size},
          {"value_size", c.value_size},
          {"vocabulary", c.vocabulary},
          {"context", c.context > 0 ? Json(c.context) : Json()},
          {"window", c.window > 0 ? Json(c.window) : Json()},
          {"norm_epsilon", c.norm_epsilon},
          {"tied_output", c.tied_output},
          {"query_key_norm", c.query_key_norm},
          {"query_key_value_bias", c.query_key_value_bias},
          {"attention_output_bias", c.attention_output_bias},
          {"rope",
           {{"pairs", c.rope.pairs == RopePairs::neighbours ? "neighbours" : "halves"},
            {"base", c.rope.base},
            {"dimensions", c.rope.dimensions},
            {"scaling", c.rope.scaling},
            {"factor", c.rope.factor},
            {"original_context", c.rope.original_context > 0 ? Json(c.rope.original_context) : Json()},
            {"has_factors", c.rope.has_factors}}}};
}

Json tensors_json(const Gguf& file) {
  Json list = Json::array();
  for (const GgufTensor& tensor : file.tensors()) {
    Json dims = Json::array();
    for (uint32_t d = 0; d < tensor.dimensions; ++d) dims.push_back(tensor.dims[d]);
    list.push_back({{"name", std::string(tensor.name)},
                    {"type", std::string(tensor_type_name(tensor.type))},
                    {"dims", std::move(dims)},
                    {"offset", tensor.offset},
                    {"bytes", tensor.bytes.size()}});
  }
  return list;
}

Json types_json(const Inspection& inspection) {
  Json list = Json::array();
  for (const TypeTotal& total : inspection.types)
    list.push_back({{"type", std::string(tensor_type_name(total.type))},
                    {"tensors", total.tensors},
                    {"bytes", total.bytes},
                    {"is_decoded", total.is_decoded},
                    {"is_measured", total.is_measured}});
  return list;
}

}  // namespace

std::string inspect_text(const Gguf& file, const Inspection& inspection, bool full, const Terminal& terminal) {
  std::string text = paint(cut_middle(one_line(file.name()), terminal.width ? terminal.width : std::string::npos),
                           Colour::bold, terminal.colour) +
                     "\n" + wrap("  " + title_text(file, inspection), terminal.width, 2) + "\n\n";
  const auto table = [&](const Table& shown) {
    if (!shown.rows.empty()) text += render_table(shown, terminal.width, terminal.colour) + "\n";
  };
  if (const Facts facts = model_facts(file, inspection.config); !facts.empty())
    text += facts_text(facts, terminal) + "\n";
  if (full) table(key_table(file));
  table(type_table(inspection));
  table(full ? tensor_table(file) : fold_table(inspection));
  text += facts_text(use_facts(inspection), terminal);
  if (!full) text += wrap("  --full lists every key and every tensor", terminal.width, 2) + "\n";
  return text;
}

std::string inspect_json(const Gguf& file, const Inspection& inspection) {
  Json keys = Json::array();
  for (const GgufEntry& entry : file.entries()) keys.push_back(entry_json(entry));
  Json json = {{"schema", "assay-inspect"},
               {"version", 1},
               {"file", file.name()},
               {"bytes", file.file_bytes().size()},
               {"gguf_version", file.version()},
               {"alignment", file.alignment()},
               {"data_begin", file.data_begin()},
               {"runs", inspection.why_not.empty()},
               {"why_not", inspection.why_not},
               {"model", inspection.config ? config_json(*inspection.config) : Json()},
               {"step_bytes", nullptr},
               {"cache_values_per_token", nullptr},
               {"types", types_json(inspection)},
               {"unused_tensors", inspection.unused},
               {"unknown_keys", inspection.unknown_keys},
               {"metadata", std::move(keys)},
               {"tensors", tensors_json(file)}};
  if (const auto& step = inspection.step) {
    json["step_bytes"] = {{"total", step->total()},
                          {"products", step->matmul},
                          {"embedding_row", step->embedding_row},
                          {"others", step->others}};
    json["cache_values_per_token"] = inspection.config->cache_values();
  }
  return json_line(json);
}

std::string inspect_csv(const Gguf& file) { return csv_table(tensor_table(file)); }

std::string inspect_markdown(const Gguf& file, const Inspection& inspection) {
  std::string text = "# " + markdown_code(file.name()) + "\n\n" + one_line(title_text(file, inspection)) + "\n\n";
  const auto facts_table = [](const char* title, const Facts& facts) {
    Table table{title,
                {{"fact", "fact", Column::Format::text, 1, 0}, {"value", "value", Column::Format::text, 1, 0}},
                {},
                {},
                {}};
    for (const auto& [name, value] : facts) table.rows.push_back({name, value});
    return markdown_table(table) + "\n";
  };
  if (const Facts facts = model_facts(file, inspection.config); !facts.empty()) text += facts_table("Model", facts);
  text += facts_table("Use", use_facts(inspection));
  text += markdown_table(type_table(inspection)) + "\n" + markdown_table(fold_table(inspection)) + "\n";
  return text + markdown_table(key_table(file));
}

}  // namespace assay

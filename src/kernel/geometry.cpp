// Launch geometry: reading the expressions strictly, and evaluating them for one spec and device.
#include "kernel/geometry.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/json.h"

namespace assay {
namespace {

constexpr double kMostThreads = 2147483647.0, kMostBytes = 1099511627776.0;

const std::vector<std::string> kSizeNames = {"m",     "n",        "n0",    "n1",  "n2",       "k",
                                             "batch", "segments", "bytes", "sms", "kv_heads", "head_size"};

std::vector<int64_t> size_values(const GeometrySizes& s) {
  // Heads of a cache are its batches, their size is what scores sum over.
  return {s.m, s.n, s.n0, s.n1, s.n2, s.k, s.batch, s.segments, s.bytes, s.sms, s.batch, s.k};
}

}  // namespace

void GeometrySizes::add(std::string_view name, uint32_t segment, int64_t value) {
  if (name == "n") {
    n += value;
    int64_t* const parts[] = {&n0, &n1, &n2};
    if (segment < std::size(parts)) *parts[segment] = value;
  }
  if (name == "m") m = value;
  if (name == "k" || name == "head_size") k = value;
  if (name == "batch" || name == "kv_heads") batch = value;
}

GeometryRules::GeometryRules(const JsonReader& launch, const std::vector<Parameter>& parameters, bool prepares)
    : launch_(std::make_shared<Json>(launch.json())), names_(names_of(parameters)) {
  names_.insert(names_.end(), kSizeNames.begin(), kSizeNames.end());
  const JsonReader own(*launch_, launch.file(), launch.pointer());
  own.only_keys({"grid", "block", "cluster", "cooperative", "shared_bytes", "workspace_bytes", "prepared_bytes",
                 "prepare_grid", "prepare_block"});
  grid_ = read(own, "grid", true);
  block_ = read(own, "block", true);
  cluster_ = read(own, "cluster", false);
  cooperative_ = own.boolean_or("cooperative", false);
  shared_bytes_ = read(own, "shared_bytes", false);
  workspace_bytes_ = read(own, "workspace_bytes", false);
  for (const char* key : {"prepared_bytes", "prepare_grid", "prepare_block"})
    if (!prepares && own.has(key)) own.at(key).error("belongs to a family with \"prepare\": true");
  prepared_bytes_ = read(own, "prepared_bytes", prepares);
  prepare_grid_ = read(own, "prepare_grid", prepares);
  prepare_block_ = read(own, "prepare_block", prepares);
}

GeometryRules::Rules GeometryRules::read(const JsonReader& launch, const std::string& key, bool required) const {
  Rules rules;
  if (!required && !launch.has(key)) return rules;
  const JsonReader json = launch.at(key);
  std::vector<JsonReader> items{json};
  if (json.json().is_array()) items = json.items();
  const size_t most = key.ends_with("grid") || key.ends_with("block") ? 3 : 1;
  if (items.empty() || items.size() > most)
    json.error(fmt::format("expected {}", most == 1 ? "one expression" : "one to three expressions"));
  for (const JsonReader& item : items) {
    const std::string text = item.json().is_whole() ? std::to_string(item.integer()) : item.string();
    rules.push_back({item, at_place(item, [&] { return Expression(text, names_); })});
  }
  return rules;
}

std::map<std::string, std::vector<std::string>> GeometryRules::expressions() const {
  std::map<std::string, std::vector<std::string>> texts;
  for (const auto& [key, json] : launch_->items()) {
    if (key == "cooperative") continue;
    for (const Json& item : json.is_array() ? json : Json::array({json}))
      texts[key].push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return texts;
}

int64_t GeometryRules::value(Rule& rule, const std::vector<int64_t>& values, bool is_bytes) {
  const double result = at_place(rule.json, [&] { return rule.expression.value(values); });
  const double least = is_bytes ? 0 : 1, most = is_bytes ? kMostBytes : kMostThreads;
  if (result != std::floor(result))
    rule.json.error(fmt::format("gives {}, which is no whole number; use ceil() or floor()", result));
  if (result < least || result > most)
    rule.json.error(fmt::format("gives {:.0f}; it must lie from {:.0f} to {:.0f}", result, least, most));
  return int64_t(result);
}

Geometry GeometryRules::evaluate(const ParameterValues& parameters, const GeometrySizes& sizes) {
  std::vector<int64_t> values = parameters;
  const std::vector<int64_t> more = size_values(sizes);
  values.insert(values.end(), more.begin(), more.end());
  Geometry g;
  const auto all = [&](Rules& rules, std::array<int64_t, 3>& to) {
    for (size_t i = 0; i < rules.size(); ++i) to[i] = value(rules[i], values, false);
  };
  all(grid_, g.grid);
  all(block_, g.block);
  all(prepare_grid_, g.prepare_grid);
  all(prepare_block_, g.prepare_block);
  g.cooperative = cooperative_;
  for (Rule& rule : cluster_) g.cluster = value(rule, values, false);
  for (Rule& rule : shared_bytes_) g.shared_bytes = value(rule, values, true);
  for (Rule& rule : workspace_bytes_) g.workspace_bytes = value(rule, values, true);
  for (Rule& rule : prepared_bytes_) g.prepared_bytes = value(rule, values, true);
  return g;
}

ArchRange read_arch(const JsonReader& json) {
  json.only_keys({"min", "max"});
  ArchRange range;
  const auto read = [&](const char* key, int& to) {
    if (!json.has(key)) return;
    const int64_t value = json.at(key).integer();
    if (value < 10 || value > 1000) json.at(key).error("expected a compute capability times ten: 80 for 8.0");
    to = int(value);
  };
  read("min", range.least);
  read("max", range.most);
  if (range.least > range.most) json.error("no architecture lies in this range");
  return range;
}

}  // namespace assay

// What a kernel family can compute: reading it strictly, and the first rule that a spec breaks.
#include "kernel/supports.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/joined.h"
#include "base/suggest.h"
#include "spec/op.h"

namespace assay {
namespace {

const std::vector<std::string> kLayouts = {"nn", "nt", "tn", "tt"};
const std::vector<std::string> kLoaders = {"none", "dense", "q8nk_split"};

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::vector<std::string> read_names(const JsonReader& json, const std::vector<std::string>& known) {
  std::vector<std::string> names;
  for (const JsonReader& item : json.items()) {
    const std::string name = item.string();
    if (name.empty()) item.error("expected a name");
    if (!known.empty() && !contains(known, name))
      item.error(fmt::format("unknown \"{}\"{}; known: {}", name, did_you_mean(name, known), joined(known, " ")));
    if (contains(names, name)) item.error(fmt::format("\"{}\" stands twice", name));
    names.push_back(name);
  }
  return names;
}

std::vector<Dtype> read_dtypes(const JsonReader& json) {
  std::vector<Dtype> dtypes;
  for (const std::string& name : read_names(json, dtype_names())) dtypes.push_back(*parse_dtype(name));
  return dtypes;
}

Range read_range(const JsonReader& json) {
  json.only_keys({"min", "max"});
  Range range;
  if (json.has("min")) range.least = json.at("min").integer();
  if (json.has("max")) range.most = json.at("max").integer();
  if (range.least < 0) json.at("min").error("must not be negative");
  if (range.most < std::max<int64_t>(range.least, 1)) json.error("no size lies in this range");
  return range;
}

std::vector<int64_t> read_sizes(const JsonReader& json) {
  std::vector<int64_t> sizes;
  for (const JsonReader& item : json.items()) {
    sizes.push_back(item.integer());
    if (sizes.back() < 1) item.error("must be at least 1");
  }
  return sizes;
}

std::string outside_list(const char* what, const std::string& value, const std::vector<std::string>& supported) {
  if (supported.empty() || contains(supported, value)) return "";
  return fmt::format("{} is {}, supports {}", what, value, joined(supported, " "));
}

std::string outside_dtypes(const std::string& what, Dtype value, const std::vector<Dtype>& supported) {
  if (supported.empty() || contains(supported, value)) return "";
  std::vector<std::string_view> names;
  for (const Dtype dtype : supported) names.push_back(dtype_name(dtype));
  return fmt::format("{} is {}, supports {}", what, dtype_name(value), joined(names, " "));
}

std::string outside_range(const std::string& what, int64_t value, const Range& range) {
  if (value >= range.least && value <= range.most) return "";
  if (range.least == range.most) return fmt::format("{} is {}, supports {}", what, value, range.least);
  if (range.most == Range().most) return fmt::format("{} is {}, supports {} and more", what, value, range.least);
  if (range.least <= 1) return fmt::format("{} is {}, supports up to {}", what, value, range.most);
  return fmt::format("{} is {}, supports {} to {}", what, value, range.least, range.most);
}

/// "A" of the op's table is "a" in a manifest.
std::string type_key(const OpOperand& operand) {
  std::string key(operand.name);
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return key;
}

std::string wrong_operands(const Supports& supports, const Spec& spec) {
  if (auto reason = outside_list("op", std::string(spec.op->name), supports.op); !reason.empty()) return reason;
  for (const OpOperand& operand : spec.op->operands) {
    const auto types = supports.types.find(operand.operand);
    const auto dtype = spec.dtype(operand.operand);
    if (!operand.types_entries || types == supports.types.end() || !dtype) continue;
    if (auto reason = outside_dtypes(type_key(operand), *dtype, types->second); !reason.empty()) return reason;
  }
  const std::string loader = spec.loader.empty() ? "none" : spec.loader;
  if (auto reason = outside_list("loader", loader, supports.loader); !reason.empty()) return reason;
  return spec.layout.empty() ? "" : outside_list("layout", spec.layout, supports.layout);
}

std::string wrong_features(const Supports& supports, const Spec& spec) {
  for (const SpecNeed& need : spec.needs) {
    if (!contains(supports.features, std::string(need.feature))) return need.otherwise;
    if (need.feature == "segments" && int64_t(spec.segments.size()) > supports.most_outputs)
      return fmt::format("{} fused outputs, supports {}", spec.segments.size(), supports.most_outputs);
  }
  return "";
}

std::string wrong_sizes(const Supports& supports, const Spec& spec) {
  for (const auto& [name, value] : spec.sizes)
    if (const auto rule = supports.sizes.find(name); rule != supports.sizes.end())
      if (auto reason = outside_range(name, value, rule->second.range); !reason.empty()) return reason;
  for (const auto& [name, value] : spec.sizes) {
    const auto rule = supports.sizes.find(name);
    if (rule == supports.sizes.end()) continue;
    const auto& [range, values, multiple_of] = rule->second;
    if (!values.empty() && !contains(values, value))
      return fmt::format("{} is {}, supports {}", name, value, joined(values, " "));
    for (const int64_t divisor : multiple_of)
      if (value % divisor != 0) return fmt::format("{} is {}, supports multiples of {}", name, value, divisor);
  }
  return "";
}

/// The ops that the object names; Error if one is unknown.
std::vector<const Op*> read_ops(const JsonReader& json, Supports& supports) {
  std::vector<std::string> names;
  for (const Op* op : all_ops()) names.emplace_back(op->name);
  supports.op = read_names(json, names);
  if (supports.op.empty()) json.error(fmt::format("must name at least one op; there are {}", joined(names, ", ")));
  std::vector<const Op*> ops;
  for (const std::string& name : supports.op) ops.push_back(find_op(name));
  return ops;
}

/// Every key that a "supports" object of these ops may have.
std::vector<std::string> keys_of(const std::vector<const Op*>& ops) {
  std::vector<std::string> keys = {"op", "layout", "loader", "strides"};
  for (const Op* op : ops) {
    for (const OpOperand& operand : op->operands)
      if (operand.types_entries) keys.push_back(type_key(operand));
    for (const std::string_view feature : op->features) keys.emplace_back(feature);
    for (const OpSize& size : op->sizes)
      for (const char* ending : {"", "_values", "_multiple_of"}) keys.push_back(std::string(size.name) + ending);
  }
  return keys;
}

void read_sizes_of(const Op& op, const JsonReader& json, Supports& supports) {
  for (const OpSize& size : op.sizes) {
    const std::string name(size.name), values = name + "_values", multiple_of = name + "_multiple_of";
    const bool is_feature = std::find(op.features.begin(), op.features.end(), size.name) != op.features.end();
    SizeRule rule;
    if (!is_feature && json.has(name)) rule.range = read_range(json.at(name));
    if (json.has(values)) rule.values = read_sizes(json.at(values));
    if (json.has(multiple_of)) rule.multiple_of = read_sizes(json.at(multiple_of));
    supports.sizes[name] = rule;
  }
}

}  // namespace

bool Supports::is_of(const Op& of) const { return op.empty() || contains(op, std::string(of.name)); }

Supports read_supports(const JsonReader& json) {
  Supports supports;
  const std::vector<const Op*> ops = read_ops(json.at("op"), supports);
  json.only_keys(keys_of(ops));
  for (const Op* op : ops) {
    bool is_ordered = false;
    for (const OpOperand& operand : op->operands) {
      if (operand.types_entries) supports.types[operand.operand] = read_dtypes(json.at(type_key(operand)));
      is_ordered |= operand.orders_entries;
    }
    if (is_ordered) supports.layout = read_names(json.at("layout"), kLayouts);
    for (const std::string_view feature : op->features)
      if (json.boolean_or(std::string(feature), false)) supports.features.emplace_back(feature);
    read_sizes_of(*op, json, supports);
  }
  if (json.has("loader")) supports.loader = read_names(json.at("loader"), kLoaders);
  supports.strides = json.boolean_or("strides", supports.strides);
  return supports;
}

std::string unsupported_reason(const Supports& supports, const Spec& spec) {
  if (auto reason = wrong_operands(supports, spec); !reason.empty()) return reason;
  if (auto reason = wrong_features(supports, spec); !reason.empty()) return reason;
  return wrong_sizes(supports, spec);
}

}  // namespace assay

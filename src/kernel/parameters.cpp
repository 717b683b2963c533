// A family's parameters: reading, combining and naming them.
#include "kernel/parameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/joined.h"
#include "base/suggest.h"
#include "kernel/expression.h"

namespace assay {
namespace {

constexpr int64_t kMostCombinations = 4096;
constexpr int64_t kLargestValue = 1000000000;
constexpr size_t kLongestName = 100;  // family and name also become file names

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Upper case: parameters are macros in the source, and muParser's own names (min, sin, _pi) are lower case.
bool is_macro_name(const std::string& name) {
  if (name.empty() || name.size() > kLongestName || name[0] < 'A' || name[0] > 'Z') return false;
  return name.rfind("ASSAY_", 0) != 0 &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) ? c < 'a' : c == '_'; });
}

std::vector<ParameterValues> all_combinations(const std::vector<Parameter>& parameters) {
  std::vector<ParameterValues> combinations = {{}};
  for (const Parameter& parameter : parameters) {
    std::vector<ParameterValues> longer;
    for (const ParameterValues& values : combinations)
      for (const int64_t value : parameter.values) {
        longer.push_back(values);
        longer.back().push_back(value);
      }
    combinations = std::move(longer);
  }
  return combinations;
}

}  // namespace

bool is_plain_name(const std::string& name) {
  if (name.empty() || name.size() > kLongestName || !is_alphanumeric(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || is_one_of(c, "_.-+"); });
}

std::vector<Parameter> read_parameters(const JsonReader& family) {
  std::vector<Parameter> parameters;
  if (!family.has("parameters")) return parameters;
  int64_t combinations = 1;
  for (const auto& [name, json] : family.at("parameters").members()) {
    if (!is_macro_name(name)) json.error("a parameter is a macro: upper case, digits and _, not ASSAY_…");
    Parameter parameter{name, {}};
    for (const JsonReader& item : json.items()) {
      const int64_t value = item.integer();
      if (value < -kLargestValue || value > kLargestValue)
        item.error(fmt::format("must lie within ±{}", kLargestValue));
      if (std::find(parameter.values.begin(), parameter.values.end(), value) != parameter.values.end())
        item.error(fmt::format("the value {} stands twice", value));
      parameter.values.push_back(value);
      if (int64_t(parameter.values.size()) > kMostCombinations) break;  // before a long list makes this search slow
    }
    if (parameter.values.empty()) json.error("must have at least one value");
    combinations *= int64_t(parameter.values.size());
    if (combinations > kMostCombinations)
      family.at("parameters").error(fmt::format("more than {} combinations; split the family", kMostCombinations));
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

std::vector<std::string> names_of(const std::vector<Parameter>& parameters) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

std::vector<ParameterValues> allowed_combinations(const JsonReader& family, const std::vector<Parameter>& parameters) {
  std::vector<ParameterValues> combinations = all_combinations(parameters);
  if (!family.has("constraints")) return combinations;
  for (const JsonReader& json : family.at("constraints").items()) {
    const std::string text = json.string();
    at_place(json, [&] {
      Expression constraint(text, names_of(parameters));
      std::erase_if(combinations, [&](const ParameterValues& values) { return !constraint.holds(values); });
    });
  }
  if (combinations.empty()) family.at("constraints").error("no combination of the parameters is left");
  return combinations;
}

std::string fill_name(const JsonReader& family, const std::vector<Parameter>& parameters,
                      const ParameterValues& values) {
  const JsonReader json = family.at("name");
  const std::string pattern = json.string();
  std::string name;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      name += pattern[i];
      continue;
    }
    const size_t close = pattern.find('}', i);
    if (close == std::string::npos) json.error("{ without }");
    const std::string placeholder = pattern.substr(i + 1, close - i - 1);
    const auto names = names_of(parameters);
    const auto found = std::find(names.begin(), names.end(), placeholder);
    if (found == names.end())
      json.error(fmt::format("{{{}}} is no parameter{}", placeholder, did_you_mean(placeholder, names)));
    name += std::to_string(values[size_t(found - names.begin())]);
    i = close;
  }
  if (!is_plain_name(name))
    json.error(fmt::format("gives \"{}\"; a name is 1 to {} letters, digits and _ . - +, a letter or digit first", name,
                           kLongestName));
  return name;
}

void fail_equal_names(const JsonReader& family, const std::vector<Parameter>& parameters, const std::string& name) {
  const std::string pattern = family.at("name").string();
  std::vector<std::string> missing;
  for (const Parameter& parameter : parameters)
    if (parameter.values.size() > 1 && pattern.find("{" + parameter.name + "}") == std::string::npos)
      missing.push_back("{" + parameter.name + "}");
  family.at("name").error(fmt::format("two variants are named {}{}", name,
                                      missing.empty() ? "" : fmt::format("; add {}", joined(missing, " or "))));
}

}  // namespace assay

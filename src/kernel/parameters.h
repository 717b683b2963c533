// A family's parameters: their values, the combinations that its constraints leave, and the names made of them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"

namespace assay {

struct Parameter {
  std::string name;  // a macro in the source
  std::vector<int64_t> values;
};

/// One value for each parameter of a family, in its order.
using ParameterValues = std::vector<int64_t>;

/// The "parameters" of a family; none where the key is absent. Error on no or equal values, or over 4,096 combinations.
std::vector<Parameter> read_parameters(const JsonReader& family);
std::vector<std::string> names_of(const std::vector<Parameter>& parameters);

/// What the family's "constraints" leave, in order, the last parameter changing fastest. Error if that is nothing.
std::vector<ParameterValues> allowed_combinations(const JsonReader& family, const std::vector<Parameter>& parameters);

/// The family's "name" with each {PARAMETER} replaced by its value. Error on another placeholder or an unusable name.
std::string fill_name(const JsonReader& family, const std::vector<Parameter>& parameters,
                      const ParameterValues& values);

/// Says that two combinations share `name`, and which placeholder would tell them apart.
[[noreturn]] void fail_equal_names(const JsonReader& family, const std::vector<Parameter>& parameters,
                                   const std::string& name);

/// Whether a name can stand in file names as it is: 1 to 100 letters, digits and _ . - +, a letter or digit first.
bool is_plain_name(const std::string& name);

/// Runs `work`, whose Errors have no place, and gives them the place of `json`.
template <typename Work>
auto at_place(const JsonReader& json, Work work) {
  try {
    return work();
  } catch (const Error& e) {
    json.error(e.what());
  }
}

}  // namespace assay

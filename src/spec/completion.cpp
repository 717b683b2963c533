// Completing the lines of a source by its rules.
#include "spec/completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/op.h"

namespace assay {
namespace {

bool has_field(const Op& op, std::string_view key) {
  return std::any_of(op.fields.begin(), op.fields.end(), [&](const OpField& field) { return field.name == key; });
}

}  // namespace

const std::string* find_field(const SpecFields& fields, std::string_view key) {
  for (const auto& field : fields)
    if (field.first == key) return &field.second;
  return nullptr;
}

SpecFields complete_fields(SpecFields fields, const std::vector<CompletionRule>& rules,
                           std::vector<std::string>& applied) {
  const std::string* const name = find_field(fields, "op");
  const Op* const op = name ? find_op(*name) : nullptr;
  for (const CompletionRule& rule : rules) {
    const bool applies = std::all_of(rule.when.begin(), rule.when.end(), [&](const auto& condition) {
      const std::string* value = find_field(fields, condition.first);
      return value && *value == condition.second;
    });
    if (!applies) continue;
    for (const auto& [key, value] : rule.set) {
      if (find_field(fields, key) || (rule.when.empty() && op && !has_field(*op, key))) continue;
      fields.emplace_back(key, value);
      applied.push_back(fmt::format("{}={}: {}", key, value, rule.why));
    }
  }
  return fields;
}

}  // namespace assay

// Completing the lines of a source by its rules.
#include "spec/completion.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {

const std::string* find_field(const SpecFields& fields, std::string_view key) {
  for (const auto& field : fields)
    if (field.first == key) return &field.second;
  return nullptr;
}

SpecFields complete_fields(SpecFields fields, const std::vector<CompletionRule>& rules,
                           std::vector<std::string>& applied) {
  for (const CompletionRule& rule : rules) {
    const bool applies = std::all_of(rule.when.begin(), rule.when.end(), [&](const auto& condition) {
      const std::string* value = find_field(fields, condition.first);
      return value && *value == condition.second;
    });
    if (!applies) continue;
    for (const auto& [key, value] : rule.set) {
      if (find_field(fields, key)) continue;
      fields.emplace_back(key, value);
      applied.push_back(fmt::format("{}={}: {}", key, value, rule.why));
    }
  }
  return fields;
}

}  // namespace assay

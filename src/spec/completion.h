// Completion rules: what gives a spec line the fields that its source leaves out.
#pragma once
#include <string>
#include <vector>

#include "spec/spec.h"

namespace assay {

/// Sets fields that a source's lines lack, where what they do say meets the condition (empty: always; an op then gets
/// no field that it does not have).
struct CompletionRule {
  SpecFields when, set;
  std::string why;
};

/// The field's text, or nullptr.
const std::string* find_field(const SpecFields& fields, std::string_view key);

/// The line's fields followed by those that rules give it, in the order of the rules; what the line says itself is
/// never changed. `applied` gets "dtA=f16: why" for each field given.
SpecFields complete_fields(SpecFields fields, const std::vector<CompletionRule>& rules,
                           std::vector<std::string>& applied);

}  // namespace assay

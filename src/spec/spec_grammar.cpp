// From the fields of a line to a spec: which fields its op has and needs, the rest by the op itself.
#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"
#include "spec/completion.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

const OpField* find_rule(const Op& op, std::string_view key) {
  for (const OpField& field : op.fields)
    if (is_named(field.name, key)) return &field;
  return nullptr;
}

bool has_segments(const Op& op, const SpecFields& fields) {
  return std::any_of(fields.begin(), fields.end(), [&](const auto& field) {
    const OpField* rule = find_rule(op, field.first);
    return rule && rule->is_segment;
  });
}

/// What a line is read under: its op, or the first of all where it names none.
const Op& op_of_line(const SpecFields& fields) {
  const std::string* const name = find_field(fields, "op");
  const Op* const op = name ? find_op(*name) : nullptr;
  return op ? *op : *all_ops().front();
}

void refuse_unknown_fields(const Op& op, const SpecFields& fields, const std::string& where) {
  std::vector<std::string> known;
  for (const OpField& field : op.fields) known.emplace_back(field.name);
  for (const auto& [key, value] : fields)
    if (!find_rule(op, key)) fail("{}: field {}={} is unknown{}", where, key, value, did_you_mean(key, known));
}

void refuse_missing_fields(const Op& op, const SpecFields& fields, const std::string& where) {
  const auto missing = missing_fields(fields);
  if (missing.empty()) return;
  const std::string& key = missing.front();
  const std::string_view says = find_rule(op, key)->says;
  if (find_field(fields, key))
    fail("{}: field {}=?: only a fused spec (n0, n1, … or nq, nk, nv) may leave it open; write {}", where, key, says);
  fail("{}: field {} is missing; add {}=VALUE, {}", where, key, key, says);
}

void refuse_unknown_op(const SpecFields& fields, const std::string& where) {
  const std::string* const name = find_field(fields, "op");
  if (!name || find_op(*name)) return;
  std::vector<std::string> names;
  std::string says;
  for (const Op* op : all_ops()) {
    for (const OpName& known : op->names) names.emplace_back(known.name);
    says += (says.empty() ? "" : "; or ") + std::string(find_rule(*op, "op")->says);
  }
  fail("{}: field op={}: it must be {}{}", where, *name, says, did_you_mean(*name, names));
}

}  // namespace

const Op* find_op(std::string_view name) {
  for (const Op* op : all_ops())
    for (const OpName& known : op->names)
      if (known.name == name) return op;
  return nullptr;
}

const Op& op_of(uint32_t id) {
  for (const Op* op : all_ops())
    if (op->id == id) return *op;
  ASSAY_CHECK(!"an op without a table");
  return *all_ops().front();
}

const std::vector<std::string>& spec_field_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Op* op : all_ops())
      for (const OpField& field : op->fields)
        if (!field.name.ends_with('#') && std::find(result.begin(), result.end(), field.name) == result.end())
          result.emplace_back(field.name);
    return result;
  }();
  return names;
}

std::vector<std::string> missing_fields(const SpecFields& fields) {
  const Op& op = op_of_line(fields);
  std::string_view needs;
  if (const std::string* const name = find_field(fields, "op"))
    for (const OpName& known : op.names)
      if (known.name == *name) needs = known.needs;
  const auto is_needed = [&](std::string_view key) {
    for (size_t begin = 0; begin < needs.size();) {
      const size_t end = std::min(needs.find(' ', begin), needs.size());
      if (needs.substr(begin, end - begin) == key) return true;
      begin = end + 1;
    }
    return false;
  };
  const bool is_fused = has_segments(op, fields);
  std::vector<std::string> missing;
  for (const OpField& field : op.fields) {
    if (!field.required && !is_needed(field.name)) continue;
    const std::string* value = find_field(fields, field.name);
    if (!value || (*value == "?" && field.may_be_open && !is_fused)) missing.emplace_back(field.name);
  }
  return missing;
}

Spec make_spec(const SpecFields& given, const std::string& where) {
  Spec spec;
  // Through the text, so that fields built by a program print to a line that parses.
  spec.fields = parse_spec_fields(print_spec_fields(given), where);
  const Op& op = op_of_line(spec.fields);
  refuse_unknown_op(spec.fields, where);  // first: the fields asked for would be another op's
  refuse_unknown_fields(op, spec.fields, where);
  refuse_missing_fields(op, spec.fields, where);
  spec.op = &op;
  const FieldReader line(op, spec.fields, where);
  spec.op_name = line.text("op");
  op.interpret(line, spec);
  spec.tensors = op.tensors(spec);
  for (Tensor& t : spec.tensors)
    for (const OpOperand& operand : op.operands)
      if (operand.operand == t.operand) t.use = operand.use;
  return spec;
}

}  // namespace assay

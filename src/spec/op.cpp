// What an op's functions need of the operands of a launch.
#include "spec/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace assay {

bool OpValues::has(Operand operand) const {
  return std::any_of(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.operand == operand; });
}

const Tensor& OpValues::of(Operand operand, uint32_t segment) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const Tensor& t) { return t.operand == operand && t.segment == segment; });
  ASSAY_CHECK(found != tensors.end());
  return *found;
}

std::vector<float> OpValues::row(const Tensor& t, int64_t batch, int64_t row) const {
  std::vector<float> values;
  decode_row(t, batch, row, values);
  return values;
}

int64_t OpValues::index(int64_t at) const {
  int32_t value;
  std::memcpy(&value, of(Operand::index).data + at * int64_t(sizeof value), sizeof value);
  return value;
}

std::string operand_text(const Spec& spec, const Tensor& t) {
  std::string text;
  for (const OpOperand& operand : spec.op->operands)
    if (operand.operand == t.operand) text = operand.name;
  const auto alike = std::count_if(spec.tensors.begin(), spec.tensors.end(),
                                   [&](const Tensor& other) { return other.operand == t.operand; });
  return alike > 1 ? fmt::format("{}{}", text, t.segment) : text;
}

std::optional<Spec> with_other_numbers(const Spec& spec) {
  SpecFields fields = spec.fields;
  for (const OpNumber& number : spec.op->numbers)
    for (auto& [name, value] : fields)
      if (const double now = name == number.field ? std::strtod(value.c_str(), nullptr) : 0; now != 0)
        if (now != number.neutral) value = fmt::format("{}", now / 2);
  if (fields == spec.fields) return {};
  try {
    return make_spec(fields, spec.line());
  } catch (const Error&) {  // as far down as the op has them
    return {};
  }
}

}  // namespace assay

// What follows from a spec's operands: sizes, types, bytes.
#include "spec/spec.h"

#include <algorithm>
#include <cctype>

namespace assay {

std::string Spec::short_name_with_layout() const {
  if (layout.empty() || !segments.empty()) return shape;
  std::string text = shape + " " + layout;
  std::transform(text.end() - std::ssize(layout), text.end(), text.end() - std::ssize(layout),
                 [](unsigned char c) { return char(std::toupper(c)); });
  return text;
}

int64_t Spec::size(std::string_view name) const {
  for (const auto& [key, value] : sizes)
    if (key == name) return value;
  return 1;
}

std::optional<Dtype> Spec::dtype(Operand operand) const {
  for (const Tensor& t : tensors)
    if (t.operand == operand) return t.dtype;
  return std::nullopt;
}

int64_t Spec::bytes(Operand operand) const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.operand == operand && t.is_read) sum += t.bytes + t.scale_bytes;
  return sum;
}

int64_t Spec::weight_bytes() const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.use == Use::weight) sum += t.bytes + t.scale_bytes;
  return sum;
}

int64_t Spec::weight_values() const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.use == Use::weight) sum += t.dims[0] * t.dims[1] * t.dims[2];
  return sum;
}

int64_t Spec::min_bytes() const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.is_read) sum += t.bytes + t.scale_bytes;
  return sum;
}

}  // namespace assay

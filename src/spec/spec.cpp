// What follows from a spec's operands: sizes, types, bytes.
#include "spec/spec.h"

#include <algorithm>
#include <cctype>

#include "spec/op.h"

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

int64_t Spec::bytes(Use use) const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.use == use) sum += t.bytes + t.scale_bytes;
  return sum;
}

int64_t Spec::weight_bytes() const { return bytes(Use::weight); }

int64_t Spec::weight_values() const {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (t.use == Use::weight) sum += t.values();
  return sum;
}

namespace {

template <class Counted>
int64_t touched_bytes(const std::vector<Tensor>& tensors, Counted is_counted) {
  int64_t sum = 0;
  for (const Tensor& t : tensors)
    if (is_counted(t)) sum += t.touched_bytes();
  return sum;
}

}  // namespace

int64_t Spec::min_bytes() const {
  return touched_bytes(tensors, [](const Tensor& t) { return t.is_read; });
}

int64_t Spec::cold_bytes() const {
  return touched_bytes(tensors, [](const Tensor& t) { return t.use == Use::weight; });
}

int64_t Spec::written_bytes() const {
  return touched_bytes(tensors, [](const Tensor& t) { return t.use == Use::output; });
}

int64_t Spec::hot_bytes() const { return op->is_product ? 0 : min_bytes() - cold_bytes(); }

}  // namespace assay

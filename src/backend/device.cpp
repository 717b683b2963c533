// Operands of a spec as tensors: shapes, strides and sizes, the same for every backend.
#include "backend/device.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace assay {

std::string DeviceInfo::identity() const {
  std::string text;
  for (const auto& [key, value] : properties) text += key + ": " + value + "\n";
  return text;
}

std::string DeviceInfo::memory_text() const {
  return fmt::format("{} has {} MB{}", id, memory_bytes >> 20, memory_limit.empty() ? "" : " (" + memory_limit + ")");
}

std::string DeviceInfo::physical() const {
  for (const auto& [key, value] : properties)
    if (key == "UUID") return value;
  return id;
}

namespace {

Tensor dense(Operand operand, Dtype dtype, int64_t batch, int64_t rows, int64_t columns, bool transposed = false) {
  Tensor t;
  t.operand = operand;
  t.dtype = dtype;
  t.dims[0] = batch, t.dims[1] = rows, t.dims[2] = columns;
  t.strides[0] = rows * columns;
  t.strides[1] = transposed ? 1 : columns;
  t.strides[2] = transposed ? rows : 1;
  t.bytes = dtype_bytes(dtype, batch * rows * columns);
  return t;
}

Tensor weights(const Spec& spec, int64_t n) {
  if (spec.b != Dtype::q8_0) return dense(Operand::b, spec.b, spec.batch, n, spec.k, !spec.b_is_nk());
  Tensor t = dense(Operand::b, spec.b, spec.batch, n, spec.k);
  if (spec.split_q8()) {
    t.storage = Storage::q8_0_split;
    t.bytes = spec.batch * n * spec.k;
    t.scale_bytes = spec.batch * n * (spec.k / 32) * 2;
  } else {
    t.storage = Storage::q8_0_blocks;
    t.strides[0] = n * (spec.k / 32);
    t.strides[1] = spec.k / 32;
  }
  return t;
}

}  // namespace

GeometrySizes launch_sizes(const std::vector<Tensor>& tensors, const DeviceInfo& device) {
  GeometrySizes s;
  s.sms = device.limits.processors;
  s.segments = 0;
  for (const Tensor& t : tensors) {
    if (t.operand == Operand::a) s.m = t.dims[1];
    if (t.operand != Operand::b) continue;
    int64_t* const parts[] = {&s.n0, &s.n1, &s.n2};
    if (t.segment < std::size(parts)) *parts[t.segment] = t.dims[1];
    s.n += t.dims[1];
    s.batch = t.dims[0];
    s.k = t.dims[2];
    s.bytes += t.bytes + t.scale_bytes;
    s.segments = std::max<int64_t>(s.segments, t.segment + 1);
  }
  return s;
}

std::vector<Tensor> spec_tensors(const Spec& spec) {
  if (spec.b == Dtype::q8_0 && !spec.b_is_nk())
    fail("{}: q8_0 weights are quantized along k and lie n×k; say tB=1 or loader=q8nk_split", spec.line());
  std::vector<Tensor> tensors{dense(Operand::a, spec.a, spec.batch, spec.m, spec.k, spec.tA)};
  std::vector<Segment> segments = spec.segments;
  if (segments.empty()) segments.push_back({"", spec.n});
  for (uint32_t s = 0; s < segments.size(); ++s) {
    const auto add = [&](Tensor t) {
      t.segment = s;
      tensors.push_back(t);
    };
    const int64_t n = segments[s].n;
    add(weights(spec, n));
    add(dense(Operand::d, spec.d, spec.batch, spec.m, n));
    if (spec.bias) add(dense(Operand::bias, spec.d, 1, 1, n));
    add(dense(Operand::c, spec.d, spec.batch, spec.m, n));
  }
  return tensors;
}

}  // namespace assay

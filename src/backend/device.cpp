// Devices described by data, and launches: what is the same for every backend.
#include "backend/device.h"

#include <algorithm>

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

const IsaLevel* choose_isa(const Variant& variant, const DeviceInfo& device) {
  const IsaLevel* best = nullptr;
  for (const IsaLevel& level : device.isa)
    if (variant.isa.empty() || std::find(variant.isa.begin(), variant.isa.end(), level.name) != variant.isa.end())
      best = &level;
  return best;
}

GeometrySizes launch_sizes(const Op& op, std::span<const Tensor> tensors, const DeviceInfo& device) {
  GeometrySizes s;
  s.sms = device.limits.processors;
  s.segments = 0;
  for (const Tensor& t : tensors) {
    for (const OpSize& size : op.sizes)
      if (size.operand == t.operand) s.add(size.name, t.segment, t.dims[size.dim]);
    if (t.operand != Operand::b && t.use != Use::weight) continue;
    s.bytes += t.bytes + t.scale_bytes;
    s.segments = std::max<int64_t>(s.segments, t.segment + 1);
  }
  return s;
}

double Launch::param(uint32_t id) const {
  for (const OpParam& param : params)
    if (param.id == id) return param.value;
  return 0;
}

Launch launch_of(const Spec& spec) {
  Launch launch;
  launch.op = spec.op;
  launch.params = spec.params;
  launch.tensors = spec.tensors;
  launch.flops = spec.flops;
  return launch;
}

}  // namespace assay

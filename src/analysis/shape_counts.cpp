// Pairing matmuls with their command buffers: an op's buffer is the next one of its scope, before any other op.
#include "analysis/shape_counts.h"

#include <algorithm>

namespace assay {
namespace {
constexpr std::string_view kBuffer = "/cb_gpu", kTokenBuffer = "/generation_step_output/cb_gpu",
                           kIteration = "iteration_total";
}  // namespace

std::string_view doubled_scope(std::string_view op_name) {
  for (size_t slash = op_name.find('/'); slash != std::string_view::npos; slash = op_name.find('/', slash + 1)) {
    const std::string_view scope = op_name.substr(0, slash), rest = op_name.substr(slash + 1);
    if (rest.starts_with(scope) && rest.size() > slash && rest[slash] == '/') return scope;
  }
  return {};
}

bool buffer_belongs(std::string_view op_name, std::string_view buffer_name) {
  const std::string_view scope = buffer_name.substr(0, buffer_name.find(kBuffer)), doubled = doubled_scope(op_name);
  if (!doubled.empty()) return doubled == scope;
  return op_name.size() > scope.size() && op_name.starts_with(scope) && op_name[scope.size()] == '/';
}

std::string_view ShapeCounts::tokens_from() const {
  if (step_outputs_) return "generation_step_output command buffers";
  return iterations_ ? "iteration_total events" : "";
}

ShapeCounts::Known& ShapeCounts::known(StringId id) {
  if (id >= known_.size()) known_.resize(std::max<size_t>(id + 1, known_.size() * 2));
  return known_[id];
}

ShapeCounts::Name ShapeCounts::name_of(StringId id, const StringTable& strings) {
  Name& name = known(id).name;
  if (name != Name::unknown) return name;
  const std::string_view text = strings.text(id);
  switch (op_class(text)) {
    case OpClass::wait:
      return name = Name::wait;
    case OpClass::command_buffer:
      return name = text.ends_with(kTokenBuffer) ? Name::token_buffer : Name::buffer;
    case OpClass::kernel:
      break;
  }
  if (text == kIteration) return name = Name::iteration;
  return name = fields_of_path(text).empty() ? Name::kernel : Name::kernel_with_fields;
}

void ShapeCounts::consume(const Batch& batch, const StringTable& strings) {
  for (const Event& event : batch.events) {
    if (!event.has_duration()) continue;
    if (event.type == EventType::gpu_op_completed) {
      const Name name = name_of(event.op_name, strings);
      if (name == Name::buffer || name == Name::token_buffer) {
        step_outputs_ += name == Name::token_buffer;
        if (pending_ != kNone) buffer_ended(event, strings);
      } else if (name != Name::wait) {
        op_ended(event, name);
      }
    } else if (event.type == EventType::internal_kernel_completed) {
      iterations_ += name_of(event.internal_kernel_name, strings) == Name::iteration;
    }
  }
}

void ShapeCounts::op_ended(const Event& event, Name name) {
  pending_ = kNone;
  const bool from_path = event.matmul == kMissing;
  if (from_path && name != Name::kernel_with_fields) return;
  const StringId source = from_path ? event.op_name : event.matmul;
  uint32_t& place = from_path ? known(source).of_path : known(source).of_fields;
  if (place == 0) {
    matmuls_.push_back({source, from_path, event.line, {}});
    place = static_cast<uint32_t>(matmuls_.size());
  }
  pending_ = place - 1;
  pending_op_ = event.op_name;
}

void ShapeCounts::buffer_ended(const Event& event, const StringTable& strings) {
  Known& op = known(pending_op_);
  if (op.buffer != event.op_name) {
    if (!buffer_belongs(strings.text(pending_op_), strings.text(event.op_name)))
      return;  // another op's, or reported again
    op.buffer = event.op_name;
  }
  matmuls_[pending_].gpu.add(event.duration_us());
  pending_ = kNone;
}

}  // namespace assay

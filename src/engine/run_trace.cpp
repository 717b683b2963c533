// The trace of a run.
#include "engine/run_trace.h"

#include "base/clock.h"
#include "base/error.h"

namespace assay {
namespace {

/// "(Q)" quantized, "(D)" dense, as traces of products have it.
std::string kernel_name(const BoundOp& bound) {
  const std::string& family = bound.choice.variant->family;
  if (!bound.spec.op->is_product) return fmt::format("{}/{}", bound.spec.op->name, family);
  const bool dense = bound.spec.weight_bytes() >= 2 * bound.spec.weight_values();
  return fmt::format("matmul/{} ({})", family, dense ? "D" : "Q");
}

std::string op_path(const std::string& phase, const BoundOp& bound) {
  if (bound.op.layer < 0) return fmt::format("{}/{}/{}", phase, bound.op.role, kernel_name(bound));
  return fmt::format("{}/block_{}/{}_block_{}_op/{}", phase, bound.op.layer, bound.op.role, bound.op.layer,
                     kernel_name(bound));
}

}  // namespace

RunTrace::RunTrace(const std::string& file, const LoadedModel& model, Session& session)
    : writer_(file), session_(session), since_1970_(assay_trace_now_ns() - now_ns()) {
  assay_trace_bytes(writer_.get(), "GgufFileMmap", "size_bytes", int64_t(model.file().file_bytes().size()));
  assay_trace_bytes(writer_.get(), "ModelWeights", "total_bytes", model.weight_bytes());
  assay_trace_bytes(writer_.get(), "HostMemory", "total_bytes", session.cache_bytes());
  session.stamps = true;
  session.passed = [this](const PassEvent& event) { pass(event); };
}

const std::vector<RunTrace::OpText>& RunTrace::texts(const StepProgram& step, bool decodes) {
  std::vector<OpText>& texts = texts_[{step.id, decodes}];
  if (texts.size() == step.ops.size()) return texts;
  texts.clear();
  for (const BoundOp& bound : step.ops)
    texts.push_back({op_path(decodes ? "Generation Loop" : "Prompt Processing", bound), bound.choice.variant->id(),
                     bound.spec.op->is_product ? bound.spec.line() : ""});
  return texts;
}

/// Once for each spec, and again where its kernel is another.
void RunTrace::tell_choices(const StepProgram& step) {
  for (const BoundOp& bound : step.ops) {
    std::string& told = told_[bound.spec.math_line()];
    const std::string id = bound.choice.variant->id();
    if (told == id) continue;
    told = id;
    assay_trace_selected(writer_.get(), bound.spec.op_name.c_str(), id.c_str(), bound.choice.reason.c_str());
  }
}

/// A pass is one command buffer, and its last product another: where a prompt's step ends.
void RunTrace::pass(const PassEvent& event) {
  const bool decodes = event.position > 0 && event.tokens == 1;
  const std::vector<OpText>& names = texts(*event.step, decodes);
  if (event.is_first)
    tell_choices(*event.step), assay_trace_bytes(writer_.get(), "ForwardStep", "total_bytes", event.bytes);
  const std::string phase = decodes ? "Generation Loop" : "Prompt Processing";
  int64_t began = event.began_ns, block_began = began;
  const size_t count = names.size();
  for (size_t i = 0; i < count; ++i) {
    const int64_t ended = event.ends[i];
    const bool is_head = event.logits > 0 && i + 1 == count;
    if (is_head) buffer(phase, event.began_ns, began);
    assay_trace_op(writer_.get(), names[i].name.c_str(), names[i].backend.c_str(), stamp(ended), ended - began,
                   names[i].spec.empty() ? nullptr : names[i].spec.c_str());
    const int64_t layer = event.step->ops[i].op.layer;
    if (is_head) buffer(phase + "/generation_step_output", began, ended);
    if (layer >= 0 && (i + 1 == count || event.step->ops[i + 1].op.layer != layer)) {
      host("generation_loop", fmt::format("block_{}_total", layer), block_began, ended);
      block_began = ended;
    } else if (layer < 0) {
      block_began = ended;
    }
    began = ended;
  }
  if (event.logits == 0) buffer(phase, event.began_ns, began);
  host("generation_loop", "forward_step_total", event.began_ns, event.ended_ns);
}

void RunTrace::token(const TokenTimes& times) {
  host("sampling", "sample", times.passed_ns, times.sampled_ns);
  host("decoding", "token_decode", times.sampled_ns, times.decoded_ns);
  host("generation_loop", "iteration_total", times.began_ns, times.decoded_ns);
}

void RunTrace::buffer(const std::string& scope, int64_t began_ns, int64_t ended_ns) {
  for (const char* what : {"cb_wait", "cb_gpu"})
    assay_trace_op(writer_.get(), (scope + "/" + what).c_str(), "cpu", stamp(ended_ns), ended_ns - began_ns, nullptr);
}

void RunTrace::host(const char* parent, const std::string& name, int64_t began_ns, int64_t ended_ns) {
  assay_trace_host(writer_.get(), parent, name.c_str(), stamp(ended_ns), ended_ns - began_ns);
}

}  // namespace assay

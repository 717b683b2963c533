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

/// What the ops of a pass read and write that ends at this length.
int64_t bytes_at(const StepProgram& step, int64_t length) {
  std::map<std::string, int64_t> of_lengths;  // by line: all layers have the same one
  int64_t bytes = 0;
  for (const BoundOp& bound : step.ops) {
    const LineOfLengths line = line_of_lengths(bound.spec.line());
    if (!line.has_length()) {
      bytes += bound.spec.min_bytes();
      continue;
    }
    const auto [known, is_new] = of_lengths.emplace(line.start, 0);
    if (is_new) known->second = parse_spec(line.at(length)).min_bytes();
    bytes += known->second;
  }
  return bytes;
}

std::string scope_of(const std::string& phase, const PassOp& op) {
  if (op.layer < 0) return fmt::format("{}/{}", phase, op.role);
  return fmt::format("{}/block_{}/{}_block_{}_op", phase, op.layer, op.role, op.layer);
}

}  // namespace

RunTrace::RunTrace(const std::string& file, const LoadedModel& model, Session& session)
    : writer_(file), session_(session), since_1970_(assay_trace_now_ns() - now_ns()) {
  assay_trace_bytes(writer_.get(), "GgufFileMmap", "size_bytes", int64_t(model.file().file_bytes().size()),
                    assay_trace_now_ns());
  assay_trace_bytes(writer_.get(), "ModelWeights", "total_bytes", model.weight_bytes(), assay_trace_now_ns());
  assay_trace_bytes(writer_.get(), "HostMemory", "total_bytes", session.cache_bytes(), assay_trace_now_ns());
  session.stamps = true;
  session.passed = [this](const PassEvent& event) { pass(event); };
}

const std::vector<RunTrace::OpText>& RunTrace::texts(const StepProgram& step, bool decodes) {
  std::vector<OpText>& texts = texts_[{step.id, decodes}];
  if (texts.size() == step.ops.size()) return texts;
  texts.clear();
  for (const BoundOp& bound : step.ops) {
    const std::string scope = scope_of(decodes ? "Generation Loop" : "Prompt Processing", bound.op);
    texts.push_back({fmt::format("{}/{}", scope, kernel_name(bound)), scope + "/cb_gpu", bound.choice.variant->id(),
                     line_of_lengths(bound.spec.line())});
  }
  return texts;
}

/// Once for each spec, and again where its kernel is another.
void RunTrace::tell_choices(const StepProgram& step, int64_t at_ns) {
  for (const BoundOp& bound : step.ops) {
    std::string& told = told_[bound.spec.math_line()];
    const std::string id = bound.choice.variant->id();
    if (told == id) continue;
    told = id;
    assay_trace_selected(writer_.get(), bound.spec.op_name.c_str(), id.c_str(), bound.choice.reason.c_str(),
                         stamp(at_ns));
  }
}

/// Nothing is waited for on a CPU: each op is a command buffer of its own scope, whose device time is its own.
void RunTrace::pass(const PassEvent& event) {
  const std::vector<OpText>& texts = this->texts(*event.step, event.decodes);
  if (event.is_first) {
    tell_choices(*event.step, event.began_ns);
    assay_trace_bytes(writer_.get(), "ForwardStep", "total_bytes", bytes_at(*event.step, event.position + event.tokens),
                      stamp(event.began_ns));
  }
  int64_t began = event.began_ns, block_began = began;
  for (size_t i = 0; i < texts.size(); ++i) {
    const OpText& text = texts[i];
    const int64_t ended = event.ends[i], layer = event.step->ops[i].op.layer;
    assay_trace_op(writer_.get(), text.name.c_str(), text.backend.c_str(), stamp(ended), ended - began,
                   text.spec.at(event.position + event.tokens).c_str());
    assay_trace_op(writer_.get(), text.device.c_str(), "cpu", stamp(ended), ended - began, nullptr);
    const bool ends_block = i + 1 == texts.size() || event.step->ops[i + 1].op.layer != layer;
    if (layer >= 0 && ends_block) host("generation_loop", fmt::format("block_{}_total", layer), block_began, ended);
    if (ends_block) block_began = ended;
    began = ended;
  }
  if (event.decodes) host("generation_loop", "forward_step_total", event.began_ns, event.ended_ns);
}

void RunTrace::token(const TokenTimes& times) {
  host("sampling", "sample", times.passed_ns, times.sampled_ns);
  host("decoding", "token_decode", times.sampled_ns, times.decoded_ns);
  if (times.began_ns > 0) host("generation_loop", "iteration_total", times.began_ns, times.decoded_ns);
}

void RunTrace::host(const char* parent, const std::string& name, int64_t began_ns, int64_t ended_ns) {
  assay_trace_host(writer_.get(), parent, name.c_str(), stamp(ended_ns), ended_ns - began_ns);
}

}  // namespace assay

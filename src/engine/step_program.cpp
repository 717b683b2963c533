// A forward pass bound to a device.
#include "engine/step_program.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

constexpr int64_t kPreparedAlignment = 4096;

const PassOperand& operand_of(const PassOp& op, const Tensor& tensor) {
  for (const PassOperand& operand : op.operands)
    if (operand.part == tensor.operand && operand.segment == tensor.segment) return operand;
  fail("bug: {} of {} has no operand for part {} {}", op.role, op.line, int(tensor.operand), tensor.segment);
}

/// C of a product that adds nothing is there for the proof alone.
bool is_left_out(const Tensor& tensor) { return tensor.operand == Operand::c && !tensor.is_read; }

std::string weights_of(const PassOp& op) {
  std::string names;
  for (const PassOperand& operand : op.operands)
    if (operand.is_weight && operand.part == Operand::b) names += (names.empty() ? "" : " ") + operand.name;
  return names;
}

/// Places of ops by the size of their weights: while the largest is there twice, mapped and repacked, little else is.
std::vector<size_t> largest_first(const std::vector<BoundOp>& ops) {
  std::vector<size_t> places(ops.size());
  std::iota(places.begin(), places.end(), size_t(0));
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return ops[a].spec.weight_bytes() > ops[b].spec.weight_bytes(); });
  return places;
}

/// Less is better: what was asked for, what the table says, what the manifests have; then plain loops.
int standing(const KernelChoice& choice) {
  if (choice.reason == "override") return 0;
  return (choice.reason == "no_entry" ? 2 : 1) + (choice.variant->baseline ? 2 : 0);
}

/// As `standing`; worse than any where nothing computes it.
int standing_of(const Spec& spec, const KernelChooser& chooser) {
  try {
    return standing(chooser.choose(spec));
  } catch (const Error&) {
    return std::numeric_limits<int>::max();
  }
}

}  // namespace

LineOfLengths line_of_lengths(const std::string& line) {
  constexpr std::string_view kName = "| length=";
  const size_t at = line.find(kName);
  if (at == std::string::npos) return {line, ""};
  const size_t value = at + kName.size(), end = line.find(' ', value);
  return {line.substr(0, value), end == std::string::npos ? " " : line.substr(end)};
}

bool fuses_swiglu(const Gguf& file, const ModelConfig& config, PassRequest request, const KernelChooser& chooser) {
  const auto worst = [&](bool fused) {
    request.fuses_swiglu = fused;
    int all = 0;
    for (const PassOp& op : forward_pass(file, config, request)) {
      const Spec spec = parse_spec(op.line, file.name());
      if (fused ? spec.op->ends_product : op.role.starts_with("mlp_gate"))
        all = std::max(all, standing_of(spec, chooser));
    }
    return all;
  };
  return worst(true) <= worst(false);
}

StepBinder::StepBinder(LoadedModel& model, Device& device, const KernelChooser& chooser, KernelShelf& shelf,
                       std::function<void(const std::string&)> note)
    : model_(model), device_(device), chooser_(chooser), shelf_(shelf), note_(std::move(note)) {}

StepBinder::~StepBinder() {
  for (const auto& [name, buffer] : buffers_) device_.release(buffer.memory);
  for (const Address room : rooms_) device_.release(room);
}

Address StepBinder::buffer(const std::string& name) const {
  const auto found = buffers_.find(name);
  ASSAY_CHECK(found != buffers_.end());
  return found->second.memory;
}

void StepBinder::replace_buffer(const std::string& name, Address memory, int64_t bytes) {
  Buffer& buffer = buffers_[name];
  if (buffer.memory) device_.release(buffer.memory), moved_ = true;
  buffer = {memory, bytes};
}

Address StepBinder::grown(const std::string& name, int64_t bytes) {
  const auto found = buffers_.find(name);
  if (found == buffers_.end() || found->second.bytes < bytes) replace_buffer(name, device_.allocate(bytes), bytes);
  return buffer(name);
}

const Spec& StepBinder::spec_of(const std::string& line) {
  const auto found = specs_.find(line);
  if (found != specs_.end()) return found->second;
  return specs_.emplace(line, parse_spec(line, model_.file().name())).first->second;
}

/// A weight's class is decided once: what one token gets must not depend on how many others came with it.
KernelChoice StepBinder::choose(const PassOp& op, const Spec& spec) {
  const std::string weights = spec.op->multiplies_weights() ? weights_of(op) : "";
  const auto decided = classes_.find(weights);
  const std::string key =
      spec.math_line() + (decided == classes_.end() ? "" : std::string(accuracy_name(decided->second)));
  const auto known = choices_.find(key);
  const KernelChoice choice =
      known != choices_.end()
          ? known->second
          : chooser_.choose(spec, decided == classes_.end() ? std::nullopt : std::optional(decided->second));
  choices_.emplace(key, choice);
  if (!weights.empty()) classes_.emplace(weights, choice.variant->accuracy);
  return choice;
}

std::vector<PassOp> StepBinder::pass(PassRequest request) {
  if (!fuses_) fuses_ = fuses_swiglu(model_.file(), model_.config(), request, chooser_);  // once, by the first pass
  request.fuses_swiglu = *fuses_;
  return forward_pass(model_.file(), model_.config(), request);
}

void StepBinder::reserve(const PassRequest& request) {
  for (const PassOp& op : this->pass(request))
    for (const Tensor& tensor : spec_of(op.line).tensors)
      if (const bool left_out = is_left_out(tensor); !left_out)
        if (const PassOperand& operand = operand_of(op, tensor); !operand.is_weight)
          grown(operand.name, tensor.bytes + operand.skipped_rows * tensor.bytes / tensor.dims[1]);
}

bool StepBinder::is_better_one_by_one(const PassRequest& request) {
  const auto has_plain_products = [&](int64_t tokens) {
    PassRequest pass = request;
    pass.tokens = tokens;
    for (const PassOp& op : this->pass(pass))
      if (const Spec& spec = spec_of(op.line); spec.op->multiplies_weights() && choose(op, spec).variant->baseline)
        return true;
    return false;
  };
  return !has_plain_products(1) && has_plain_products(request.tokens);
}

bool StepBinder::expands_weights(const PassRequest& request) {
  for (const PassOp& op : this->pass(request))
    if (const Spec& spec = spec_of(op.line);
        spec.op->multiplies_weights() && choose(op, spec).isa->name.find("+amx") != std::string::npos)
      return true;
  return false;
}

std::vector<BoundOp> StepBinder::built(const PassRequest& request) {
  std::vector<BoundOp> ops;
  std::vector<KernelChoice> choices;
  for (PassOp& op : this->pass(request)) {
    const Spec& spec = spec_of(op.line);
    choices.push_back(choose(op, spec));
    ops.push_back({std::move(op), spec, choices.back()});
  }
  shelf_.build(choices, note_);
  return ops;
}

StepProgram StepBinder::bind(const PassRequest& request) {
  reserve(request);
  StepProgram step;
  step.id = ++last_id_;
  step.ops = built(request);
  std::vector<Launch> launches(step.ops.size());
  int64_t workspace_bytes = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    launches[i] = launch(step.ops[i]);
    workspace_bytes = std::max(workspace_bytes, launches[i].workspace_bytes);
  }
  make_room(step.ops, launches);
  for (const size_t i : largest_first(step.ops)) {
    import_weights(step.ops[i], launches[i]);
    if (step.ops[i].choice.variant->prepares) prepare(step.ops[i], launches[i]);
  }
  // One for all: launches follow each other.
  const Address workspace = workspace_bytes > 0 ? grown("workspace", workspace_bytes) : nullptr;
  for (Launch& launch : launches)
    if (launch.workspace_bytes > 0) launch.workspace = workspace;
  step.program = device_.bind(launches);
  return step;
}

Launch StepBinder::launch(const BoundOp& bound) {
  Launch launch = launch_of(bound.spec);
  launch.kernel = &shelf_.kernel(*bound.choice.variant);
  launch.tensors.clear();
  for (Tensor tensor : bound.spec.tensors) {
    if (!is_left_out(tensor)) {
      const PassOperand& operand = operand_of(bound.op, tensor);
      if (!operand.is_weight) tensor.data = buffer(operand.name) + operand.skipped_rows * tensor.bytes / tensor.dims[1];
    }
    launch.tensors.push_back(tensor);
  }
  launch.bytes = bound.spec.min_bytes();
  launch.flops = bound.spec.flops;
  launch.workspace_bytes = launch.kernel->workspace_bytes(launch);
  if (bound.choice.variant->prepares) launch.prepared_bytes = launch.kernel->prepared_bytes(launch);
  return launch;
}

/// Apart from launch(): they are read here, to see that they are numbers, and repacked while they are near.
void StepBinder::import_weights(const BoundOp& bound, Launch& launch) {
  for (Tensor& tensor : launch.tensors) {
    if (is_left_out(tensor)) continue;
    const PassOperand& operand = operand_of(bound.op, tensor);
    if (operand.is_weight)
      tensor.data = model_.weight(device_, operand.name) + operand.skipped_rows * tensor.bytes / tensor.dims[1];
  }
}

std::string StepBinder::prepared_name(const BoundOp& bound) const {
  return bound.choice.variant->storage + ": " + weights_of(bound.op);
}

/// One block for all weights that are not repacked yet: it lies in huge pages, where each for itself begins and ends in
/// small ones, which take longer to get than to fill.
void StepBinder::make_room(const std::vector<BoundOp>& ops, std::vector<Launch>& launches) {
  std::map<std::string, int64_t> places;
  int64_t bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i) {
    const std::string name = prepared_name(ops[i]);
    if (!ops[i].choice.variant->prepares || prepared_.count(name) || !places.emplace(name, bytes).second) continue;
    bytes += (launches[i].prepared_bytes + kPreparedAlignment - 1) / kPreparedAlignment * kPreparedAlignment;
  }
  if (bytes == 0) return;
  rooms_.push_back(device_.allocate(bytes));
  for (size_t i = 0; i < ops.size(); ++i)
    if (const auto place = places.find(prepared_name(ops[i])); place != places.end())
      launches[i].prepared = rooms_.back() + place->second;
}

/// Once for each weight and storage, whichever kernels read it.
void StepBinder::prepare(const BoundOp& bound, Launch& launch) {
  const auto [known, is_new] = prepared_.try_emplace(prepared_name(bound), launch.prepared, launch.prepared_bytes);
  ASSAY_CHECK(known->second.bytes == launch.prepared_bytes);
  launch.prepared = known->second.memory;
  if (!is_new) return;
  launch.kernel->prepare(launch);
  for (const PassOperand& operand : bound.op.operands)
    if (operand.is_weight && operand.part == Operand::b) model_.give_back(operand.name);
}

}  // namespace assay

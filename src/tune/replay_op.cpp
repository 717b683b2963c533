// The memory of one op of a replayed step.
#include "tune/replay_op.h"

#include <algorithm>

#include "measure/worker_process.h"

namespace assay {
namespace {

int64_t in_pages(int64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

}  // namespace

int64_t repacked_bytes(const ReplayOp& op, LoadedKernel& kernel) {
  if (!op.choice.variant->prepares) return 0;
  Launch launch = launch_of(op.spec);
  launch.kernel = &kernel;
  launch.tensors = op.spec.tensors;
  return in_pages(kernel.prepared_bytes(launch));
}

/// A kernel that does not repack reads a model's file as it is mapped.
BoundReplayOp::BoundReplayOp(const ReplayOp& op, int64_t sets, Device& device, LoadedKernel& kernel, bool copies,
                             Address repacked)
    : arenas_(std::make_unique<Arenas>(/*huge_pages=*/op.choice.variant->prepares || copies, interrupted)) {
  const int64_t footprint = sets * std::max<int64_t>(op.spec.weight_bytes(), 64);
  arenas_->reserve(op.spec, footprint);
  inputs_ = std::make_unique<SpecInputs>(op.spec, *arenas_, footprint);
  std::map<const std::byte*, Address> imported;  // where the device has an arena
  for (InputArena* arena : arenas_->all()) imported[arena->bytes().data()] = device.import(arena->bytes());
  const auto address = [&](const std::byte* host) {
    for (InputArena* arena : arenas_->all())
      if (const auto offset = host - arena->bytes().data(); offset >= 0 && offset < std::ssize(arena->bytes()))
        return imported[arena->bytes().data()] + offset;
    return Address(nullptr);
  };
  const std::vector<Tensor> tensors = operands(op.spec, device);
  for (int64_t set = 0; set < sets; ++set) {
    Launch launch = launch_of(op.spec);
    launch.kernel = &kernel;
    launch.tensors = tensors;
    size_t weight = 0;
    for (Tensor& t : launch.tensors) {
      if (t.use != Use::weight) continue;
      t = inputs_->b(set % inputs_->copies())[weight++];
      t.data = address(t.data);
      if (t.scales) t.scales = address(t.scales);
    }
    launch.bytes = op.spec.min_bytes();
    launch.flops = op.spec.flops;
    launches.push_back(std::move(launch));
  }
  add_workspace(device, kernel);
  if (op.choice.variant->prepares) prepare(kernel, repacked);
  // What is copied or repacked is read no more. Nothing gives a device's imports back.
  if (copies || (op.choice.variant->prepares && !op.choice.variant->keeps_b)) inputs_.reset(), arenas_.reset();
}

/// What changes from launch to launch, as some launch has it: row numbers and positions get their values so.
std::map<size_t, std::vector<std::byte>> BoundReplayOp::varied(const Spec& spec) const {
  std::map<size_t, std::vector<std::byte>> bytes;
  if (inputs_->varied.empty()) return bytes;
  std::vector<std::vector<double>> values;
  for (const auto& [place, host] : inputs_->varied) values.push_back(host.values);
  spec.op->vary(spec, {/*random=*/1, /*special=*/-1}, values);
  size_t number = 0;
  for (const auto& [place, host] : inputs_->varied) {
    const Dtype dtype = spec.tensors[place].dtype;
    std::vector<std::byte>& to = bytes[place];
    to.resize(host.bytes.size());
    const std::vector<double>& of = values[number++];
    for (size_t i = 0; i < of.size(); ++i) encode_value(dtype, of[i], &to[i * size_t(dtype_bytes(dtype, 1))]);
  }
  return bytes;
}

/// All but the weights: one set for all calls, hot as an engine has it.
std::vector<Tensor> BoundReplayOp::operands(const Spec& spec, Device& device) const {
  std::vector<Tensor> tensors = spec.tensors;
  const std::map<size_t, std::vector<std::byte>> drawn = varied(spec);
  size_t bias = 0, c = 0;
  const auto put = [&](Tensor& t, const std::vector<std::byte>& bytes) {
    device.write(t.data, bytes.data(), std::min<int64_t>(std::ssize(bytes), t.bytes));
  };
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor& t = tensors[i];
    if (t.use == Use::weight) continue;
    t.data = device.allocate(std::max<int64_t>(t.bytes, 64));
    device.fill(t.data, 0, std::max<int64_t>(t.bytes, 64));
    if (t.use == Use::output) continue;
    if (const auto found = drawn.find(i); found != drawn.end())
      put(t, found->second);
    else if (const auto other = inputs_->constants.find(i); other != inputs_->constants.end())
      put(t, other->second.bytes);
    else if (t.operand == Operand::bias && bias < inputs_->bias.size())
      put(t, inputs_->bias[bias++].bytes);
    else if (t.operand == Operand::c && c < inputs_->c.size())
      put(t, inputs_->c[c++].bytes);
    else if (t.operand == Operand::a)
      put(t, inputs_->a.bytes);
  }
  return tensors;
}

void BoundReplayOp::add_workspace(Device& device, LoadedKernel& kernel) {
  const int64_t bytes = kernel.workspace_bytes(launches[0]);
  const Address workspace = bytes > 0 ? device.allocate(bytes) : nullptr;
  for (Launch& launch : launches) launch.workspace = workspace, launch.workspace_bytes = bytes;
}

void BoundReplayOp::prepare(LoadedKernel& kernel, Address to) {
  for (Launch& launch : launches) {
    launch.prepared_bytes = kernel.prepared_bytes(launch);
    launch.prepared = to;
    kernel.prepare(launch);
    to += in_pages(launch.prepared_bytes);
  }
}

}  // namespace assay

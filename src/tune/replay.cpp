// A whole step as one program.
#include "tune/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "measure/measuring_lock.h"
#include "measure/worker_process.h"
#include "proof/inputs.h"

namespace assay {
namespace {

/// One op's memory: arenas of its own, so that no other op brings its weights into a cache.
class BoundReplayOp {
 public:
  BoundReplayOp(const ReplayOp& op, Device& device, LoadedKernel& kernel, bool copies)
      : arenas_(std::make_unique<Arenas>()) {
    const int64_t footprint = op.calls * std::max<int64_t>(op.spec.weight_bytes(), 64);
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
    for (int64_t call = 0; call < op.calls; ++call) {
      Launch launch = launch_of(op.spec);
      launch.kernel = &kernel;
      launch.tensors = tensors;
      size_t weight = 0;
      for (Tensor& t : launch.tensors) {
        if (t.use != Use::weight) continue;
        t = inputs_->b(call % inputs_->copies())[weight++];
        t.data = address(t.data);
        if (t.scales) t.scales = address(t.scales);
      }
      launch.bytes = op.spec.min_bytes();
      launch.flops = op.spec.flops;
      launches.push_back(std::move(launch));
    }
    add_workspace(device, kernel);
    if (op.choice.variant->prepares) prepare(device, kernel);
    // What was repacked is read no more. Where the device has copies of its own they stay: nothing gives imports back.
    if (op.choice.variant->prepares && !op.choice.variant->keeps_b && !copies) inputs_.reset(), arenas_.reset();
  }

  std::vector<Launch> launches;  // a call each

 private:
  /// What changes from launch to launch, as some launch has it: row numbers and positions get their values so.
  std::map<size_t, std::vector<std::byte>> varied(const Spec& spec) const {
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
  std::vector<Tensor> operands(const Spec& spec, Device& device) const {
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

  void add_workspace(Device& device, LoadedKernel& kernel) {
    const int64_t bytes = kernel.workspace_bytes(launches[0]);
    const Address workspace = bytes > 0 ? device.allocate(bytes) : nullptr;
    for (Launch& launch : launches) launch.workspace = workspace, launch.workspace_bytes = bytes;
  }

  void prepare(Device& device, LoadedKernel& kernel) {
    for (Launch& launch : launches) {
      launch.prepared_bytes = kernel.prepared_bytes(launch);
      launch.prepared = device.allocate(launch.prepared_bytes);
      kernel.prepare(launch);
    }
  }

  std::unique_ptr<Arenas> arenas_;
  std::unique_ptr<SpecInputs> inputs_;
};

void check_room(const ReplayStep& step, const DeviceInfo& device) {
  int64_t bytes = 0, largest = 0;
  for (const ReplayOp& op : step.ops) {
    const int64_t of_op = op.calls * op.spec.weight_bytes();
    bytes += of_op;
    if (op.choice.variant->prepares) largest = std::max(largest, of_op);
  }
  const MemoryRoom room = memory_room();
  const int64_t there = std::min(room.bytes, device.memory_bytes);
  if ((bytes + largest) > there / 10 * 9)
    fail("the step's weights take {} MB ({} of them twice while they are repacked), and {} MB are there ({})",
         bytes >> 20, largest >> 20, there >> 20, room.limit);
}

class Replay {
 public:
  Replay(ReplayStep& step, const ReplayRequest& request)
      : step_(step), r_(request), device_(request.backend->open(*request.device)), shelf_(*device_, *request.cache) {
    check_room(step, *request.device);
    std::vector<KernelChoice> choices;
    for (const ReplayOp& op : step.ops) choices.push_back(op.choice);
    shelf_.build(choices, request.note);
    for (const ReplayOp& op : step.ops) {
      if (interrupted()) return;
      if (r_.note) r_.note(fmt::format("{}: {} x {}", op.role, op.calls, op.choice.variant->id()));
      ops_.push_back(
          std::make_unique<BoundReplayOp>(op, *device_, shelf_.kernel(*op.choice.variant), request.device->one_worker));
      alone_.push_back(device_->bind(ops_.back()->launches));
    }
    bind_batches();
  }

  std::vector<ReplayBatch> run() {
    if (interrupted()) return {};
    MeasuringLock lock(r_.device->physical());
    if (!lock.acquire([&](const std::string& holder) { r_.note("waiting for the measuring lock: " + holder); }))
      return {};
    round(/*counts=*/false);
    for (int i = 0; i < r_.rounds && !interrupted(); ++i) round(/*counts=*/true);
    return std::move(batches_);
  }

 private:
  /// The step's launches in order, cut into submissions.
  void bind_batches() {
    std::vector<Launch> all;
    std::vector<size_t> next(ops_.size(), 0);
    for (const size_t op : step_.launches) all.push_back(ops_[op]->launches[next[op]++]);
    for (const int64_t size : r_.batches) {
      const int64_t each = size == 0 ? std::ssize(all) : std::min<int64_t>(size, std::ssize(all));
      ReplayBatch batch{each, 0, {}};
      std::vector<std::unique_ptr<Program>> programs;
      for (size_t at = 0; at < all.size(); at += size_t(each))
        programs.push_back(device_->bind(std::span(all).subspan(at, std::min(size_t(each), all.size() - at))));
      batch.submissions = std::ssize(programs);
      batches_.push_back(std::move(batch));
      programs_.push_back(std::move(programs));
    }
    whole_ = device_->bind(all);
    ends_.resize(all.size());
    has_stamps_ = whole_->stamp(ends_);
  }

  static double run_ms(std::span<const std::unique_ptr<Program>> programs) {
    const int64_t began = now_ns();
    for (const std::unique_ptr<Program>& program : programs) program->run(), program->wait();
    return double(now_ns() - began) * 1e-6;
  }

  /// The whole step stands before each op alone: it leaves caches as a step does.
  void round(bool counts) {
    std::vector<size_t> order(batches_.size() + alone_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    for (const size_t i : order) {
      if (interrupted()) return;
      if (i < batches_.size()) {
        const double ms = run_ms(programs_[i]);
        if (counts) batches_[i].ms.push_back(ms);
        continue;
      }
      const size_t op = i - batches_.size();
      run_whole(counts);
      const double ms = run_ms(std::span(&alone_[op], 1));
      if (counts) step_.ops[op].alone_us.push_back(ms * 1e3 / double(step_.ops[op].calls));
    }
  }

  void run_whole(bool counts) {
    const int64_t began = now_ns();
    whole_->run(), whole_->wait();
    if (!counts || !has_stamps_) return;
    std::vector<double> sums(step_.ops.size(), 0);
    int64_t before = began;
    for (size_t i = 0; i < ends_.size(); before = ends_[i++])
      sums[step_.launches[i]] += double(ends_[i] - before) * 1e-3;
    for (size_t op = 0; op < sums.size(); ++op)
      step_.ops[op].in_context_us.push_back(sums[op] / double(step_.ops[op].calls));
  }

  ReplayStep& step_;
  const ReplayRequest& r_;
  std::unique_ptr<Device> device_;
  KernelShelf shelf_;
  std::vector<std::unique_ptr<BoundReplayOp>> ops_;
  std::vector<std::unique_ptr<Program>> alone_;
  std::vector<ReplayBatch> batches_;
  std::vector<std::vector<std::unique_ptr<Program>>> programs_;  // of each batch
  std::unique_ptr<Program> whole_;                               // with stamps
  std::vector<int64_t> ends_;
  bool has_stamps_ = false;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace

std::vector<ReplayBatch> replay(ReplayStep& step, const ReplayRequest& request) { return Replay(step, request).run(); }

double submission_us(const std::vector<ReplayBatch>& batches) {
  const auto less = [](const ReplayBatch& a, const ReplayBatch& b) { return a.submissions < b.submissions; };
  const auto [fewest, most] = std::minmax_element(batches.begin(), batches.end(), less);
  if (fewest == batches.end() || fewest->submissions == most->submissions) return 0;
  std::vector<double> differences;
  for (size_t i = 0; i < std::min(fewest->ms.size(), most->ms.size()); ++i)
    differences.push_back(most->ms[i] - fewest->ms[i]);
  return summarize(differences).median * 1e3 / double(most->submissions - fewest->submissions);
}

}  // namespace assay

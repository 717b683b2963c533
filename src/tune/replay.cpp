// A whole step as one program.
#include "tune/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "backend/measured_device.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/session.h"
#include "measure/measuring_lock.h"
#include "measure/worker_process.h"
#include "tune/replay_op.h"
#include "tune/shared_operands.h"
#include "tune/step_places.h"

namespace assay {
namespace {

// Alone an op must not find its weights in a cache, and a chain of few launches feels how it begins and ends.
constexpr int64_t kMostAlone = 200, kLeastAlone = 48, kColdBytes = int64_t(512) << 20;
constexpr int kRedoDisturbed = 3;
constexpr int64_t kLargeBytes = int64_t(64) << 10;  // more than a core's nearest cache
// A program that meets other processes gives way to them after four runs, with fewer threads: none gets so old.
constexpr int kRunsOfProgram = 4;

/// Of an op alone, where the device has memory of its own: so many sets of weights.
int64_t sets_of(const ReplayOp& op, const DeviceInfo& device) {
  if (!times_itself(device)) return op.calls;
  return std::max(op.calls, std::min(kMostAlone, kColdBytes / std::max<int64_t>(op.spec.weight_bytes(), 64)));
}

void check_room(const ReplayStep& step, const DeviceInfo& device) {
  int64_t bytes = 0, largest = 0;
  for (const ReplayOp& op : step.ops) {
    const int64_t of_op = sets_of(op, device) * op.spec.weight_bytes();
    bytes += of_op;
    if (op.choice.variant->prepares) largest = std::max(largest, of_op);
  }
  const MemoryRoom room = memory_room();
  const int64_t there = std::min(room.bytes, device.memory_bytes);
  if ((bytes + largest) > there / 10 * 9)
    fail("the step's weights take {} MB ({} of them twice while they are repacked), and {} MB are there ({})",
         bytes >> 20, largest >> 20, there >> 20, room.limit);
}

}  // namespace

class Replay::Parts {
 public:
  Parts(ReplayStep& step, const ReplayRequest& request)
      : step_(step), r_(request), device_(opened()), shelf_(*device_, *request.cache) {
    check_room(step, *request.device);
    std::vector<KernelChoice> choices;
    for (const ReplayOp& op : step.ops) choices.push_back(op.choice);
    if (measured_ && r_.empty.variant) choices.push_back(r_.empty);
    shelf_.build(choices, request.note);
    r_.note("repacking the weights of a step");
    bind_ops();
    if (interrupted()) return;
    if (!measured_) share_operands();
    bind_alone();
    bind_batches();
    if (measured_) bind_timed();
  }

  const std::vector<ReplayBatch>& batches() const { return batches_; }

  void measure(int rounds) {
    if (interrupted()) return;
    MeasuringLock lock(r_.device->physical());
    if (!lock.acquire([&](const std::string& holder) { r_.note("waiting for the measuring lock: " + holder); })) return;
    if (!std::exchange(is_warm_, true)) round(/*counts=*/false);
    for (int i = 0; i < rounds && !interrupted(); ++i) round(/*counts=*/true);
  }

  void measure_placed(const std::vector<size_t>& ops, int rounds) {
    if (interrupted()) return;
    ASSAY_CHECK(!measured_);
    MeasuringLock lock(r_.device->physical());
    if (!lock.acquire([&](const std::string& holder) { r_.note("waiting for the measuring lock: " + holder); })) return;
    const std::vector<Launch> step = launches(ops);
    std::vector<std::unique_ptr<PlacedLaunches>> placed;
    for (int i = 0; i <= rounds && !interrupted(); ++i) {
      if (i % kRunsOfProgram == 0) {
        placed.clear();
        for (const StepPlace& place : places_)
          placed.push_back(std::make_unique<PlacedLaunches>(place, step, *device_));
      }
      std::map<size_t, double> us;
      for (size_t p = 0; p < placed.size() && !interrupted(); ++p) us[places_[p].op] += placed[p]->run();
      const double read = read_us(ops.back());
      if (i == 0 || interrupted()) continue;
      for (const size_t op : ops) step_.ops[op].alone_us.push_back(us[base_of(op)] / double(step_.ops[op].calls));
      step_.between_us.push_back(read);
    }
  }

 private:
  using Programs = std::vector<std::unique_ptr<Program>>;

  /// A program that the device times, and where its milliseconds go, times `scale`.
  struct Timed {
    std::unique_ptr<Program> program;
    std::vector<double>* to;
    double scale;
    bool cold;  // the whole step stands before it, and leaves caches as a step does
  };

  std::unique_ptr<Device> opened() {
    if (!times_itself(*r_.device)) return r_.backend->open(*r_.device);
    auto device = r_.backend->open_measured(*r_.device, r_.device->memory_bytes);
    measured_ = device.get();
    return device;
  }

  /// What is repacked lies in one block, as a session has it: in huge pages, where each for itself would begin and end
  /// in small ones, or lie in small ones altogether.
  void bind_ops() {
    const auto kernel = [this](const ReplayOp& op) -> LoadedKernel& { return shelf_.kernel(*op.choice.variant); };
    int64_t bytes = 0;
    for (const ReplayOp& op : step_.ops) bytes += sets_of(op, *r_.device) * repacked_bytes(op, kernel(op));
    Address place = bytes > 0 ? device_->allocate(bytes) : nullptr;
    for (const ReplayOp& op : step_.ops) {
      if (interrupted()) return;
      const int64_t sets = sets_of(op, *r_.device);
      ops_.push_back(std::make_unique<BoundReplayOp>(op, sets, *device_, kernel(op), r_.device->one_worker, place));
      if (place) place += sets * repacked_bytes(op, kernel(op));
    }
  }

  bool overlaps(const ReplayOp& op) const {
    return measured_ && r_.device->can_overlap() && op.choice.variant->chained;
  }

  size_t base_of(size_t op) const { return std::min(step_.ops[op].instead_of, op); }

  /// The step's launches in order by these kernels, one op for each that they name.
  std::vector<Launch> launches(const std::vector<size_t>& ops) const {
    std::map<size_t, size_t> places, next;
    for (const size_t op : ops) places[base_of(op)] = op;
    std::vector<Launch> all;
    for (const size_t op : step_.launches) all.push_back(ops_[places.at(op)]->launches[next[op]++]);
    return all;
  }

  /// What launches share by name is one memory for all of them, so that an op finds its input where the threads of the
  /// one before it wrote it; so is the workspace. The cache that a rotation writes is the one that attention reads.
  void share_operands() {
    SharedOperands shared(*device_);
    const auto for_all = [&](auto what) {
      std::vector<size_t> next(ops_.size(), 0);
      for (size_t i = 0; i < step_.operands.size(); ++i)
        for (size_t op = 0; op < ops_.size(); ++op)
          if (base_of(op) == step_.launches[i]) what(step_.operands[i], ops_[op]->launches[next[op]++]);
    };
    for_all([&](const auto& operands, const Launch& launch) { shared.list(operands, launch); });
    for_all([&](const auto& operands, Launch& launch) { shared.put(operands, launch); });
  }

  /// The step's launches in order, all but those of op number `without`.
  std::vector<Launch> launches(bool chained, size_t without = SIZE_MAX) const {
    std::vector<Launch> all;
    std::vector<size_t> next(ops_.size(), 0);
    for (const size_t op : step_.launches) {
      if (op == without) continue;
      all.push_back(ops_[op]->launches[next[op]++]);
      all.back().overlaps_previous = chained && overlaps(step_.ops[op]);
    }
    return all;
  }

  void bind_alone() {
    for (size_t op = 0; op < ops_.size(); ++op) {
      std::vector<Launch> sequence = ops_[op]->launches;
      while (measured_ && std::ssize(sequence) < kLeastAlone)
        sequence.push_back(sequence[sequence.size() % ops_[op]->launches.size()]);
      for (Launch& launch : sequence) launch.overlaps_previous = overlaps(step_.ops[op]);
      alone_.push_back(device_->bind(sequence));
      alone_launches_.push_back(std::ssize(sequence));
    }
  }

  /// The step's launches in order, cut into submissions.
  void bind_batches() {
    for (const int64_t size : r_.batches)
      for (const bool chained : {false, true}) {
        const std::vector<Launch> all = launches(chained);
        const int64_t each = size == 0 ? std::ssize(all) : std::min<int64_t>(size, std::ssize(all));
        if (chained && (each == 1 || !measured_ || !r_.device->can_overlap())) continue;
        ReplayBatch batch{each, 0, chained, {}, {}};
        Programs programs;
        for (size_t at = 0; at < all.size(); at += size_t(each))
          programs.push_back(device_->bind(std::span(all).subspan(at, std::min(size_t(each), all.size() - at))));
        batch.submissions = std::ssize(programs);
        batches_.push_back(std::move(batch));
        programs_.push_back(std::move(programs));
      }
    whole_ = device_->bind(launches(/*chained=*/true));
    ends_.resize(step_.launches.size());
    has_stamps_ = whole_->stamp(ends_);
  }

  /// What a device that times itself is asked for: each op alone, the step whole, without each of its ops, and empty.
  void bind_timed() {
    const bool can_chain = r_.device->can_overlap();
    for (size_t op = 0; op < ops_.size(); ++op)
      timed_.push_back({std::move(alone_[op]), &step_.ops[op].alone_us, 1e3 / double(alone_launches_[op]), true});
    without_ms_.resize(ops_.size());
    for (size_t op = 0; op < ops_.size(); ++op)
      if (const std::vector<Launch> rest = launches(can_chain, op); !rest.empty())
        timed_.push_back({device_->bind(rest), &without_ms_[op], 1, false});
    timed_.push_back({device_->bind(launches(false)), &step_.device.plain_ms, 1, false});
    if (can_chain) timed_.push_back({device_->bind(launches(true)), &step_.device.chained_ms, 1, false});
    if (!r_.empty.variant) return;
    for (const bool chained : {false, true}) {
      if (chained && !can_chain) continue;
      std::vector<Launch> empty(step_.launches.size(), empty_launch());
      for (Launch& launch : empty) launch.overlaps_previous = chained;
      timed_.push_back(
          {device_->bind(empty), chained ? &step_.device.empty_chained_ms : &step_.device.empty_plain_ms, 1, false});
    }
  }

  Launch empty_launch() {
    Launch launch;
    launch.kernel = &shelf_.kernel(*r_.empty.variant);
    launch.op = &op_of_readers();
    for (const Operand operand : {Operand::b, Operand::d}) {
      launch.tensors.push_back(dense_tensor(operand, Dtype::f32, 1, 1, 1024));
      launch.tensors.back().data = device_->allocate(launch.tensors.back().bytes);
    }
    return launch;
  }

  /// One submission after another; a device that works by itself is waited for once.
  void run_batch(size_t number, bool counts) {
    const int64_t began = now_ns();
    for (const std::unique_ptr<Program>& program : programs_[number]) {
      program->run();
      if (!measured_) program->wait();
    }
    const int64_t submitted = now_ns();
    if (measured_) programs_[number].back()->wait();
    if (!counts) return;
    batches_[number].ms.push_back(double(now_ns() - began) * 1e-6);
    if (measured_)
      batches_[number].submit_us.push_back(double(submitted - began) * 1e-3 / double(batches_[number].submissions));
  }

  double alone_us(size_t op) const {
    const int64_t began = now_ns();
    alone_[op]->run(), alone_[op]->wait();
    return double(now_ns() - began) * 1e-3 / double(alone_launches_[op]);
  }

  /// As Session::append(): logits are copied to the host and looked at.
  double read_us(size_t op) {
    for (const Tensor& t : ops_[op]->launches[0].tensors) {
      if (t.use != Use::output || t.dtype != Dtype::f32) continue;
      read_.resize(size_t(t.bytes) / sizeof(float));
      const int64_t began = now_ns();
      device_->read(read_.data(), t.data, t.bytes);
      all_finite_ = all_finite(read_);
      return double(now_ns() - began) * 1e-3;
    }
    return 0;
  }

  double timed_ms(Program& program) const {
    double ms = 0;
    for (int i = 0; i <= kRedoDisturbed; ++i) {
      ms = 0;
      bool disturbed = false;
      for (const LaunchTimes& t : measured_->time(program)) ms += t.device_us * 1e-3, disturbed |= t.disturbed;
      if (!disturbed) break;
    }
    return ms;
  }

  /// Each op alone, in the step's order: between two reads of a weight lie all others, as between two tokens, and a
  /// cache keeps of it what it keeps there.
  void rotate(const std::vector<size_t>& ops, bool counts) {
    for (const size_t op : ops) {
      if (interrupted()) return;
      const double us = alone_us(op);
      if (counts) step_.ops[op].alone_us.push_back(us);
    }
  }

  /// Batches and what the device times in another order each time. On a CPU what counts comes behind a pass in the same
  /// order.
  void round(bool counts) {
    if (!measured_) {
      std::vector<size_t> ops(ops_.size());
      std::iota(ops.begin(), ops.end(), size_t(0));
      rotate(ops, false), rotate(ops, counts);
      run_whole(false), run_whole(counts);
    }
    std::vector<size_t> order(batches_.size() + timed_.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::shuffle(order.begin(), order.end(), random_);
    for (const size_t i : order) {
      if (interrupted()) return;
      if (i < batches_.size()) {
        run_batch(i, counts);
        continue;
      }
      Timed& timed = timed_[i - batches_.size()];
      if (timed.cold) run_whole(counts);  // leaves caches as a step does
      if (const double ms = timed_ms(*timed.program); counts) timed.to->push_back(ms * timed.scale);
    }
    if (measured_ && counts) note_context();
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

  /// Where launches cannot be told apart: what the step is faster without them.
  void note_context() {
    const std::vector<double>& whole = r_.device->can_overlap() ? step_.device.chained_ms : step_.device.plain_ms;
    for (size_t op = 0; op < ops_.size(); ++op)
      if (!without_ms_[op].empty())
        step_.ops[op].in_context_us.push_back((whole.back() - without_ms_[op].back()) * 1e3 /
                                              double(step_.ops[op].calls));
  }

  ReplayStep& step_;
  const ReplayRequest r_;
  const std::vector<StepPlace> places_ =
      places_of(step_.launches, [this](size_t op) { return step_.ops[op].spec.min_bytes() >= kLargeBytes; });
  MeasuredDevice* measured_ = nullptr;  // device_, where it times itself
  std::unique_ptr<Device> device_;
  KernelShelf shelf_;
  std::vector<std::unique_ptr<BoundReplayOp>> ops_;
  Programs alone_;
  std::vector<int64_t> alone_launches_;
  std::vector<ReplayBatch> batches_;
  std::vector<Programs> programs_;  // of each batch
  std::unique_ptr<Program> whole_;  // with stamps
  std::vector<Timed> timed_;
  std::vector<std::vector<double>> without_ms_;  // of each op
  std::vector<int64_t> ends_;
  std::vector<float> read_;
  bool has_stamps_ = false, is_warm_ = false, all_finite_ = true;
  std::mt19937_64 random_{std::random_device{}()};
};

Replay::Replay(ReplayStep& step, const ReplayRequest& request) : parts_(std::make_unique<Parts>(step, request)) {}
Replay::~Replay() = default;
void Replay::measure(int rounds) { parts_->measure(rounds); }
void Replay::measure_placed(const std::vector<size_t>& ops, int rounds) { parts_->measure_placed(ops, rounds); }
const std::vector<ReplayBatch>& Replay::batches() const { return parts_->batches(); }

bool times_itself(const DeviceInfo& device) { return device.launches_per_sample > 1; }

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

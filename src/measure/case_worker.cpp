// One case in its worker.
#include "measure/case_worker.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/stages.h"

namespace assay {
namespace {

constexpr int kRedoDisturbed = 3;
constexpr int64_t kDearBytes = int64_t(64) << 20;      // where each case is a process, memory that it must get anew
constexpr int kWarmUpLaunches = 3, kWalledLaunch = 1;  // the latter in a case's first visit
constexpr double kWarmUpBelowUs = 300;                 // a longer launch does not feel how it begins
constexpr double kTurnPatience = 30;     // a turn's time may be exceeded so far for the sake of its least launches
constexpr int64_t kHandedLaunches = 16;  // of a sample whose inputs are handed over late
constexpr uint64_t kHandedOf = 4;        // of so many turns behind the first one has such a sample, drawn
constexpr uint64_t kWholeOf = 4;         // of so many later visits one, drawn, compares all of its first launch
constexpr uint64_t kComparableOf =
    4;  // of so many samples that are not to be compared one gets an A that the reference knows

/// What the device is to call is gone when this is, also where a launch failed first.
class Meanwhile {
 public:
  Meanwhile(MeasuredDevice& device, std::function<void()> call) : device_(device) {
    if (device.works_by_itself()) device.meanwhile = std::move(call);
  }
  ~Meanwhile() { device_.meanwhile = nullptr; }

 private:
  MeasuredDevice& device_;
};

}  // namespace

CaseWorker::CaseWorker(const WorkerCase& work, OpenedArenas& opened)
    : work_(work), opened_(opened), device_(opened.device()), random_(std::random_device{}()) {
  if (work.proof) judge_ = work.proof->judge(work.variant->accuracy);
}

void CaseWorker::load() {
  const InStage stage(Stage::open);
  kernel_ = device_.load(*work_.variant, *work_.module);
  if (work_.converter) converter_ = device_.load(*work_.converter, *work_.converter_module);
}

void CaseWorker::setup(const Command& command, Reply& reply) {
  const int64_t began = now_ns();
  watch_all_ = command.watch_all;
  load();
  bound_.emplace(work_, opened_, *kernel_, most_launches() > 1 ? most_launches() + SequenceLength::kRoomToExtend : 1);
  reply.workspace_bytes = bound_->launch(0).workspace_bytes;
  const std::span<std::byte> room = bound_->room_to_prepare();
  const bool room_is_dear = std::ssize(room) >= kDearBytes && !work_.device->one_worker;
  int64_t room_used = 0;
  if (room_is_dear) try_special_at_setup(reply, room, &room_used);
  const Binding::Preparation prepared = bound_->prepare(room_used, converter_.get());
  reply.prepare_us = prepared.us;
  reply.untimed_check_us += prepared.check_us;
  if (!prepared.message.empty()) set(reply, Outcome::wrong, prepared.message);
  const Launch& first_launch = bound_->launch(0);
  reply.prepared_bytes = first_launch.prepared_bytes;
  reply.launch_bytes = first_launch.bytes;
  reply.resources = kernel_->resources(first_launch);
  length_.emplace(least_launches(), most_launches(), bound_->ring().slots(), checkable());
  try_uneven_launches(warm_up(reply), reply);
  try_special_draws(reply);
  try_other_constants(reply);
  try_spaced_operands(reply);
  try_other_sizes(reply);
  try_some_numbers(reply);
  if (!room_is_dear) try_special_at_setup(reply, {}, nullptr);
  finish(reply);
  account(began, reply);
}

LaunchInputs CaseWorker::warm_up(Reply& reply) {
  const LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
  std::vector<std::byte> first;
  // Of a product's later visit a part is enough most times: which, nobody can know.
  const bool is_later = !work_.first_visit && work_.inputs->spec().op->is_product;
  const bool whole = !is_later || random_() % kWholeOf == 0;
  double device_us = INFINITY;  // the first launches are slow, some of them by far
  for (int i = 0; i < kWarmUpLaunches && reply.outcome == Outcome::pass; ++i) {
    const bool last = i + 1 == kWarmUpLaunches;
    if (i == kWalledLaunch && try_walled(inputs, first, reply)) continue;
    device_us = std::min(
        device_us,
        launch(inputs, 1, reply, {.compared = i == 0 || last, .last = last, .whole = i == 0 && whole}).device_us);
    if (!judge_) continue;
    const std::span<const std::byte> d = bound_->ring().slot(0);
    if (i == 0) first.assign(d.begin(), d.end());
    if (same_bytes(d, first)) continue;  // and so as right as the first
    reply.nondeterministic = 1;
    if (const std::string message = judge_->check(d, {bound_->source_copy(inputs.copy), inputs.a}); !message.empty())
      set(reply, Outcome::wrong, message);
  }
  length_->choose(device_us);
  return inputs;
}

void CaseWorker::sample(const Command& command, Reply& reply, LaunchTimes* times) {
  const int64_t began = now_ns();
  watch_all_ = command.watch_all;
  if (!watch_all_ && !prepared_is_whole(reply)) return;
  take_samples(command, reply, times);
  finish(reply);
  account(began, reply);
}

/// Whether nobody wrote into this case's prepared weights since its last step. It cannot be told who did: the group
/// then begins anew, and watches all of them.
bool CaseWorker::prepared_is_whole(Reply& reply) {
  const int64_t began = now_ns();
  if (!bound_->prepared_blocks().empty() && !device_.protected_changed(bound_->prepared_blocks()).empty())
    reply.tainted = 1;
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
  return !reply.tainted;
}

/// What a launch of this case could have changed: the weights that all read, and its own prepared ones.
std::span<const Address> CaseWorker::watched() const {
  return watch_all_ ? opened_.prepared_blocks() : bound_->prepared_blocks();
}

/// A disturbed launch is left out at most three times running, then kept and marked; so is the last one at once, or a
/// turn that is disturbed throughout could meet the copies with a reference, every fourth, only in launches that are
/// left out. Every launch meets the next copy: one that was just read would be found in a cache.
void CaseWorker::take_samples(const Command& command, Reply& reply, LaunchTimes* times) {
  const int64_t began = now_ns();
  sampling_ = true;
  hands_over_ = !bound_->handed().empty() && (turns_++ == 0 || random_() % kHandedOf == 0);
  const int64_t first = bound_->rotates_alone() ? own_position_ : command.first_copy;
  int64_t position = first;
  int warm_up = length_->is_sequence() ? 0 : command.warm_up;
  // Which sample has a launch compared element by element; the last one, if the turn ends before.
  const int drawn =
      int(random_() % uint64_t(std::max(1, length_->is_sequence() ? command.least_launches : command.launches)));
  bool compared = false;
  for (int left_out = 0; reply.samples < kMostSamples && reply.outcome == Outcome::pass; ++position) {
    const int64_t length = length_->from(position);
    position += length - 1;  // where the sample's last launch stands
    const double spent_us = double(now_ns() - began) * 1e-3;
    const bool enough = reply.samples + 1 >= command.launches || spent_us > kTurnPatience * command.time_us ||
                        (reply.samples + 1 >= command.least_launches && spent_us > command.time_us);
    // A sequence has an order of its own.
    const int64_t place = length > 1 || work_.bulk ? position % bound_->rotation()
                                                   : drawn_place(position, bound_->rotation(), work_.order);
    const bool can_check = !judge_ || judge_->can_check(bound_->source_copy(place));
    const bool last = enough && can_check, compare = !compared && can_check && (last || reply.samples >= drawn);
    compared |= compare;
    const bool comparable = compare || last || random_() % kComparableOf == 0 || !may_be_free();
    const LaunchInputs inputs = random_inputs(place, length, comparable);
    const LaunchTimes taken = launch(inputs, length, reply, {compare, last});
    if (!last && length_->was_too_short(taken.device_us)) continue;
    if (warm_up-- > 0 && taken.device_us < kWarmUpBelowUs) continue;
    if (taken.disturbed && !last && left_out++ < kRedoDisturbed) continue;
    left_out = 0;
    times[reply.samples++] = taken;
    if (last) break;
  }
  compare_pending(reply);
  own_position_ = position + 1;
  reply.next_copy = command.first_copy + own_position_ - first;
}

void CaseWorker::settle(const Command& command, Reply& reply) {
  if (!judge_) return;
  if (!bound_) return look_at_special_outputs(reply);  // a process that was made for them alone
  if (bound_->ring().empty()) return;
  const int64_t began = now_ns();
  // First: who writes behind this is seen below, or has not yet come to rest.
  if (command.looks_for_rest) reply.restless = int32_t(device_.rest());
  OutputRing& ring = bound_->ring();
  if (!ring.unchanged()) set(reply, Outcome::wrong, kChangedLater);
  if (late_)
    if (const std::string message = late_->changed(); !message.empty()) set(reply, Outcome::wrong, message);
  look_at_special_outputs(reply);
  Look look;
  ring.add_slots(look, last_slot_, last_slot_ + 1);
  bound_->surroundings().add_to(look);
  device_.look(look);
  if (const std::string message = ring.broken_far(); !message.empty()) set(reply, Outcome::wrong, message);
  if (judge_->can_check(last_))
    if (const std::string message = judge_->check(ring.slot(last_slot_), last_, drawn_part()); !message.empty())
      set(reply, Outcome::wrong, message);
  if (const std::string message = bound_->surroundings().changed(host_varied_); !message.empty())
    set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
  look_at_process(reply);
}

/// At the end of a step that launched.
void CaseWorker::finish(Reply& reply) {
  const int64_t began = now_ns();
  if (const std::string message = device_.protected_changed(watched()); !message.empty()) {
    reply.tainted = 1;
    reply.outcome = Outcome::pass;  // whatever else was wrong may come of it
    set(reply, Outcome::wrong, message);
  }
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

void CaseWorker::account(int64_t began_ns, const Reply& reply) {
  spent_us_ += double(now_ns() - began_ns) * 1e-3;
  checked_us_ += reply.untimed_check_us;
}

void CaseWorker::fill_in(Reply& reply) const {
  if (judge_) reply.errors = judge_->stats();
}

void CaseWorker::set(Reply& reply, Outcome outcome, const std::string& detail) {
  if (reply.outcome != Outcome::pass) return;
  reply.outcome = outcome;
  const size_t length = std::min(detail.size(), sizeof reply.detail - 1);
  std::memcpy(reply.detail, detail.data(), length);
  reply.detail[length] = 0;
}

/// Of one sample: what makes a submission in batched mode.
int64_t CaseWorker::least_launches() const {
  return work_.mode == Mode::batched && !work_.bulk ? work_.batch_launches : 1;
}

/// The device's wish, if it is more. Cold buffers can be had for single launches alone.
int64_t CaseWorker::most_launches() const {
  return work_.mode == Mode::cold ? 1 : std::max<int64_t>(least_launches(), work_.device->launches_per_sample);
}

/// Which places of the rotation have weights with a reference; none if nothing is compared.
std::vector<bool> CaseWorker::checkable() const {
  std::vector<bool> places;
  for (int64_t i = 0; judge_ && i < bound_->rotation(); ++i)
    places.push_back(judge_->can_check(bound_->source_copy(i)));
  return places;
}

/// Position in the rotation, and A; of a ceiling nothing looks at A.
LaunchInputs CaseWorker::random_inputs(int64_t position, int64_t length, bool comparable) {
  return {position, work_.proof ? work_.proof->draw(random_, length, comparable) : Variation()};
}

/// One sample: `length` launches, which end with the place inputs.copy of the rotation. Where the device is kept busy
/// until it has all of them, host times are those of a single dispatch just before, in batched mode those of the
/// submission.
LaunchTimes CaseWorker::launch(const LaunchInputs& inputs, int64_t length, Reply& reply, Role role) {
  const int64_t began = now_ns();
  const InStage stage(Stage::poison);
  if (judge_) {
    work_.proof->varied(inputs.a, host_varied_);
    for (size_t i = 0; i < host_varied_.size(); ++i)
      device_.write(bound_->varied()[i].data, host_varied_[i].data(), bound_->varied()[i].bytes);
  }
  bound_->renew_hot();
  const Launch& bound = instead_ ? *instead_ : bound_->launch(inputs.copy);
  order_.draw(inputs.copy, length, slots_to_use(), bound_->rotation(), random_);
  const bool is_sequence =
      length > 1 || (sampling_ && work_.mode == Mode::cold && work_.device->launches_per_sample > 1);
  const double bind_us = hands_over_ && role.last ? hand_over(inputs, length, is_sequence, reply) : 0;
  const bool needs_alone = is_sequence && work_.mode != Mode::batched;
  // Before the poison: what it writes must not stand in for the sequence's own launch.
  const int64_t alone_began = now_ns();
  const LaunchTimes alone = needs_alone ? dispatch_alone(inputs.copy) : LaunchTimes();
  const int64_t alone_ended = now_ns();
  if (judge_) bound_->ring().poison(order_.used_slots());
  // Or it holds what launches before left there, of other inputs: who takes NaN for "not yet" is found by that.
  if (bound.workspace_bytes > 0 && (uneven_way_ || random_() % 2 == 0))
    device_.fill(bound.workspace, kPoison, bound.workspace_bytes);
  evict();

  Look at_return;
  if (judge_ && !is_sequence) bound_->ring().add_survey(at_return, 1);
  is_read_ = !is_sequence && device_.read_at_return(at_return.ranges);
  const int64_t submitted = now_ns();
  LaunchTimes times = time_counted(bound, is_sequence, length, reply);
  const int64_t returned = now_ns();
  if (needs_alone) times.encode_us = alone.encode_us, times.submit_us = alone.submit_us, times.wait_us = alone.wait_us;
  if (judge_) verify(order_, inputs, reply, role);
  const double timed_us = double(alone_ended - alone_began + returned - submitted) * 1e-3 + bind_us;
  reply.untimed_check_us += double(now_ns() - began) * 1e-3 - timed_us;
  times.device_us *= work_.variant->timer_scale;  // not 1 only in the self-test
  return times;
}

/// In the sequences that are timed A is there all the time. So launches that may begin early run once more, untimed, as
/// a chain in which A comes late, each behind one that is given another A: what a cache kept of that is wrong too. The
/// sequence is bound while that runs; returns what that took.
double CaseWorker::hand_over(const LaunchInputs& inputs, int64_t length, bool is_sequence, Reply& reply) {
  work_.proof->varied(work_.proof->draw(random_, 1, /*comparable=*/false), host_decoys_);
  for (size_t i = 0; i < host_decoys_.size(); ++i) {
    const HandedOver& handed = bound_->handed()[i];
    device_.write(handed.from[0], host_decoys_[i].data(), handed.bytes);
    device_.write(handed.from[1], host_varied_[i].data(), handed.bytes);
  }
  SampleOrder order;
  // One output is left to the launches that are given another A: those of an op that says by its inputs where it writes
  // would be found in what is judged.
  const int64_t slots = std::max<int64_t>(bound_->ring().slots() - 1, 1);
  order.draw(inputs.copy, std::min(length, kHandedLaunches), slots, bound_->rotation(), random_);
  bound_->ring().poison(order.used_slots());
  const Launch& any = bound_->launch(inputs.copy);
  if (any.workspace_bytes > 0) device_.fill(any.workspace, kPoison, any.workspace_bytes);
  std::vector<Launch> sequence;
  for (const SampleOrder::Played& played : order.launches())
    for (const int64_t slot : {std::min(order.used_slots(), bound_->ring().slots() - 1), played.slot}) {
      sequence.push_back(bound_->launch(played.place));
      sequence.back().overlaps_previous = true;
      bound_->ring().bind(sequence.back(), slot);
    }
  double bind_us = 0;
  bool is_handed_over = false;
  {
    const Meanwhile meanwhile(device_, [&] {
      compare_pending(reply);
      if (!is_sequence) return;
      const int64_t began = now_ns();
      program_ = bind_sequence();
      bind_us = double(now_ns() - began) * 1e-3;
    });
    is_handed_over = device_.hand_over(sequence, bound_->handed());
  }
  if (is_handed_over) verify(order, inputs, reply, {});
  return bind_us;
}

LaunchTimes CaseWorker::time_counted(const Launch& bound, bool is_sequence, int64_t length, Reply& reply) {
  const InStage stage(Stage::launch);
  const bool counts = work_.counters && sampling_;
  const Counts before = counts ? device_.counts() : Counts();
  if (uneven_way_) {
    device_.dispatch_unevenly(bound, *uneven_way_);
    return {};
  }
  const LaunchTimes times = is_sequence ? submit_many(reply) : device_.dispatch(bound);
  if (!counts) return times;
  const Counts passed = device_.counts() - before;
  if (reply.counted_launches == 0) reply.counted = {0, 0, 0};
  reply.counted.dram_bytes += passed.dram_bytes;
  reply.counted.instructions += passed.instructions;
  reply.counted.cycles += passed.cycles;
  reply.counted_launches += length;
  return times;
}

/// The second of two: an engine makes one dispatch after another, and finds its code and the library's in the host's
/// caches.
LaunchTimes CaseWorker::dispatch_alone(int64_t copy) {
  evict();
  device_.dispatch(bound_->launch(copy - 1));
  evict();
  return device_.dispatch(bound_->launch(copy));
}

/// In mode cold: nothing that a launch reads is left in a cache.
void CaseWorker::evict() {
  if (bound_->scratch()) device_.fill(bound_->scratch(), 0, bound_->scratch_bytes());
}

/// The sample in work, each launch with its own copy of B.
std::unique_ptr<Program> CaseWorker::bind_sequence() {
  std::vector<Launch> sequence;
  for (const SampleOrder::Played& played : order_.launches()) {
    sequence.push_back(bound_->launch(played.place));
    sequence.back().overlaps_previous = bound_->overlaps();
    bound_->ring().bind(sequence.back(), played.slot);
  }
  return device_.bind(sequence);
}

/// A sequence; the mean of its launches. Host times are those of its submission. What the sample before left to compare
/// is compared while it runs: that costs what it takes longer.
LaunchTimes CaseWorker::submit_many(Reply& reply) {
  const std::unique_ptr<Program> program = program_ ? std::move(program_) : bind_sequence();
  double compared_us = 0;
  const Meanwhile meanwhile(device_, [&] {
    const int64_t began = now_ns();
    compare_pending(reply);
    compared_us = double(now_ns() - began) * 1e-3;
  });
  const std::vector<LaunchTimes> times = device_.time(*program);
  LaunchTimes mean;
  const double share = 1.0 / double(times.size());
  for (const LaunchTimes& t : times) {
    mean.device_us += t.device_us * share;
    mean.encode_us += t.encode_us * share;
    mean.submit_us += t.submit_us * share;
    mean.wait_us += t.wait_us * share;
    mean.disturbed |= t.disturbed;
  }
  mean.launches = int32_t(times.size());
  reply.untimed_check_us += std::max(0.0, compared_us - mean.device_us * double(times.size()));
  return mean;
}

}  // namespace assay

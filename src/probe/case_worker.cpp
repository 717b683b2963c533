// One case in its worker.
#include "probe/case_worker.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "probe/special_launch.h"

namespace assay {
namespace {

constexpr int kRedoDisturbed = 3;
constexpr int kWarmUpLaunches = 3;
constexpr double kWarmUpBelowUs = 300;  // a longer launch does not feel how it begins
constexpr double kTurnPatience = 30;    // a turn's time may be exceeded so far for the sake of its least launches
constexpr int64_t kWholeCheckElements = 65'536;
constexpr int64_t kCheapCheckElements = 1'000;  // above, only the last launch of a turn is compared element by element
constexpr int64_t kMostCompared = 16;           // where that is cheap, so many of a sequence's last launches are compared

}  // namespace

CaseWorker::CaseWorker(const WorkerCase& work, OpenedArenas& opened)
    : work_(work), opened_(opened), device_(opened.device()), random_(std::random_device{}()) {
  if (work.reference) validator_.emplace(*work.reference, !work.variant->activation_error.empty());
}

void CaseWorker::setup(const Command& command, Reply& reply) {
  watch_all_ = command.watch_all;
  kernel_ = device_.load(*work_.variant, *work_.module);
  bound_.emplace(work_, opened_, *kernel_, most_launches() > 1 ? most_launches() + SequenceLength::kRoomToExtend : 1);
  reply.workspace_bytes = bound_->launch(0).workspace_bytes;
  const Binding::Preparation prepared = bound_->prepare();
  reply.prepare_us = prepared.us;
  reply.untimed_check_us += prepared.check_us;
  if (!prepared.message.empty()) set(reply, Outcome::wrong, prepared.message);
  const Launch& first_launch = bound_->launch(0);
  reply.prepared_bytes = first_launch.prepared_bytes;
  reply.cold_bytes = bound_->cold_bytes();
  reply.launch_bytes = first_launch.bytes;
  reply.resources = kernel_->resources(first_launch);
  length_.emplace(least_launches(), most_launches(), bound_->ring().slots(), checkable());
  warm_up(reply);
  try_special_values(reply);
  finish(reply);
}

void CaseWorker::warm_up(Reply& reply) {
  const LaunchInputs inputs = random_inputs(length_->first_checkable());
  std::vector<std::byte> first;
  double device_us = INFINITY;  // the first launches are slow, some of them by far
  for (int i = 0; i < kWarmUpLaunches && reply.outcome == Outcome::pass; ++i) {
    const Role role = i == 0 ? Role::compared : i + 1 == kWarmUpLaunches ? Role::last : Role::plain;
    device_us = std::min(device_us, launch(inputs, 1, reply, role).device_us);
    if (!validator_) continue;
    const std::span<const std::byte> d = bound_->ring().slot(0);
    if (i == 0) first.assign(d.begin(), d.end());
    if (std::equal(d.begin(), d.end(), first.begin(), first.end())) continue;  // and so as right as the first
    reply.nondeterministic = 1;
    if (const std::string message =
            validator_->check(d, {bound_->source_copy(inputs.copy), inputs.factor, inputs.flip});
        !message.empty())
      set(reply, Outcome::wrong, message);
  }
  length_->choose(device_us);
}

/// After the usual values, so that what is wrong in any case is said first.
void CaseWorker::try_special_values(Reply& reply) {
  if (!validator_ || !work_.special || reply.outcome != Outcome::pass) return;
  const int64_t began = now_ns();
  if (const std::string message = check_special_values(work_, opened_, *kernel_); !message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

void CaseWorker::sample(const Command& command, Reply& reply, LaunchTimes* times) {
  watch_all_ = command.watch_all;
  if (!watch_all_ && !prepared_is_whole(reply)) return;
  take_samples(command, reply, times);
  finish(reply);
}

/// Whether nobody wrote into this case's prepared weights since its last step. It cannot be told who did: the group then begins anew, and
/// watches all of them.
bool CaseWorker::prepared_is_whole(Reply& reply) {
  const int64_t began = now_ns();
  if (!bound_->prepared_blocks().empty() && !device_.protected_changed(bound_->prepared_blocks()).empty()) reply.tainted = 1;
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
  return !reply.tainted;
}

/// What a launch of this case could have changed: the weights that all read, and its own prepared ones.
std::span<const Address> CaseWorker::watched() const {
  return watch_all_ ? opened_.prepared_blocks() : bound_->prepared_blocks();
}

/// A disturbed launch is left out at most three times running, then kept and marked; so is the last one at once, or a turn that is
/// disturbed throughout could meet the copies with a reference, every fourth, only in launches that are left out. Every launch meets the
/// next copy: one that was just read would be found in a cache.
void CaseWorker::take_samples(const Command& command, Reply& reply, LaunchTimes* times) {
  const int64_t began = now_ns();
  sampling_ = true;
  int64_t position = command.first_copy;
  int warm_up = length_->is_sequence() ? 0 : command.warm_up;
  for (int left_out = 0; reply.samples < kMostSamples && reply.outcome == Outcome::pass; ++position) {
    const int64_t length = length_->from(position);
    position += length - 1;  // where the sample's last launch stands
    const double spent_us = double(now_ns() - began) * 1e-3;
    const bool enough = reply.samples + 1 >= command.launches || spent_us > kTurnPatience * command.time_us ||
                        (reply.samples + 1 >= command.least_launches && spent_us > command.time_us);
    const bool last = enough && (!validator_ || validator_->can_check(bound_->source_copy(position)));
    const LaunchTimes taken = launch(random_inputs(position % bound_->rotation()), length, reply, last ? Role::last : Role::plain);
    if (!last && length_->was_too_short(taken.device_us)) continue;
    if (warm_up-- > 0 && taken.device_us < kWarmUpBelowUs) continue;
    if (taken.disturbed && !last && left_out++ < kRedoDisturbed) continue;
    left_out = 0;
    times[reply.samples++] = taken;
    if (last) break;
  }
  reply.next_copy = position + 1;
}

void CaseWorker::settle(Reply& reply) {
  if (!validator_ || bound_->ring().empty()) return;
  const int64_t began = now_ns();
  OutputRing& ring = bound_->ring();
  if (!ring.unchanged())
    set(reply, Outcome::wrong, "D changed after the kernel had returned: something still writes to it");
  Look look;
  ring.add_to(look, last_slot_ + 1, last_slot_);
  bound_->surroundings().add_to(look, bound_->a());
  device_.look(look);
  if (validator_->can_check(last_.copy))
    if (const std::string message = validator_->check(ring.slot(last_slot_), last_); !message.empty())
      set(reply, Outcome::wrong, message);
  if (const std::string message = bound_->surroundings().changed(bound_->a(), host_a_); !message.empty())
    set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
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

void CaseWorker::fill_in(Reply& reply) const {
  if (validator_) reply.errors = validator_->stats();
}

void CaseWorker::set(Reply& reply, Outcome outcome, const std::string& detail) {
  if (reply.outcome != Outcome::pass) return;
  reply.outcome = outcome;
  const size_t length = std::min(detail.size(), sizeof reply.detail - 1);
  std::memcpy(reply.detail, detail.data(), length);
  reply.detail[length] = 0;
}

/// Of one sample: what makes a submission in batched mode.
int64_t CaseWorker::least_launches() const { return work_.mode == Mode::batched && !work_.bulk ? work_.batch_launches : 1; }

/// The device's wish, if it is more. Cold buffers can be had for single launches alone.
int64_t CaseWorker::most_launches() const {
  return work_.mode == Mode::cold ? 1 : std::max<int64_t>(least_launches(), work_.device->launches_per_sample);
}

/// Which places of the rotation have weights with a reference; none if nothing is compared.
std::vector<bool> CaseWorker::checkable() const {
  std::vector<bool> places;
  for (int64_t i = 0; validator_ && i < bound_->rotation(); ++i) places.push_back(validator_->can_check(bound_->source_copy(i)));
  return places;
}

/// Position in the rotation, A's factor ±2^j, and one column with its sign flipped: nothing remembered is right.
LaunchInputs CaseWorker::random_inputs(int64_t position) {
  const uint64_t bits = random_();
  const int exponent = int(bits % 7) - 3;
  const double factor = std::ldexp(bits & 0x100 ? -1.0 : 1.0, exponent);
  const int64_t flips = work_.reference ? work_.reference->flip_count() : 1;
  return {position, factor, int64_t((bits >> 16) % uint64_t(flips))};
}

/// One sample: `length` launches, of which the last one's copy is inputs.copy. Where the device is kept busy until it has all of them, host
/// times are those of a single dispatch just before, in batched mode those of the submission.
LaunchTimes CaseWorker::launch(const LaunchInputs& inputs, int64_t length, Reply& reply, Role role) {
  const int64_t began = now_ns();
  if (validator_) {
    work_.inputs->scaled_a(inputs.factor, work_.reference->flip_column(inputs.flip), host_a_);
    device_.write(bound_->a().data, host_a_.data(), bound_->a().bytes);
  }
  const Launch& bound = bound_->launch(inputs.copy);
  const bool is_sequence = length > 1 || (sampling_ && work_.mode == Mode::cold && work_.device->launches_per_sample > 1);
  const bool needs_alone = is_sequence && work_.mode != Mode::batched;
  // Before the poison: what it writes must not stand in for the sequence's own launch.
  const int64_t alone_began = now_ns();
  const LaunchTimes alone = needs_alone ? dispatch_alone(inputs.copy) : LaunchTimes();
  const int64_t alone_ended = now_ns();
  if (validator_) bound_->ring().poison(std::min(length, bound_->ring().slots()));
  if (bound.workspace_bytes > 0) device_.fill(bound.workspace, kPoison, bound.workspace_bytes);
  evict();

  const int64_t submitted = now_ns();
  LaunchTimes times = is_sequence ? submit_many(inputs.copy, length) : device_.dispatch(bound);
  const int64_t returned = now_ns();
  if (needs_alone) times.encode_us = alone.encode_us, times.submit_us = alone.submit_us, times.wait_us = alone.wait_us;
  if (validator_) verify(inputs, length, reply, role);
  const double timed_us = double(alone_ended - alone_began + returned - submitted) * 1e-3;
  reply.untimed_check_us += double(now_ns() - began) * 1e-3 - timed_us;
  times.device_us *= work_.variant->timer_scale;  // not 1 only in the self-test
  return times;
}

/// The second of two: an engine makes one dispatch after another, and finds its code and the library's in the host's caches.
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

/// A sequence, each launch with its own copy of B; their mean. Host times are those of its submission.
LaunchTimes CaseWorker::submit_many(int64_t last, int64_t length) {
  std::vector<Launch> sequence;
  for (int64_t i = 0; i < length; ++i) {
    sequence.push_back(bound_->launch(last - (length - 1 - i)));
    bound_->ring().bind(sequence.back(), i % bound_->ring().slots());
  }
  LaunchTimes mean;
  const double share = 1.0 / double(sequence.size());
  for (const LaunchTimes& t : device_.time(sequence)) {
    mean.device_us += t.device_us * share;
    mean.encode_us += t.encode_us * share;
    mean.submit_us += t.submit_us * share;
    mean.wait_us += t.wait_us * share;
    mean.disturbed |= t.disturbed;
  }
  mean.launches = int32_t(length);
  return mean;
}

/// Every launch's buffer is scanned, by the device where it can: then only those that are compared come to the host. Where that is cheap
/// the last ones are compared with the reference, else at most the very last.
void CaseWorker::verify(const LaunchInputs& inputs, int64_t length, Reply& reply, Role role) {
  OutputRing& ring = bound_->ring();
  const int64_t used = std::min(length, ring.slots());
  const bool is_cheap = validator_->check_cost() <= kCheapCheckElements;
  const int64_t compared = is_cheap ? kMostCompared : sampling_ && role == Role::plain ? 0 : 1;
  int64_t looked_at = device_.can_survey() && length == used ? std::min(compared, used) : used;
  Look look;
  ring.add_to(look, used, used - looked_at);
  bound_->surroundings().add_to(look, bound_->a());
  device_.look(look);
  const std::optional<bool> survey = ring.surveyed(look);
  const bool is_whole = survey.value_or(false);
  if (!is_whole && looked_at < used) {
    Look again;
    ring.add_to(again, used, 0);
    device_.look(again);
    looked_at = used;
  }
  if (role == Role::last) device_.start_protected_check(watched());

  std::string message;
  for (int64_t back = 0; back < looked_at && message.empty(); ++back) {
    const std::span<const std::byte> d = ring.slot((length - 1 - back) % ring.slots());
    const LaunchInputs of_slot{bound_->source_copy(inputs.copy - back), inputs.factor, inputs.flip};
    if (!is_whole) message = validator_->scan(d);
    const bool compare = (role != Role::plain && back == 0) || (is_cheap && back < kMostCompared);
    if (message.empty() && compare && validator_->can_check(of_slot.copy))
      message = validator_->check(d, of_slot, checked_range());
  }
  last_ = {bound_->source_copy(inputs.copy), inputs.factor, inputs.flip};
  last_slot_ = (length - 1) % ring.slots();
  if (is_whole)
    validator_->count_scanned(used);
  else if (message.empty())
    message = ring.broken_guard();
  if (message.empty() && survey && !is_whole)
    message = "the device saw NaN in D or a broken guard band, which are gone: something still writes to it";
  if (const std::string left = device_.left_behind(); message.empty()) message = left;
  if (message.empty()) message = bound_->surroundings().changed(bound_->a(), host_a_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
}

/// A turn's check of a big D is of a sixteenth, anywhere: the first launch and the last are checked whole.
ElementRange CaseWorker::checked_range() {
  const int64_t elements = validator_->check_cost();
  if (!sampling_ || elements <= kWholeCheckElements) return {};
  const int64_t first = int64_t(random_() % uint64_t(elements - elements / 16 + 1));
  return {first, first + elements / 16};
}

}  // namespace assay

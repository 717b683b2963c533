// A case's untimed launches: on special values, swept over rows, places, positions, and thousands more of what may win.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/stages.h"
#include "measure/case_worker.h"
#include "measure/far_positions.h"
#include "measure/number_sweep.h"
#include "measure/other_sizes.h"
#include "measure/spaced_launch.h"
#include "measure/special_launch.h"
#include "measure/walled_launch.h"

namespace assay {
namespace {

constexpr const char* kOtherNumbers =
    "where its parameters are others (who takes only some returns ASSAY_UNSUPPORTED for the rest): ";
// So long a case sweeps over some rows or positions, and so long what may win if all would take too long …
constexpr double kSomeMs = 1, kManyMs = 100;
constexpr int64_t kSomeNumbers = 2'048;  // no more are drawn for that
// … and for so many launches, or as have so many multiplications.
constexpr int64_t kMostReused = int64_t(64) << 20;  // bytes of weights that are written for launches of their own
constexpr int64_t kLeastSwept = 64, kSomeMultiplications = 100'000'000, kManyMultiplications = 400'000'000;

}  // namespace

/// In place of a launch of the warm-up: on the inputs of the first, of which `first` is the right answer. False where
/// there are no walls.
bool CaseWorker::try_walled(const LaunchInputs& inputs, std::span<const std::byte> first, Reply& reply) {
  if (!judge_ || !work_.first_visit || work_.device->one_worker) return false;
  const int64_t began = now_ns();
  const InStage stage(Stage::walls);
  Walled walled;
  try {
    walled = run_walled(opened_, bound_->launch(inputs.copy), host_varied_);
  } catch (const NoRoom&) {  // what is timed needs less
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  auto& [message, d, launch_us] = walled;
  if (message.empty() && !same_bytes(d, first)) {
    message = judge_->scan(d);
    if (message.empty()) message = judge_->check(d, {bound_->source_copy(inputs.copy), inputs.a});
    if (!message.empty()) message = "where D holds numbers before, not NaN: " + message;
  }
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3 - launch_us;
  return true;
}

void CaseWorker::add_before(Reply& reply, const std::string& words) {
  const std::string detail = words + reply.detail;
  const Outcome outcome = std::exchange(reply.outcome, Outcome::pass);
  set(reply, outcome, detail);
}

/// By fewer threads than there are, as an engine's launches are that give way to other processes; and with threads that
/// are late: who waits for them by the clock is right only on a quiet machine. With inputs that were right before.
void CaseWorker::try_uneven_launches(const LaunchInputs& inputs, Reply& reply) {
  if (!judge_ || !work_.first_visit || most_launches() > 1) return;
  const int ways = device_.uneven_ways(bound_->launch(inputs.copy));
  for (int way = 0; way < ways && reply.outcome == Outcome::pass; ++way) {
    uneven_way_ = way;
    launch(inputs, 1, reply, {.compared = true, .last = false, .whole = false});
    uneven_way_.reset();
    if (reply.outcome == Outcome::pass) continue;
    add_before(reply, way < 2 ? "where some of its threads are late: " : "by fewer threads: ");
  }
}

/// Of an op that is no product: the special values of one have both spacings.
void CaseWorker::try_spaced_operands(Reply& reply) {
  if (!judge_ || !work_.first_visit || work_.inputs->spec().op->is_product || reply.outcome != Outcome::pass) return;
  const int64_t began = now_ns();
  const InStage stage(Stage::spaced);
  const LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
  const std::string message = check_spaced_operands(work_, opened_, bound_->launch(inputs.copy),
                                                    {bound_->source_copy(inputs.copy), inputs.a}, *judge_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

void CaseWorker::look_at_process(Reply& reply) {
  const int64_t began = now_ns();
  if (const std::string message = device_.left_in_process(); !message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

/// Of an op that is no product, whose special values (try_special_values) lie as in a mapped file as well; and an
/// ordinary one, on weights that do. What such a launch has no business with of its weights is poisoned.
void CaseWorker::try_special_draws(Reply& reply) {
  constexpr int kOrdinary = -1;
  const InStage stage(Stage::draws);
  if (work_.inputs->spec().op->is_product) return;
  UnreadWeights weights(work_, opened_);
  for (int i = kOrdinary; judge_ && work_.first_visit && i < work_.proof->specials() && reply.outcome == Outcome::pass;
       ++i) {
    LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
    if (i != kOrdinary) inputs.a = work_.proof->special(i);
    if (work_.variant->prepares) inputs.a.other_numbers = false;  // what it prepared may hold them
    const int64_t began = now_ns();
    instead_ = weights.launch(bound_->launch(inputs.copy), {bound_->source_copy(inputs.copy), inputs.a},
                              /*even_if_all_are_read=*/i == kOrdinary);
    reply.untimed_check_us += double(now_ns() - began) * 1e-3;
    if (inputs.a.other_numbers && !instead_) instead_ = bound_->launch(inputs.copy);
    if (i != kOrdinary || instead_) launch_special(inputs, reply);
  }
  instead_.reset();
}

/// Who keeps its first launch's numbers is wrong where they are others; who takes no others may say so.
void CaseWorker::launch_special(LaunchInputs inputs, Reply& reply) {
  constexpr Role kRole = {.compared = true, .last = false, .whole = true};
  if (inputs.a.other_numbers) {
    instead_->params = work_.proof->spec_of(inputs.a).params;
    try {
      launch(inputs, 1, reply, kRole);
      if (reply.outcome != Outcome::pass) add_before(reply, kOtherNumbers);
      return;
    } catch (const UnsupportedCall&) {
      inputs.a.other_numbers = false;
      instead_->params = work_.proof->spec_of(inputs.a).params;
    }
  }
  launch(inputs, 1, reply, kRole);
}

/// On two copies' weights, one after the other in the same memory, as where an engine loads another model: what was
/// remembered by an address of weights is wrong then, also for the same activations.
void CaseWorker::try_reused_weights(Reply& reply) {
  const int64_t bytes = work_.inputs->spec().bytes(Use::weight);
  if (bytes == 0 || bytes > kMostReused || most_launches() > 1 || bound_->rotation() < 2) return;
  UnreadWeights weights(work_, opened_);
  LaunchInputs inputs = random_inputs(length_->first_checkable() + 1, 1, /*comparable=*/true);
  for (int i = 0; i < 2 && reply.outcome == Outcome::pass; ++i, --inputs.copy) {  // A stays: so may what was remembered
    instead_ = weights.launch(bound_->launch(inputs.copy), {bound_->source_copy(inputs.copy), inputs.a},
                              /*even_if_all_are_read=*/true);
    if (!instead_) return;
    launch(inputs, 1, reply, {.compared = true, .last = false, .whole = false});
  }
  instead_.reset();
}

/// A few of them, edges first: what may win is tried on all (sweep_numbers).
void CaseWorker::try_some_numbers(Reply& reply) {
  if (!work_.first_visit) return;
  const InStage stage(Stage::swept);
  try {
    sweep({kSomeMs, kSomeMs, kSomeMs}, kSomeMultiplications, /*far=*/false, reply);
  } catch (const NoRoom&) {  // what is timed needs less
  }
}

/// Then positions of a longer cache, whose rows the engine's will have.
void CaseWorker::sweep_numbers(const Command& command, Reply& reply) {
  if (!judge_ || bound_->ring().empty()) return;
  if (!bound_->ring().unchanged()) set(reply, Outcome::wrong, kChangedLater);
  try {
    const double share_ms = command.time_us * 1e-3, whole_ms = std::min(share_ms, command.whole_us * 1e-3);
    sweep({std::min(kManyMs, share_ms), share_ms, whole_ms}, kManyMultiplications, /*far=*/true, reply);
  } catch (const NoRoom&) {  // what was timed needs less
  }
  for (size_t i = 0; i < host_varied_.size(); ++i)
    device_.write(bound_->varied()[i].data, host_varied_[i].data(), bound_->varied()[i].bytes);
  bound_->ring().restore_sparse();
  finish(reply);
}

void CaseWorker::sweep(const SweepTimes& times, int64_t multiplications, bool far, Reply& reply) {
  if (!judge_ || reply.outcome != Outcome::pass || !work_.inputs->spec().op->sweep) return;
  const int64_t began = now_ns();
  LaunchInputs inputs = random_inputs(0, 1, /*comparable=*/true);
  while (bound_->source_copy(inputs.copy) != 0 && inputs.copy + 1 < bound_->rotation()) ++inputs.copy;
  const Launch& launch = bound_->launch(inputs.copy);
  inputs.copy = bound_->source_copy(inputs.copy);
  const int64_t cost = std::max<int64_t>(judge_->projection_cost(), 1);
  std::string message;
  {
    SweptProof proof(*work_.proof, work_.inputs->spec(), inputs, work_.variant->accuracy, work_.proof->row_sums());
    NumberSweep sweep(opened_, launch, proof);
    const int64_t least = std::clamp<int64_t>(multiplications / cost, 1, kLeastSwept);
    const int64_t most = far ? kMostNumbers : kSomeNumbers;
    message = sweep.run({least, times.usual_ms, times.share_ms, times.whole_ms, most}, random_);
    judge_->count_scanned(sweep.launches());
    reply.swept_whole = sweep.is_enough() && (far || !work_.inputs->spec().op->enlarge);
  }
  if (message.empty() && far) message = FarPositions(work_, opened_).check(launch, inputs, random_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

void CaseWorker::launch_late(const Command& command, Reply& reply) {
  if (!judge_ || bound_->ring().empty()) return;
  if (!bound_->ring().unchanged()) set(reply, Outcome::wrong, kChangedLater);
  try {
    try_reused_weights(reply);
  } catch (const NoRoom&) {  // what was timed needs less
    instead_.reset();
  }
  if (reply.outcome != Outcome::pass || !judge_->can_check(last_.copy)) return finish(reply);
  late_.emplace(device_, bound_->launch(last_place_), *judge_);
  const auto put = [this](const std::vector<std::vector<std::byte>>& varied) {
    for (size_t i = 0; i < varied.size(); ++i)
      device_.write(bound_->varied()[i].data, varied[i].data(), bound_->varied()[i].bytes);
  };
  std::vector<std::vector<std::byte>> varied;
  for (const bool is_small : {true, false}) {
    const LaunchInputs inputs{last_.copy, work_.proof->draw_late(random_, is_small, work_.variant->accuracy)};
    work_.proof->varied(inputs.a, varied);
    put(varied);
    if (const std::string message =
            late_->run(inputs, is_small ? kLateLaunches / 2 : kLateLaunches, command.time_us / 2);
        !message.empty())
      set(reply, Outcome::wrong, message);
  }
  put(host_varied_);
  reply.late_launches = late_->launches();
  finish(reply);
}

/// In one spacing or none, or where nothing is left to chance in both.
void CaseWorker::try_special_at_setup(Reply& reply, std::span<std::byte> room, int64_t* room_used) {
  const InStage stage(Stage::values);
  if (!work_.spacing && work_.special_by_chance) return;
  if (!work_.special_by_chance) try_fewer_columns(reply);
  const SpecialValues* const values = takes_shorter_instead() ? work_.shorter_special : work_.special;
  try_special_values(values, reply, {.kernel = *kernel_, .room = room, .room_used = room_used}, work_.spacing);
}

/// Where B is big.
bool CaseWorker::takes_shorter_instead() const {
  return work_.shorter_special && work_.special_by_chance && work_.inputs->spec().weight_bytes() > kShorterAbove;
}

/// One launch: who keeps sizes of its first is wrong.
void CaseWorker::try_fewer_columns(Reply& reply) {
  const SpecialValues* const of_other = work_.other_sizes ? work_.other_sizes->special.get() : nullptr;
  try_special_values(of_other ? of_other : work_.shorter_special, reply, {.kernel = *kernel_, .most = 1},
                     Spacing::dense);
}

/// … of an op that is no product.
void CaseWorker::try_other_sizes(Reply& reply) {
  if (!work_.other_sizes || !work_.other_sizes->proved || !work_.first_visit || reply.outcome != Outcome::pass) return;
  const int64_t began = now_ns();
  const InStage stage(Stage::sizes);
  const std::string message = check_other_sizes(work_, opened_, *kernel_, random_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

/// In the memory of the case's own weights: to get new one takes longer than the launches.
void CaseWorker::try_other_special(Reply& reply) {
  if (!bound_) {
    load();
    opened_.keep_what_is_given_back();  // memory for the one spacing is there for the other
    try_special_values(work_.special, reply, {.kernel = *kernel_, .is_first = true}, work_.spacing);
    return try_fewer_columns(reply);
  }
  if (!work_.special_by_chance) return;
  if (!work_.spacing || !takes_shorter_instead()) try_fewer_columns(reply);
  const std::span<std::byte> room = bound_->take_prepared();
  int64_t used = std::ssize(room);
  const std::optional<Spacing> left = takes_shorter_instead() ? std::nullopt : other(work_.spacing);
  try_special_values(work_.special, reply, {.kernel = *kernel_, .room = room, .room_used = &used}, left);
}

/// After the usual values, so that what is wrong in any case is said first; but before them where repacked weights are
/// so big that getting memory for them twice would cost more than all other checks.
void CaseWorker::try_special_values(const SpecialValues* values, Reply& reply, SpecialKernel of,
                                    std::optional<Spacing> only) {
  if (!judge_ || !values || reply.outcome != Outcome::pass) return;
  const int64_t began = now_ns();
  of.converter = converter_.get(), of.seen = &special_outputs_;
  std::string message;
  try {
    message = check_special_values(work_, *values, opened_, of, only);
  } catch (const UnsupportedCall&) {  // of others than the spec's own
    const Spec& spec = work_.inputs->spec();
    if (!with_other_numbers(spec)) throw;
    own_special_.push_back(SpecialValues::make(values == work_.special           ? spec
                                               : values == work_.shorter_special ? *SpecialValues::shorter_of(spec)
                                                                                 : work_.other_sizes->spec,
                                               work_.variant->supports.strides, !work_.variant->supports.strides,
                                               /*as_in_files=*/!work_.device->one_worker));
    if (own_special_.back()) message = check_special_values(work_, *own_special_.back(), opened_, of, only);
  }
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

/// What a kernel writes late into the outputs of these launches no other look would find.
void CaseWorker::look_at_special_outputs(Reply& reply) {
  std::vector<std::byte> now;
  for (const SeenOutput& seen : special_outputs_) {
    now.resize(seen.held.size());
    device_.read(now.data(), seen.memory, std::ssize(now));
    if (!same_bytes(now, seen.held))
      return set(reply, Outcome::wrong, fmt::format("on special values {}", kChangedLater));
  }
}

}  // namespace assay

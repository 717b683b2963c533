// A case's untimed launches in its first visit: on special values, and swept over rows, places, positions.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "measure/case_worker.h"
#include "measure/far_positions.h"
#include "measure/number_sweep.h"
#include "measure/special_launch.h"

namespace assay {
namespace {

constexpr double kUsualMs = 15;  // so long a case sweeps over some rows or positions, if all would take too long
// … and for so many launches, or as have this many multiplications.
constexpr int64_t kLeastSwept = 64, kSweptMultiplications = 400'000'000;

}  // namespace

/// Of an op that is no product; and an ordinary one, on weights that lie as in a mapped file. What such a launch has no
/// business with of its weights is poisoned.
void CaseWorker::try_special_draws(Reply& reply) {
  constexpr int kOrdinary = -1;
  UnreadWeights weights(work_, opened_);
  for (int i = kOrdinary;
       judge_ && work_.special_draws && i < work_.proof->specials() && reply.outcome == Outcome::pass; ++i) {
    LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
    if (i != kOrdinary) inputs.a = work_.proof->special(i);
    const int64_t began = now_ns();
    instead_ = weights.launch(bound_->launch(inputs.copy), {bound_->source_copy(inputs.copy), inputs.a},
                              /*even_if_all_are_read=*/i == kOrdinary);
    reply.untimed_check_us += double(now_ns() - began) * 1e-3;
    if (i != kOrdinary || instead_) launch(inputs, 1, reply, {.compared = true, .last = false, .whole = true});
  }
  instead_.reset();
}

/// Rows, places, positions one after another; then positions of a longer cache, whose rows the engine's will have.
void CaseWorker::try_swept_draws(Reply& reply) {
  if (!judge_ || !work_.special_draws || reply.outcome != Outcome::pass || !work_.inputs->spec().op->sweep) return;
  const int64_t began = now_ns();
  LaunchInputs inputs = random_inputs(0, 1, /*comparable=*/true);
  while (bound_->source_copy(inputs.copy) != 0 && inputs.copy + 1 < bound_->rotation()) ++inputs.copy;
  const Launch& launch = bound_->launch(inputs.copy);
  inputs.copy = bound_->source_copy(inputs.copy);
  const int64_t cost = std::max<int64_t>(judge_->projection_cost(), 1);
  const NumberSweep::Length length{std::clamp<int64_t>(kSweptMultiplications / cost, 1, kLeastSwept), kUsualMs,
                                   1e3 * work_.whole_sweep_s};
  std::string message;
  {
    SweptProof proof(*work_.proof, work_.inputs->spec(), inputs, work_.variant->accuracy, work_.proof->row_sums());
    NumberSweep sweep(opened_, launch, proof);
    message = sweep.run(length, random_);
    judge_->count_scanned(sweep.launches());
  }
  if (message.empty()) message = FarPositions(work_, opened_).check(launch, inputs, random_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

/// After the usual values, so that what is wrong in any case is said first; but before them where repacked weights are
/// so big that getting memory for them twice would cost more than all other checks.
void CaseWorker::try_special_values(Reply& reply, std::span<std::byte> room, int64_t* room_used) {
  if (!judge_ || !work_.special || reply.outcome != Outcome::pass) return;
  const int64_t began = now_ns();
  if (const std::string message = check_special_values(work_, opened_, {*kernel_, converter_.get(), room, room_used});
      !message.empty())
    set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

}  // namespace assay

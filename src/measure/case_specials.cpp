// A case's untimed launches in its first visit: on special values, and swept over rows, places, positions.
#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "measure/case_worker.h"
#include "measure/far_positions.h"
#include "measure/special_launch.h"

namespace assay {
namespace {

constexpr int64_t kSweepNs = 40'000'000;  // so long a case sweeps over rows or positions
// … and for so many launches, or as have this many multiplications: a busy machine takes longer, but no fewer.
constexpr int64_t kLeastSwept = 64, kSweptMultiplications = 400'000'000, kPatience = 10;

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

/// Rows, places, positions one after another, in drawn order and as many as there is time for. Nothing else changes, so
/// that one program does. Then positions of a longer cache, whose rows the engine's will have.
void CaseWorker::try_swept_draws(Reply& reply) {
  if (!judge_ || !work_.special_draws || reply.outcome != Outcome::pass || work_.proof->swept() == 0) return;
  const int64_t began = now_ns();
  LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
  const Launch& launch = bound_->launch(inputs.copy);
  inputs.copy = bound_->source_copy(inputs.copy);
  std::vector<int64_t> draws(static_cast<size_t>(work_.proof->swept()));
  std::iota(draws.begin(), draws.end(), work_.proof->specials());
  std::shuffle(draws.begin(), draws.end(), random_);
  const int64_t least =
      std::clamp<int64_t>(kSweptMultiplications / std::max<int64_t>(judge_->projection_cost(), 1), 1, kLeastSwept);
  std::string message;
  {
    const std::unique_ptr<Program> program = device_.bind({&launch, 1});
    for (int64_t i = 0; i < std::ssize(draws) && message.empty(); ++i) {
      if (now_ns() - began > (i < least ? kPatience : 1) * kSweepNs) break;
      inputs.a = work_.proof->draw(random_, 1, /*comparable=*/true);
      inputs.a.special = int(draws[size_t(i)]);
      message = run_untimed(*program, inputs);
    }
  }
  if (message.empty()) message = FarPositions(work_, opened_).check(launch, random_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
  reply.untimed_check_us += double(now_ns() - began) * 1e-3;
}

/// Slot 0 of what is bound to it, compared whole.
std::string CaseWorker::run_untimed(Program& program, const LaunchInputs& inputs) {
  work_.proof->varied(inputs.a, host_varied_);
  for (size_t i = 0; i < host_varied_.size(); ++i)
    device_.write(bound_->varied()[i].data, host_varied_[i].data(), bound_->varied()[i].bytes);
  OutputRing& ring = bound_->ring();
  ring.poison(1);
  program.run();
  program.wait();
  Look look;
  ring.add_survey(look, 1);
  if (!look.buffers.empty()) ring.add_slots(look, 0, 1);
  device_.look(look);
  std::string message = judge_->scan(ring.slot(0));
  return message.empty() ? judge_->check(ring.slot(0), inputs) : message;
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

// A case's launches on other constants than the spec's.
#include "base/clock.h"
#include "base/stages.h"
#include "measure/case_worker.h"
#include "proof/host_launch.h"

namespace assay {

/// Of an op that is no product: an engine that loads another model may have other constants in the same memory. The
/// first launch has the case's own there, so that whatever is remembered of them is wrong in the others. Who prepares
/// may have kept them: that is what it is for.
void CaseWorker::try_other_constants(Reply& reply) {
  constexpr int kLaunches = 6;
  const InStage stage(Stage::constants);
  const Spec& spec = work_.inputs->spec();
  if (!judge_ || !work_.first_visit || spec.op->is_product || work_.inputs->constants.empty()) return;
  if (work_.variant->prepares) return;
  std::vector<std::pair<Address, int64_t>> blocks;
  for (const auto& [place, host] : work_.inputs->constants) {
    const int64_t bytes = std::ssize(host.bytes) + 2 * kGuardBytes;
    blocks.emplace_back(opened_.borrow(bytes), bytes);
    device_.fill(blocks.back().first, kPoison, bytes);
  }
  for (int i = 0; i < kLaunches && reply.outcome == Outcome::pass; ++i) {
    LaunchInputs inputs = random_inputs(length_->first_checkable(), 1, /*comparable=*/true);
    if (i > 0) inputs.a.constants = random_() | 1;
    const int64_t began = now_ns();
    instead_ = bound_->launch(inputs.copy);
    size_t number = 0;
    for (const auto& [place, host] : work_.inputs->constants) {
      Tensor& t = instead_->tensors[place];
      const std::vector<std::byte> bytes =
          i > 0 ? other_constant(*work_.inputs, place, inputs.a.constants) : host.bytes;
      t.data = blocks[number++].first + kGuardBytes;
      device_.write(t.data, bytes.data(), std::ssize(bytes));
    }
    reply.untimed_check_us += double(now_ns() - began) * 1e-3;
    launch(inputs, 1, reply, {.compared = true, .last = false, .whole = true});
    if (reply.outcome != Outcome::pass && i > 0) add_before(reply, "where its constant operands hold other numbers: ");
  }
  instead_.reset();
  for (const auto& [block, bytes] : blocks) opened_.give_back(block, bytes);
}

}  // namespace assay

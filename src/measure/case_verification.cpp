// What came out of one sample's launches of a case: scanned, projected, compared.
#include <algorithm>
#include <numeric>

#include "base/stages.h"
#include "measure/case_worker.h"

namespace assay {
namespace {

constexpr int64_t kWholeCheckElements = 2'048, kPartOf = 64;  // of more than those so many, or one of so many …
constexpr int64_t kFewElements = 256, kSmallPartOf = 256;     // … where checks took much already
constexpr int64_t kCheapCheckElements = 1'000;  // above, only one launch of a turn is compared element by element
constexpr double kGenerousBelow = 0.06;  // of a case's time: while its checks are below, they do more than they must
constexpr uint64_t kElseOneOf = 6;       // … else so in one of so many launches, drawn
constexpr int64_t kLeastFree = 8;        // samples of a case with a small D that have free signs, whatever that takes
constexpr int64_t kMostProjected = 200'000'000;  // multiplications that projections of one sample may take
// Of an op that is no product: launches of a sample whose right answers are worked out, and flops of all of them.
constexpr int64_t kManyAnswers = 64, kMuchWork = 8'000'000, kFewAnswers = 16, kLittleWork = 400'000;
constexpr int64_t kFewBytes = int64_t(1) << 20, kFewSlots = 8;  // of outputs that a device cannot look at by itself

}  // namespace

LaunchInputs CaseWorker::of_slot(const SampleOrder& order, const LaunchInputs& inputs, int64_t slot) const {
  return {bound_->source_copy(order.place_in_slot(slot)), inputs.a};
}

/// What D must project to is computed once a copy, and what that takes lies together: in the order of slots it took
/// twice as long.
std::vector<int64_t> CaseWorker::slots_by_copy(const SampleOrder& order) const {
  std::vector<int64_t> slots(static_cast<size_t>(order.used_slots()));
  std::iota(slots.begin(), slots.end(), 0);
  std::sort(slots.begin(), slots.end(), [&](int64_t left, int64_t right) {
    return bound_->source_copy(order.place_in_slot(left)) < bound_->source_copy(order.place_in_slot(right));
  });
  return slots;
}

/// Which slots are compared element by element: any of those that have a reference.
std::vector<int64_t> CaseWorker::draw_compared(const SampleOrder& order, const LaunchInputs& inputs, Role role) {
  std::vector<int64_t> slots;
  for (int64_t slot = 0; slot < order.used_slots(); ++slot)
    if (judge_->can_check(bound_->source_copy(order.place_in_slot(slot)))) slots.push_back(slot);
  if (inputs.a.is_free) slots.clear();
  std::shuffle(slots.begin(), slots.end(), random_);
  const bool is_cheap = judge_->check_cost() <= kCheapCheckElements && may_compare_more();
  slots.resize(std::min(slots.size(), size_t(is_cheap || role.compared ? 1 : 0)));
  return slots;
}

/// What a turn need not have, so that checks stay a small share of a case.
bool CaseWorker::may_compare_more() { return checked_us_ < kGenerousBelow * spent_us_ || random_() % kElseOneOf == 0; }

/// What an op that is no product must give is worked out anew for each launch, which takes longer than many a launch.
/// One of a turn has it; of the others so many as what a turn need not have. All are poisoned and scanned.
bool CaseWorker::may_judge_more() {
  return work_.inputs->spec().op->is_product || device_.works_by_itself() || may_compare_more();
}

/// What a product with free signs must project to takes several times as long as one with grouped signs. Of a small D
/// some are free in any case: else who tells the two apart would get away in one of three.
bool CaseWorker::may_be_free() {
  if (!work_.proof || !work_.inputs->spec().op->is_product) return true;
  const bool too_few = free_launches_ < kLeastFree && judge_->check_cost() <= kCheapCheckElements;
  return too_few || may_compare_more();
}

/// All slots; where their right answers take long, or took much already, those that are compared and a few others.
std::vector<int64_t> CaseWorker::draw_projected(const Comparison& of) {
  std::vector<int64_t> slots = slots_by_copy(of.order);
  const int64_t cost = judge_->projection_cost();
  int64_t most = cost > 0 ? kMostProjected / cost : std::ssize(slots);
  const Spec& spec = work_.inputs->spec();
  if (!spec.op->is_product) {
    const bool more = may_compare_more();
    const int64_t by_work = (more ? kMuchWork : kLittleWork) / std::max<int64_t>(spec.flops, 1);
    most = std::min({most, by_work, more ? kManyAnswers : kFewAnswers});
  }
  most = std::max<int64_t>(most, 1);
  if (std::ssize(slots) <= most) return slots;
  std::shuffle(slots.begin(), slots.end(), random_);
  slots.resize(size_t(most));
  for (const int64_t slot : of.slots)
    if (std::find(slots.begin(), slots.end(), slot) == slots.end()) slots.push_back(slot);
  return slots;
}

/// What came to the host of a sample's outputs, with what it must be.
std::string CaseWorker::compare(const Comparison& of) {
  OutputRing& ring = bound_->ring();
  std::string message;
  for (const int64_t slot : of.slots)
    if (message.empty())
      message =
          judge_->check(ring.slot(slot), of_slot(of.order, of.inputs, slot), of.whole ? ElementRange() : drawn_part());
  if (of.anew >= 0 && message.empty())
    message = judge_->check_one(ring.slot(of.anew), of_slot(of.order, of.inputs, of.anew), random_());
  for (const int64_t slot : draw_projected(of)) {
    if (message.empty()) message = judge_->check_projections(ring.projected(slot), of_slot(of.order, of.inputs, slot));
    if (message.empty()) message = judge_->check_unprojected(ring.slot(slot), of_slot(of.order, of.inputs, slot));
  }
  return message;
}

/// How many outputs the launches of a sample write to, one after the other.
int64_t CaseWorker::slots_to_use() {
  const OutputRing& ring = bound_->ring();
  const int64_t few = std::max(kFewSlots, kFewBytes / std::max<int64_t>(ring.bytes_to_bring(), 1));
  return few < ring.slots() && device_.can_survey() && !may_compare_more() ? few : ring.slots();
}

void CaseWorker::compare_pending(Reply& reply) {
  if (!pending_) return;
  const std::string message = compare(*pending_);
  pending_.reset();
  if (!message.empty()) set(reply, Outcome::wrong, message);
}

/// Every launch's buffer is scanned and projected, by the device where it can: then only those that are compared come
/// to the host. They are compared at once, or, where the device works by itself, while it is at the next sample.
void CaseWorker::verify(const SampleOrder& order, const LaunchInputs& inputs, Reply& reply, Role role) {
  const InStage stage(Stage::verify);
  compare_pending(reply);  // its outputs would be overwritten
  OutputRing& ring = bound_->ring();
  const int64_t used = order.used_slots();
  const std::vector<int64_t> compared = draw_compared(order, inputs, role);
  // Whose answer is computed anew; of an op that is no product this is all that a free launch is compared with.
  const int64_t anew = inputs.a.is_free ? int64_t(random_() % uint64_t(used)) : -1;
  free_launches_ += inputs.a.is_free;
  Look look;
  ring.add_survey(look, used);
  if (is_read_) look.ranges.clear();
  if (!look.buffers.empty() && anew >= 0) ring.add_slots(look, anew, anew + 1);
  if (look.buffers.empty())
    ring.add_slots(look, 0, used);
  else
    for (const int64_t slot : compared) ring.add_slots(look, slot, slot + 1);
  bound_->surroundings().add_to(look, /*all=*/role.last);
  device_.look(look);
  const std::optional<bool> survey = ring.surveyed(look);
  const bool is_whole = survey.value_or(false);
  if (survey && !is_whole) {
    Look again;
    ring.add_slots(again, 0, used);
    device_.look(again);
  }
  if (role.last) device_.start_protected_check(watched());

  // Where all of D is projected, what is not finite is so in a projection as well: the scan then says what it is.
  const Op& op = *work_.inputs->spec().op;
  const bool is_projected = !survey && op.is_product;
  const bool may_be_infinite = op.may_be_infinite(inputs.a.special);
  const auto scan = [&] {
    std::string found;
    for (int64_t slot = 0; slot < used && found.empty(); ++slot) found = judge_->scan(ring.slot(slot));
    return found;
  };
  const bool is_scanned = !is_whole && !is_projected && !may_be_infinite;
  std::string message = is_scanned ? scan() : "";
  if (!is_scanned) judge_->count_scanned(used);
  if (message.empty()) message = ring.broken_guard(/*all_read=*/!is_whole);
  Comparison comparison{order, inputs, compared, anew, role.whole};
  const bool is_put_off = sampling_ && !role.last && is_whole && message.empty() && device_.works_by_itself();
  if (is_put_off)
    pending_ = std::move(comparison);
  else if (message.empty() && (role.compared || role.last || may_judge_more()))
    message = compare(comparison);
  if (!message.empty() && is_projected)
    if (const std::string found = scan(); !found.empty()) message = found;
  last_slot_ = compared.empty() ? 0 : compared.front();
  last_ = of_slot(order, inputs, last_slot_);
  last_place_ = order.place_in_slot(last_slot_);
  if (message.empty() && survey && !is_whole && !may_be_infinite)
    message = "the device saw NaN in D or a broken guard band, which are gone: something still writes to it";
  if (const std::string left = device_.left_behind(); message.empty()) message = left;
  if (message.empty()) message = bound_->surroundings().changed(host_varied_);
  if (!message.empty()) set(reply, Outcome::wrong, message);
}

/// Of a big D a part, anywhere. Of other ops than products all is worked out in any case.
ElementRange CaseWorker::drawn_part() {
  const int64_t elements = judge_->check_cost();
  const bool more = !work_.inputs->spec().op->is_product || may_compare_more();
  const int64_t few = more ? kWholeCheckElements : kFewElements;
  if (elements <= few) return {};
  const int64_t part = std::max(few, elements / (more ? kPartOf : kSmallPartOf));
  // May begin before the first and end behind the last one, which would else be compared as rarely as a part is drawn.
  const int64_t first = int64_t(random_() % uint64_t(elements + part - 1)) - (part - 1);
  return {std::max<int64_t>(first, 0), std::min(first + part, elements)};
}

}  // namespace assay

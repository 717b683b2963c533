// What is worth carrying away: the ranking once more, without what cannot be.
#include "tune/winner.h"

#include <algorithm>

#include "base/error.h"
#include "tune/test_vector.h"

namespace assay {
namespace {

const PlannedCase& case_of(const PlannedSpec& planned, const std::string& variant) {
  const auto found = std::find_if(planned.cases.begin(), planned.cases.end(),
                                  [&](const PlannedCase& c) { return c.variant->id() == variant; });
  ASSAY_CHECK(found != planned.cases.end());
  return *found;
}

const RankedSpec* ranking_of(const SweepReport& report, const Spec& spec) {
  for (const RankedSpec& ranked : report.specs)
    if (ranked.math_line == spec.math_line()) return &ranked;
  return nullptr;
}

std::string behind(const RankedCase& best, const RankedCase& own) {
  return fmt::format("{} is {:.2f} times as fast here ({:.2f} us), and not assay's to export", best.record.variant,
                     own.device.median / best.device.median, best.device.median);
}

/// "" and a winner, or why there is none.
std::string choose(const RankedSpec& ranked, const PlannedSpec& planned, Winner& winner) {
  if (!ranked.quarantine.empty()) return ranked.quarantine;
  std::vector<CaseRecord> own;
  for (const RankedCase& c : ranked.cases)
    if (is_portable(*case_of(planned, c.record.variant).variant)) own.push_back(c.record);
  const size_t proved =
      size_t(std::count_if(own.begin(), own.end(), [](const CaseRecord& r) { return r.outcome == Outcome::pass; }));
  const RankedSpec again = rank_spec(planned.spec, std::move(own), {}, {});
  if (again.best < 0)
    return fmt::format("none of its {} measured kernels that could be exported is proved and ranked ({} passed)",
                       again.cases.size(), proved);
  const RankedCase& best = again.cases[size_t(again.best)];
  const PlannedCase& planned_case = case_of(planned, best.record.variant);
  winner = {
      planned.spec, planned_case.variant, planned_case.isa, best.record, best.device.median, best.percent_of_floor, {}};
  if (ranked.best >= 0 && ranked.cases[size_t(ranked.best)].record.variant != best.record.variant)
    winner.notes.push_back(behind(ranked.cases[size_t(ranked.best)], best));
  const auto tied = std::count_if(again.cases.begin(), again.cases.end(), [](const auto& c) { return c.in_tie_set; });
  if (tied > 1) winner.notes.push_back(fmt::format("it ties with {} other{}", tied - 1, tied > 2 ? "s" : ""));
  if (!again.apart.empty()) winner.notes.push_back("measured apart: " + again.apart);
  if (planned.cases.size() > ranked.cases.size())
    winner.notes.push_back(fmt::format("{} of {} kernels that could run it were not measured",
                                       planned.cases.size() - ranked.cases.size(), planned.cases.size()));
  if (best.record.has_tag(kAbandonedTag))
    winner.notes.push_back("it was let go early beside faster ones: its time is rough");
  return "";
}

}  // namespace

bool is_portable(const Variant& variant) {
  return variant.vendor.empty() && variant.library.empty() && variant.link_flags.empty() &&
         variant.threading != Threading::own;
}

Winners choose_winners(const SweepReport& report, const Plan& plan, const std::string& how_to_measure) {
  Winners winners;
  std::vector<const Spec*> unmeasured;
  for (const PlannedSpec& planned : plan.specs) {
    const auto leave_out = [&](const std::string& why) {
      winners.left_out.push_back(fmt::format("{}: {}", planned.spec.line(), why));
    };
    if (planned.cases.empty()) {
      leave_out("no kernel of this device supports it; assay probe --dry-run --skips says why");
      continue;
    }
    if (const std::string why = untestable(planned.spec); !why.empty()) {
      leave_out(why);
      continue;
    }
    const RankedSpec* ranked = ranking_of(report, planned.spec);
    if (!ranked || (ranked->cases.empty() && ranked->quarantine.empty())) {
      unmeasured.push_back(&planned.spec);
      continue;
    }
    Winner winner;
    if (const std::string why = choose(*ranked, planned, winner); !why.empty())
      leave_out(why);
    else
      winners.all.push_back(std::move(winner));
  }
  if (!unmeasured.empty())
    fail("{} of {} specs {} no results of today's kernels on {} in {} ({}); measure first: {}", unmeasured.size(),
         plan.specs.size(), unmeasured.size() == 1 ? "has" : "have", report.device, report.store_file,
         unmeasured[0]->line(), how_to_measure);
  if (winners.all.empty()) fail("nothing can be exported: {}", winners.left_out[0]);
  return winners;
}

}  // namespace assay

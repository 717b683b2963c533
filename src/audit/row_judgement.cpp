// The rules, the gravest first: a claim alone makes no row right.
#include "audit/row_judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

bool is_said(double error) { return std::isnan(error) || error >= 0; }

std::string with_detail(std::string_view what, std::string_view detail) {
  return fmt::format("{}{}{}", what, detail.empty() ? "" : ": ", detail);
}

/// A class that nobody knows has no bound: its rows are held to maxRel.
size_t class_index(std::string_view accuracy) {
  const auto* const found = std::find(kAccuracyClasses.begin(), kAccuracyClasses.end(), accuracy);
  return found == kAccuracyClasses.end() ? 0 : size_t(found - kAccuracyClasses.begin());
}

/// Why the row is wrong, or "".
std::string wrong_because(const ProbeRow& row, bool own_bound, double max_rel) {
  if (std::isnan(row.max_rel) || (is_said(row.max_rel) && !own_bound && row.max_rel > max_rel))
    return fmt::format("maxRel {:.4e} above {:g}", row.max_rel, max_rel);
  if (std::isinf(row.max_rel)) return "maxRel is infinite";
  if (is_said(row.max_abs) && !std::isfinite(row.max_abs)) return fmt::format("maxAbs is {}", row.max_abs);
  if (is_said(row.bound_share) && !(row.bound_share <= 1))
    return fmt::format("an error of {:g} of its own bound", row.bound_share);
  return row.outcome == "wrong" ? with_detail("the log says wrong", row.detail) : "";
}

}  // namespace

std::string_view row_verdict_name(RowVerdict verdict) {
  static constexpr std::array<std::string_view, 4> names = {"right", "wrong", "unchecked", "failed"};
  return names[size_t(verdict)];
}

Judgement judge_row(const ProbeRow& row, double max_rel) {
  if (row.outcome == kUnreadable) return {RowVerdict::unchecked, 0, std::string(row.detail)};
  if (!row.measured()) return {RowVerdict::failed, 0, with_detail(row.outcome, row.detail)};
  const size_t accuracy = class_index(row.accuracy);
  if (std::string why = wrong_because(row, accuracy > 0, max_rel); !why.empty())
    return {RowVerdict::wrong, accuracy, std::move(why)};
  if (!is_said(row.max_rel)) return {RowVerdict::unchecked, 0, "no maxRel"};
  if (accuracy > 0 && !is_said(row.bound_share))
    return {RowVerdict::unchecked, 0, fmt::format("class {} without the share of its bound", row.accuracy)};
  const bool ranks = row.outcome.empty() || row.outcome == "pass";
  return {RowVerdict::right, accuracy,
          ranks ? "" : with_detail(fmt::format("not ranked: the log says {}", row.outcome), row.detail)};
}

}  // namespace assay

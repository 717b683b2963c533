// The verdict on one row of a probe log, by what the row says itself.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "audit/probe_row.h"

namespace assay {

/// failed: not measured, says the log. unchecked: nothing in the line says whether its result is right.
enum class RowVerdict : uint8_t { right, wrong, unchecked, failed };
std::string_view row_verdict_name(RowVerdict verdict);

/// Accuracy classes with a bound of their own. A log without classes means "exact" throughout.
inline constexpr std::array<std::string_view, 4> kAccuracyClasses = {"exact", "f16_activation", "bf16_activation",
                                                                     "int8_activation"};

struct Judgement {
  RowVerdict verdict = RowVerdict::unchecked;
  size_t accuracy = 0;  // of kAccuracyClasses: above 0, the row was judged by that class's bound
  std::string why;      // where it is not simply right
};

/// A row of an own class is right if it used at most 1 of its bound; any other, if its maxRel is at most `max_rel`.
/// What the log itself calls wrong is wrong.
Judgement judge_row(const ProbeRow& row, double max_rel);

}  // namespace assay

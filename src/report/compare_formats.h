// A comparison of two sweeps for programs: JSON, Markdown, and what CI systems read.
#pragma once
#include <string>

#include "report/compare.h"

namespace assay {

/// Everything the comparison knows, on one line ("schema": "assay-compare"); NaN is null, infinities are "inf".
std::string compare_json(const CompareReport& report);

std::string compare_markdown(const CompareReport& report);

/// JUnit XML: a test suite, a test case a row. A regression is a failure; what could not be judged is skipped, with the
/// reason.
std::string compare_junit(const CompareReport& report);

/// GitHub's workflow commands: ::error for each regression, ::warning for what the gate could not judge, ::notice for
/// the counts.
std::string compare_github(const CompareReport& report);

}  // namespace assay

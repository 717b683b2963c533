// The pairs that the plan left out, a line a reason: alike reasons are one, whatever the sizes and variants.
#pragma once
#include <string>
#include <vector>

#include "probe/plan.h"

namespace assay {

/// Pairs left out for one reason. Families in their order, each with how many of its variants.
struct SkipReason {
  std::string reason;  // "unsupported: n is 896 to 9728 (4 sizes), supports up to 512"
  int64_t pairs = 0;
  std::vector<std::pair<std::string, int64_t>> families;
};

/// Most pairs first.
std::vector<SkipReason> skip_reasons(const std::vector<SkipGroup>& skips);

/// A heading and a line a reason, none wider than `width` columns (0: as wide as they are); "" where nothing was left
/// out.
std::string skip_report(const std::vector<SkipGroup>& skips, size_t width);

/// A plan's reason with its kind before it ("disabled: …", "device_limit: …"); one that names none is of support.
std::string skip_reason_text(const std::string& reason);

}  // namespace assay

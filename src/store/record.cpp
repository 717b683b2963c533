// Names of outcomes, as the store and the reports write them.
#include "store/record.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/suggest.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 10> kOutcomeNames = {
    "pass",         "wrong",        "impossible",    "noisy",   "unsupported",
    "build_failed", "device_limit", "launch_failed", "crashed", "timed_out"};
static_assert(kOutcomeNames.size() == size_t(Outcome::timed_out) + 1);

}  // namespace

bool CaseRecord::has_tag(std::string_view tag) const { return std::find(tags.begin(), tags.end(), tag) != tags.end(); }

std::string_view outcome_name(Outcome outcome) {
  ASSAY_CHECK(size_t(outcome) < kOutcomeNames.size());
  return kOutcomeNames[size_t(outcome)];
}

Outcome parse_outcome(std::string_view name) {
  for (size_t i = 0; i < kOutcomeNames.size(); ++i)
    if (kOutcomeNames[i] == name) return Outcome(i);
  const std::vector<std::string> known(kOutcomeNames.begin(), kOutcomeNames.end());
  fail("unknown outcome '{}'{}", name, did_you_mean(std::string(name), known));
}

bool is_old_int8_key(std::string_view key_text) {
  return key_text.find("\nactivation error: int8_block32\n") != std::string_view::npos;
}

}  // namespace assay

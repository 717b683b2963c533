// Skips grouped by their reasons.
#include "report/skips.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/joined.h"
#include "base/terminal.h"

namespace assay {
namespace {

/// "unsupported: n is 896, supports up to 512" in three parts: what stands before the value, the value, what follows
/// it.
struct ReasonParts {
  std::string before, value, after;
};

ReasonParts parts_of(const std::string& reason) {
  constexpr std::pair<std::string_view, std::string_view> kAround[] = {{" is ", ", supports "},
                                                                       {" takes about ", " s, at "}};
  for (const auto& [before, after] : kAround) {
    const size_t begin = reason.find(before), end = reason.find(after);
    if (begin == std::string::npos || end == std::string::npos || end < begin) continue;
    const size_t value = begin + before.size();
    return {reason.substr(0, value), reason.substr(value, end - value), reason.substr(end)};
  }
  return {reason, "", ""};
}

/// "896 to 9728 (4 sizes)", "f16 f32", or the one value.
std::string values_text(const std::set<std::string>& values) {
  std::vector<int64_t> numbers;
  for (const std::string& text : values) {
    int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && rest == text.data() + text.size()) numbers.push_back(number);
  }
  if (values.size() < 2 || numbers.size() != values.size()) return joined(values, " ");
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  return fmt::format("{} to {} ({} sizes)", *least, *most, numbers.size());
}

std::string family_of(const std::string& variant) { return variant.substr(0, variant.find('/')); }

struct Group {
  std::set<std::string> values;
  std::map<std::string, std::set<std::string>> variants;  // by family
  int64_t pairs = 0;
};

std::string line_of(const SkipReason& reason, size_t count_width) {
  std::vector<std::string> families;
  for (const auto& [family, variants] : reason.families)
    families.push_back(variants == 1 ? family : fmt::format("{} x{}", family, variants));
  return fmt::format("  {:>{}}  {} [{}]", reason.pairs, count_width, reason.reason, joined(families, ", "));
}

}  // namespace

std::string skip_reason_text(const std::string& reason) {
  const std::string text = one_line(reason), kind = text.substr(0, text.find_first_of(": "));
  if (text.empty()) return "unsupported";
  for (const char* other : {"unsupported", "disabled", "accuracy", "device_limit", "build_failed", "too_long"})
    if (kind == other) return text;
  return "unsupported: " + text;
}

std::vector<SkipReason> skip_reasons(const std::vector<SkipGroup>& skips) {
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const SkipGroup& skip : skips) {
    const ReasonParts parts = parts_of(skip_reason_text(skip.reason));
    Group& group = groups[{parts.before, parts.after}];
    if (!parts.value.empty()) group.values.insert(parts.value);
    group.variants[family_of(skip.variant)].insert(skip.variant);
    group.pairs += skip.count;
  }
  std::vector<SkipReason> reasons;
  for (const auto& [around, group] : groups) {
    SkipReason& reason =
        reasons.emplace_back(SkipReason{around.first + values_text(group.values) + around.second, group.pairs, {}});
    for (const auto& [family, variants] : group.variants)
      reason.families.emplace_back(one_line(family), int64_t(variants.size()));
  }
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const SkipReason& a, const SkipReason& b) { return a.pairs > b.pairs; });
  return reasons;
}

std::string skip_report(const std::vector<SkipGroup>& skips, size_t width) {
  const std::vector<SkipReason> reasons = skip_reasons(skips);
  if (reasons.empty()) return "";
  int64_t pairs = 0;
  for (const SkipReason& reason : reasons) pairs += reason.pairs;
  const size_t count_width = std::to_string(reasons.front().pairs).size();
  std::string out = wrap(fmt::format("Left out: {} pairs of spec and variant for {} reasons [families, x variants]",
                                     pairs, reasons.size()),
                         width, 2) +
                    "\n";
  for (const SkipReason& reason : reasons) out += wrap(line_of(reason, count_width), width, count_width + 4) + "\n";
  return out;
}

}  // namespace assay

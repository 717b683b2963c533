// In which order kernels are tried.
#include "tune/trial_order.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace assay {
namespace {

// Where nobody has measured: behind what was seen within these factors of the best.
constexpr double kUnknown = 2, kUnknownDisabled = 4;

/// What specs have in common whose rankings say something about each other.
std::string kin_of(const std::string& math_line) {
  std::string kin;
  for (const auto& [key, value] : parse_spec_fields(math_line))
    if (key == "op" || key == "dtB" || key == "m") kin += key + "=" + value + " ";
  return kin;
}

/// How far each variant was behind the best of its spec: of this very spec, and the mean over its kin.
struct PastRatios {
  std::map<std::string, double> same;
  std::map<std::string, std::pair<double, int>> kin;  // sum, count
};

PastRatios past_ratios(const std::string& math_line, const std::vector<PastTime>& past) {
  std::map<std::string, double> best;  // by device and spec
  for (const PastTime& time : past) {
    const auto [place, is_new] = best.emplace(time.device + time.math_line, time.us);
    if (!is_new) place->second = std::min(place->second, time.us);
  }
  const std::string kin = kin_of(math_line);
  std::map<std::string, bool> is_kin;
  PastRatios ratios;
  for (const PastTime& time : past) {
    const auto [known, is_new] = is_kin.try_emplace(time.math_line, false);
    if (is_new) known->second = kin_of(time.math_line) == kin;
    if (!known->second) continue;
    const double ratio = time.us / best.at(time.device + time.math_line);
    auto& [sum, count] = ratios.kin[time.variant];
    sum += ratio, ++count;
    if (time.math_line != math_line) continue;
    const auto [place, first] = ratios.same.emplace(time.variant, ratio);
    if (!first) place->second = std::min(place->second, ratio);  // fast on one of the devices is worth a try
  }
  return ratios;
}

}  // namespace

std::vector<size_t> trial_order(const PlannedSpec& planned, const std::string& default_variant,
                                const std::vector<PastTime>& past, const std::string& kind) {
  const PastRatios ratios = past_ratios(planned.spec.math_line(), past);
  std::vector<double> rank;
  for (const PlannedCase& c : planned.cases) {
    const std::string id = c.variant->id();
    const auto same = ratios.same.find(id);
    const auto kin = ratios.kin.find(id);
    if (id == default_variant)
      rank.push_back(0);
    else if (same != ratios.same.end())
      rank.push_back(same->second);
    else if (kin != ratios.kin.end())
      rank.push_back(kin->second.first / kin->second.second);
    else
      rank.push_back(c.variant->disabled_reason(kind).empty() ? kUnknown : kUnknownDisabled);
  }
  std::vector<size_t> order(rank.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank[a] < rank[b]; });
  return order;
}

}  // namespace assay

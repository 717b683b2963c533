// family_ratio STORE A B: for each spec, the best proved time among variants that match glob A over that among glob B.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/suggest.h"
#include "probe/ranking.h"
#include "report/rows.h"
#include "store/store.h"

namespace {

struct Best {
  double us = HUGE_VAL, percent_of_ceiling = 0;
  std::string variant;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) {
    fmt::print(stderr,
               "usage: family_ratio_bench STORE GLOB_A GLOB_B   (e.g. results.sqlite 'gemv_rowdot/*' 'openblas/*')\n");
    return 2;
  }
  std::map<std::string, std::pair<Best, Best>> specs;
  for (const assay::CaseRecord& record : assay::Store(argv[1], assay::Store::Access::read_only).newest_of_each_key()) {
    if (record.outcome != assay::Outcome::pass) continue;
    const double us = assay::summarize(assay::ranking_samples(record).device_us).median;
    auto& [a, b] = specs[record.spec_line];
    for (auto& [glob, best] : {std::pair<const char*, Best&>{argv[2], a}, {argv[3], b}})
      if (assay::glob_matches(glob, record.variant) && us < best.us)
        best = {us, double(record.bytes) / us * 1e-3 / record.ceiling_gbps * 100, record.variant};
  }
  double log_sum = 0;
  int count = 0;
  fmt::print("{:<42} {:>9} {:>6}  {:>9} {:>6}  {:>6}\n", "spec", "A us", "%ceil", "B us", "%ceil", "B / A");
  for (const auto& [line, pair] : specs) {
    const auto& [a, b] = pair;
    if (std::isinf(a.us) || std::isinf(b.us)) continue;
    fmt::print("{:<42} {:>9.2f} {:>6.1f}  {:>9.2f} {:>6.1f}  {:>6.3f}  {} : {}\n",
               assay::short_spec(line) + " " + assay::spec_field(line, "dtB"), a.us, a.percent_of_ceiling, b.us,
               b.percent_of_ceiling, b.us / a.us, a.variant, b.variant);
    log_sum += std::log(b.us / a.us);
    ++count;
  }
  if (count == 0) {
    fmt::print(stderr, "no spec has proved results of both\n");
    return 1;
  }
  fmt::print("{} specs, geometric mean of B / A: {:.3f}\n", count, std::exp(log_sum / count));
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "family_ratio: {}\n", e.what());
  return 2;
}

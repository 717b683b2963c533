// regret A B: what choosing by one sweep costs in another. For each spec the winner of A, timed in B, over B's best,
// and the reverse.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "probe/ranking.h"
#include "report/rows.h"
#include "store/store.h"

namespace {

using namespace assay;

std::map<std::string, RankedSpec> ranked_specs(const char* file) {
  std::map<std::string, std::vector<CaseRecord>> records;
  for (CaseRecord& record : Store(file, Store::Access::read_only).newest_of_each_key())
    records[record.spec_line].push_back(std::move(record));
  std::map<std::string, RankedSpec> ranked;
  for (auto& [line, cases] : records) ranked[line] = rank_spec(parse_spec(line), std::move(cases), {}, {});
  return ranked;
}

size_t tie_set_size(const RankedSpec& spec) {
  return size_t(std::count_if(spec.cases.begin(), spec.cases.end(), [](const RankedCase& c) { return c.in_tie_set; }));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    fmt::print(stderr, "usage: regret_bench STORE_A STORE_B   (two stores of `assay probe --fresh`)\n");
    return 2;
  }
  const auto a = ranked_specs(argv[1]), b = ranked_specs(argv[2]);
  std::vector<double> regrets;
  std::map<size_t, int> tie_sizes;
  for (const auto& [winners, judges] : {std::pair(&a, &b), std::pair(&b, &a)})
    for (const auto& [line, spec] : *winners) {
      const auto other = judges->find(line);
      if (spec.best < 0 || other == judges->end()) continue;
      const std::string winner = spec.cases[size_t(spec.best)].record.variant;
      const double value = regret(winner, other->second);
      ++tie_sizes[tie_set_size(spec)];
      regrets.push_back(value);
      if (value > 0.03 || value < 0)
        fmt::print("{:<40} {} : {}\n", short_spec(line), winner,
                   value < 0 ? "not ranked in the other" : fmt::format("{:.1f} %", value * 100));
    }
  if (regrets.empty()) {
    fmt::print(stderr, "the stores share no spec\n");
    return 1;
  }
  std::sort(regrets.begin(), regrets.end());
  const auto within = std::count_if(regrets.begin(), regrets.end(), [](double r) { return r >= 0 && r <= 0.03; });
  fmt::print("{} choices: within 3 % {:.1f} %, zero {:.1f} %, median {:.2f} %, p95 {:.2f} %, worst {:.2f} %\n",
             regrets.size(), 100.0 * double(within) / double(regrets.size()),
             100.0 * double(std::count(regrets.begin(), regrets.end(), 0.0)) / double(regrets.size()),
             100 * percentile(regrets, 50), 100 * percentile(regrets, 95), 100 * regrets.back());
  fmt::print("tie sets:");
  for (const auto& [size, count] : tie_sizes) fmt::print(" {} of size {},", count, size);
  fmt::print("\n");
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "regret: {}\n", e.what());
  return 2;
}

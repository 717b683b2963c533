// The price of a workload.
#include "probe/pricing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "spec/op.h"

namespace assay {
namespace {

/// Specs by their canonical line, and whether their best or their best exact variants count.
struct Ranked {
  std::map<std::string, const RankedSpec*> specs;
  bool exact_only = false;

  int best_of(const RankedSpec& spec) const { return exact_only ? spec.best_exact() : spec.best; }
  const RankedSpec* find(const std::string& math_line) const {
    const auto found = specs.find(math_line);
    return found == specs.end() ? nullptr : found->second;
  }
  const RankedCase* best_case(const std::string& math_line) const {
    const RankedSpec* spec = find(math_line);
    return spec && best_of(*spec) >= 0 ? &spec->cases[size_t(best_of(*spec))] : nullptr;
  }
};

std::string op_of_line(const std::string& text) {
  try {
    for (const auto& [key, value] : parse_spec_fields(text))
      if (key == "op") return value;
  } catch (const Error&) {  // a quarantined line need not parse
  }
  return "?";
}

std::vector<std::string> source_texts(const std::vector<SourceLine>& sources) {
  std::vector<std::string> texts;
  for (const SourceLine& line : sources) {
    const std::string head = fmt::format("{}:{} {}", line.source, line.line_number, op_of_line(line.text));
    for (const Observation& seen : line.observations)
      texts.push_back(fmt::format("{} {} {:.3f} ms on {}", head, seen.backend, seen.avg_ms, seen.device));
    if (line.observations.empty()) texts.push_back(head);
    for (const std::string& rule : line.rules) texts.back() += "; " + rule;
  }
  return texts;
}

WorkloadRow price_entry(const WorkloadEntry& entry, const Ranked& ranked) {
  WorkloadRow row;
  row.spec_line = entry.spec.line();
  row.calls_per_token = entry.calls_per_token;
  row.is_product = entry.spec.op->multiplies_weights();
  row.sources = source_texts(entry.sources);
  if (const RankedSpec* spec = ranked.find(entry.spec.math_line())) row.floor_us = spec->floor_us;
  if (const RankedCase* best = ranked.best_case(entry.spec.math_line())) {
    row.best_variant = best->record.variant;
    row.accuracy = best->record.accuracy;
    row.best_is_prepared = best->record.prepared_bytes > 0;
    row.best_us = best->device.median;
    row.total_ms = row.calls_per_token * row.best_us / 1e3;
    row.to_win_ms = row.calls_per_token * std::max(0.0, row.best_us - row.floor_us) / 1e3;
  }
  return row;
}

/// The least-squares line through all measured lengths, at `length`: two neighbours alone would carry their noise far
/// out.
double on_line_through_all(const std::vector<std::pair<int64_t, double>>& measured, int64_t length) {
  double mean_x = 0, mean_y = 0, covariance = 0, variance = 0;
  for (const auto& [x, y] : measured) {
    mean_x += double(x) / double(measured.size());
    mean_y += y / double(measured.size());
  }
  for (const auto& [x, y] : measured) {
    covariance += (double(x) - mean_x) * (y - mean_y);
    variance += (double(x) - mean_x) * (double(x) - mean_x);
  }
  return mean_y + (variance > 0 ? covariance / variance * (double(length) - mean_x) : 0);
}

/// Between the two measured lengths around `length`; beyond them all, on the line through all.
double interpolate(const std::vector<std::pair<int64_t, double>>& measured, int64_t length) {
  if (length < measured.front().first || length > measured.back().first) return on_line_through_all(measured, length);
  const auto after = std::find_if(measured.begin(), measured.end(), [&](const auto& m) { return m.first >= length; });
  if (after->first == length) return after->second;
  const auto& [x0, y0] = *(after - 1);
  return y0 + (after->second - y0) * double(length - x0) / double(after->first - x0);
}

/// "a/b", or "a/b and 2 more" where lengths differ in their winner: the one that wins most often leads.
std::string winners_text(const std::map<std::string, int64_t>& wins) {
  const auto most =
      std::max_element(wins.begin(), wins.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == wins.end()) return "";
  return wins.size() == 1 ? most->first : fmt::format("{} and {} more", most->first, wins.size() - 1);
}

WorkloadRow price_family(const WorkloadFamily& family, const Ranked& ranked, double read_gbps,
                         std::set<std::string>& members) {
  WorkloadRow row;
  row.spec_line = fmt::format("{} {}={}..{}", family.name, family.varied, family.first, family.last);
  std::vector<std::pair<int64_t, double>> measured;
  std::map<std::string, int64_t> wins;
  std::vector<double> floors;
  for (int64_t length = family.first; length <= family.last; ++length) {
    const Spec member = family_member(family, length);
    const std::string math_line = member.math_line();
    members.insert(math_line);
    floors.push_back(read_gbps > 0 ? double(member.cold_bytes()) / read_gbps * 1e-3 : 0);
    const RankedCase* best = ranked.best_case(math_line);
    if (!best) continue;
    row.accuracy = std::max(row.accuracy, best->record.accuracy);
    measured.emplace_back(length, best->device.median);
    ++wins[best->record.variant];
    if (const double floor_us = ranked.find(math_line)->floor_us; floor_us > 0) floors.back() = floor_us;
  }
  const int64_t lengths = std::max<int64_t>(0, family.last - family.first + 1);
  row.calls_per_token = family.calls_per_token_each * double(lengths);
  row.measured = int64_t(measured.size());
  if (measured.empty()) return row;
  row.interpolated = lengths - row.measured;
  row.best_variant = winners_text(wins);
  double sum_us = 0, floor_sum_us = 0, to_win_us = 0;
  for (int64_t length = family.first; length <= family.last; ++length) {
    const double floor_us = floors[size_t(length - family.first)];
    const bool known = std::any_of(measured.begin(), measured.end(), [&](const auto& m) { return m.first == length; });
    const double line_us = interpolate(measured, length);
    const double us = known ? line_us : std::max(line_us, floor_us);  // a line drawn far out may fall below what can be
    sum_us += us;
    floor_sum_us += floor_us;
    to_win_us += std::max(0.0, us - floor_us);
  }
  row.best_us = sum_us / double(lengths);
  row.floor_us = floor_sum_us / double(lengths);
  row.total_ms = family.calls_per_token_each * sum_us / 1e3;
  row.to_win_ms = family.calls_per_token_each * to_win_us / 1e3;
  return row;
}

WorkloadTable price(const Workload& workload, const Ranked& ranked, double read_gbps) {
  WorkloadTable table;
  table.name = workload.name;
  std::set<std::string> members;
  std::vector<WorkloadRow> family_rows;
  for (const WorkloadFamily& family : workload.families)
    family_rows.push_back(price_family(family, ranked, read_gbps, members));
  for (const WorkloadEntry& entry : workload.entries) {
    if (!entry.family.empty() && members.count(entry.spec.math_line())) {  // priced with its family
      for (size_t i = 0; i < family_rows.size(); ++i)
        if (workload.families[i].name == entry.family)
          for (std::string& text : source_texts(entry.sources)) family_rows[i].sources.push_back(std::move(text));
      continue;
    }
    table.rows.push_back(price_entry(entry, ranked));
  }
  std::move(family_rows.begin(), family_rows.end(), std::back_inserter(table.rows));
  for (const WorkloadRow& row : table.rows) {
    if (row.best_variant.empty()) {
      table.missing.push_back(row.spec_line);
      continue;
    }
    table.calls_per_token += row.calls_per_token;
    table.total_ms += row.total_ms;
    if (row.is_product) table.products_ms += row.total_ms;
    table.to_win_ms += row.to_win_ms;
  }
  for (const QuarantinedLine& line : workload.quarantined)
    table.quarantined.push_back(
        fmt::format("{}:{} {} ({})", line.source.source, line.source.line_number, line.source.text, line.reason));
  return table;
}

}  // namespace

WorkloadTable price_workload(const Workload& workload, const std::vector<RankedSpec>& specs, double read_gbps) {
  Ranked ranked;
  for (const RankedSpec& spec : specs) {
    const auto [place, added] = ranked.specs.emplace(spec.math_line, &spec);
    if (!added && place->second->best < 0) place->second = &spec;
  }
  WorkloadTable table = price(workload, ranked, read_gbps);
  ranked.exact_only = true;
  const WorkloadTable exact = price(workload, ranked, read_gbps);
  if (exact.missing == table.missing) table.exact_ms = exact.total_ms;
  return table;
}

}  // namespace assay

// What the page shows of stores: sections with their rows and samples, history, comparisons.
#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/json.h"
#include "measure/ranking_samples.h"
#include "report/compare.h"
#include "report/page.h"
#include "report/rows.h"
#include "report/table_json.h"

namespace assay {
namespace {

constexpr size_t kBins = 48;

Json known(double value) { return value > 0 && std::isfinite(value) ? Json(value) : Json(); }

/// A table by columns: names once, then a list a row.
Json columns_json(const Table& table) {
  Json columns = Json::array(), rows = Json::array();
  for (const Column& column : table.columns)
    columns.push_back({{"key", column.key}, {"title", column.title}, {"text", column.format == Column::Format::text}});
  for (const Json& row : to_json(table)) {
    Json cells = Json::array();
    for (const Json& cell : row) cells.push_back(cell);
    rows.push_back(std::move(cells));
  }
  return {{"columns", std::move(columns)}, {"rows", std::move(rows)}};
}

/// Whole multiples of 10^-e µs with four digits or more: half of the bytes, and far below the clock's noise.
Json samples_json(const CaseRecord& record, bool binned) {
  std::vector<double> samples;
  for (const double us : record.device_us)
    if (std::isfinite(us) && us > 0) samples.push_back(us);
  if (samples.empty()) return nullptr;
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  const int e = std::clamp(3 - int(std::floor(std::log10(*least))), 0, 4);
  const double scale = std::pow(10, e);
  Json json = {{"e", e}};
  if (!binned) {
    Json values = Json::array(), marked = Json::array();
    for (size_t i = 0; i < record.device_us.size(); ++i) {
      values.push_back(std::isfinite(record.device_us[i]) ? std::llround(record.device_us[i] * scale) : 0);
      if (i < record.disturbed.size() && record.disturbed[i]) marked.push_back(i);
    }
    json["v"] = std::move(values);
    if (!marked.empty()) json["marked"] = std::move(marked);
    return json;
  }
  std::vector<int64_t> counts(kBins);
  const double low = std::log(*least), width = std::max(std::log(*most) - low, 1e-9) / double(kBins);
  for (const double us : samples) ++counts[std::min(kBins - 1, size_t((std::log(us) - low) / width))];
  Json bins = Json::array();
  for (size_t i = 0; i < kBins; ++i)
    if (counts[i] > 0) bins.push_back({std::llround(std::exp(low + (double(i) + 0.5) * width) * scale), counts[i]});
  json["bins"] = std::move(bins);
  return json;
}

Json ceilings_json(const StoreSection& section) {
  if (!section.ceilings) return nullptr;
  const Ceilings& c = *section.ceilings;
  Json read = Json::array(), peaks = Json::array();
  for (const CeilingPoint& p : c.read) read.push_back({{"bytes", p.bytes}, {"gbps", p.value}, {"spread", p.spread}});
  for (const NamedPeak& p : c.peaks) peaks.push_back({{"name", p.name}, {"gflops", p.gflops}, {"spread", p.spread}});
  return {{"read", std::move(read)},
          {"copied", {{"bytes", c.copy.bytes}, {"gbps", c.copy.value}, {"spread", c.copy.spread}}},
          {"peaks", std::move(peaks)},
          {"dispatch_us", c.dispatch_us},
          {"dispatch_spread", c.dispatch_spread},
          {"footprint", c.footprint}};
}

Json workload_json(const WorkloadTable& table) {
  Json rows = Json::array();
  for (const WorkloadRow& row : table.rows)
    rows.push_back({{"spec_line", row.spec_line},
                    {"spec", short_spec(row.spec_line)},
                    {"calls_per_token", row.calls_per_token},
                    {"best_variant", row.best_variant},
                    {"accuracy", std::string(accuracy_name(row.accuracy))},
                    {"best_us", known(row.best_us)},
                    {"floor_us", known(row.floor_us)},
                    {"total_ms", known(row.total_ms)},
                    {"to_win_ms", row.to_win_ms},
                    {"is_product", row.is_product},
                    {"measured", row.measured},
                    {"interpolated", row.interpolated}});
  return {{"name", table.name},           {"total_ms", table.total_ms},
          {"to_win_ms", table.to_win_ms}, {"exact_ms", known(table.exact_ms)},
          {"missing", table.missing},     {"calls_per_token", table.calls_per_token},
          {"rows", std::move(rows)}};
}

Json section_json(const StoreSection& section, bool binned) {
  const SweepReport& report = section.report;
  Json specs = Json::array(), samples = Json::array(), workloads = Json::array();
  size_t first = 0;
  for (const RankedSpec& spec : report.specs) {
    specs.push_back({{"spec_line", spec.spec_line},
                     {"math_line", spec.math_line},
                     {"spec", short_spec(spec.spec_line)},
                     {"first", first},
                     {"cases", spec.cases.size()},
                     {"best", spec.best < 0 ? Json() : Json(first + size_t(spec.best))},
                     {"floor_us", known(spec.floor_us)},
                     {"reachable_us", known(spec.reachable_us)},
                     {"original_ms", known(spec.original_ms)},
                     {"original_device", spec.original_device},
                     {"in_workload", spec.in_workload},
                     {"quarantine", spec.quarantine}});
    first += spec.cases.size();
    for (const RankedCase& ranked : spec.cases) samples.push_back(samples_json(ranked.record, binned));
  }
  for (const WorkloadTable& table : report.workloads) workloads.push_back(workload_json(table));
  return {{"source", section.source},          {"device", report.device},
          {"device_text", report.device_text}, {"mode", report.method},
          {"commit", section.commit},          {"environment", section.environment},
          {"unreadable", section.unreadable},  {"ceilings", ceilings_json(section)},
          {"specs", std::move(specs)},         {"cases", columns_json(case_table(report))},
          {"samples", std::move(samples)},     {"binned", binned},
          {"workloads", std::move(workloads)}};
}

Json history_json(const std::vector<HistoryPoint>& history) {
  Json points = Json::array();
  for (const HistoryPoint& p : history)
    points.push_back({p.math_line, p.device, p.mode, p.commit, p.variant, p.median_us, p.measured_at});
  return {{"columns", {"math_line", "device", "mode", "commit", "variant", "median_us", "measured_at"}},
          {"points", std::move(points)}};
}

}  // namespace

Json page_frameworks(const StoreSections& source) {
  if (source.frameworks.empty()) return nullptr;
  Json cells = Json::array();
  for (const CaseRecord& record : source.frameworks) {
    const double us = summarize(finite_samples(record.device_us)).median;
    const bool as_the_seed = record.mode.starts_with("opbench-seed");
    cells.push_back({{"row", record.math_line + (as_the_seed ? ", timed as the seed did" : "")},
                     {"framework", record.variant},
                     {"outcome", std::string(outcome_name(record.outcome))},
                     {"median_us", known(us)},
                     {"ceiling_percent", us > 0 ? known(100 * record.floor_us / us) : Json()},
                     {"detail", record.detail}});
  }
  return {{"schema", "assay-opbench"}, {"cells", std::move(cells)}};
}

Json page_sections(const std::vector<StoreSections>& sources, const PageOptions& options) {
  size_t samples = 0;
  std::vector<HistoryPoint> history;
  for (const StoreSections& source : sources) {
    for (const StoreSection& section : source.sections)
      for (const RankedSpec& spec : section.report.specs)
        for (const RankedCase& ranked : spec.cases) samples += ranked.record.device_us.size();
    history.insert(history.end(), source.history.begin(), source.history.end());
  }
  Json json = {{"sections", Json::array()}, {"history", history_json(history)}, {"comparisons", Json::array()}};
  for (const StoreSections& source : sources)
    for (const StoreSection& section : source.sections)
      json["sections"].push_back(section_json(section, samples > options.most_samples));
  for (size_t i = 1; i < sources.size(); ++i) {
    const CompareReport report = compare_records(sources[0].records, sources[i].records);
    const auto name = [](const StoreSections& s) { return s.sections.empty() ? "" : s.sections[0].source; };
    Json comparison = {{"before", name(sources[0])},
                       {"after", name(sources[i])},
                       {"threshold", report.threshold},
                       {"counts", counts_line(report)},
                       {"only_before", report.only_before.size()},
                       {"only_after", report.only_after.size()}};
    comparison["rows"] = columns_json(compare_table(report));
    json["comparisons"].push_back(std::move(comparison));
  }
  return json;
}

}  // namespace assay

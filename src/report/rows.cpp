// Rows of all reports, made from a SweepReport.
#include "report/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/joined.h"
#include "base/terminal.h"
#include "report/skips.h"

namespace assay {
namespace {

using Format = Column::Format;

Cell known(double value) { return value > 0 ? Cell(value) : Cell(); }

/// A column of the case table beside the rule for its cell, so that neither can be forgotten.
struct CaseContext {
  const SweepReport& report;
  const RankedSpec& spec;
  const RankedCase& ranked;
  const CaseRecord& record;
};
struct CaseColumn {
  Column column;
  Cell (*cell)(const CaseContext&);
};

Cell time_of(const CaseContext& c, double Summary::*member) {
  return c.ranked.device.count > 0 ? Cell(c.ranked.device.*member) : Cell();
}

Cell tags_of(const CaseContext& c) {
  std::vector<std::string> tags = rank_tags(c.ranked, time_names(c.record.device));
  if (is_tie(c.ranked, c.spec)) tags.push_back("tie");
  if (c.ranked.best_of_class) tags.push_back("best-of-class");
  if (c.record.prepared_bytes > 0) tags.push_back("prepared");
  tags.insert(tags.end(), c.record.tags.begin(), c.record.tags.end());
  return joined(tags, " ");
}

Cell checked(const CaseContext& c, double value) { return c.record.errors.launches_checked > 0 ? Cell(value) : Cell(); }

Cell counted(double amount) { return std::isnan(amount) ? Cell() : Cell(amount); }

/// What a launch takes of the device, where that is known.
Cell taken(const CaseContext& c, int64_t amount) { return c.record.registers > 0 ? Cell(double(amount)) : Cell(); }

const std::vector<CaseColumn>& case_columns() {
  static const std::vector<CaseColumn> columns = {
      {{"spec_line", "spec line", Format::text, 0, 0}, [](const CaseContext& c) { return Cell(c.spec.spec_line); }},
      {{"spec", "spec", Format::text, 9, 18}, [](const CaseContext& c) { return Cell(short_spec(c.spec.spec_line)); }},
      {{"variant", "variant", Format::text, 10, 16}, [](const CaseContext& c) { return Cell(c.record.variant); }},
      {{"device", "device", Format::text, 0, 0}, [](const CaseContext& c) { return Cell(c.record.device); }},
      {{"mode", "mode", Format::text, 0, 0}, [](const CaseContext& c) { return Cell(c.record.mode); }},
      {{"outcome", "outcome", Format::text, 8, 0},
       [](const CaseContext& c) { return Cell(std::string(outcome_name(c.record.outcome))); }},
      {{"tags", "tags", Format::text, 3, 8}, tags_of},
      {{"samples", "samples", Format::whole, 0, 0},
       [](const CaseContext& c) { return Cell(double(c.ranked.device.count)); }},
      {{"all_samples", "all samples", Format::whole, 0, 0},
       [](const CaseContext& c) { return Cell(c.ranked.all_samples ? 1.0 : 0.0); }},
      {{"median_us", "us", Format::fixed2, 9, 0}, [](const CaseContext& c) { return time_of(c, &Summary::median); }},
      {{"ci_low_us", "low", Format::fixed2, 0, 0}, [](const CaseContext& c) { return time_of(c, &Summary::ci_low); }},
      {{"ci_high_us", "high", Format::fixed2, 0, 0},
       [](const CaseContext& c) { return time_of(c, &Summary::ci_high); }},
      {{"min_us", "min", Format::fixed2, 0, 0}, [](const CaseContext& c) { return time_of(c, &Summary::min); }},
      {{"p95_us", "p95", Format::fixed2, 0, 0}, [](const CaseContext& c) { return time_of(c, &Summary::p95); }},
      {{"mean_us", "mean", Format::fixed2, 0, 0}, [](const CaseContext& c) { return time_of(c, &Summary::mean); }},
      {{"spread_percent", "spread %", Format::fixed1, 2, 0},
       [](const CaseContext& c) { return c.ranked.device.count > 0 ? Cell(100 * c.ranked.device.spread) : Cell(); }},
      {{"host_median_us", "host us", Format::fixed2, 3, 0},
       [](const CaseContext& c) { return c.ranked.host.count > 0 ? Cell(c.ranked.host.median) : Cell(); }},
      {{"encode_us", "encode us", Format::fixed2, 0, 0}, [](const CaseContext& c) { return Cell(c.record.encode_us); }},
      {{"submit_us", "submit us", Format::fixed2, 0, 0}, [](const CaseContext& c) { return Cell(c.record.submit_us); }},
      {{"wait_us", "wait us", Format::fixed2, 0, 0}, [](const CaseContext& c) { return Cell(c.record.wait_us); }},
      {{"gbps", "GB/s", Format::fixed1, 4, 0}, [](const CaseContext& c) { return known(c.ranked.gbps); }},
      {{"percent_of_ceiling", "% ceiling", Format::fixed1, 4, 0},
       [](const CaseContext& c) { return known(c.ranked.percent_of_ceiling); }},
      {{"percent_of_floor", "% floor", Format::fixed1, 5, 0},
       [](const CaseContext& c) { return known(c.ranked.percent_of_floor); }},
      {{"floor_us", "floor us", Format::fixed2, 0, 0}, [](const CaseContext& c) { return known(c.record.floor_us); }},
      {{"reachable_us", "reachable us", Format::fixed2, 0, 0},
       [](const CaseContext& c) { return known(c.spec.reachable_us); }},
      {{"ceiling_gbps", "ceiling GB/s", Format::fixed1, 0, 0},
       [](const CaseContext& c) { return known(c.record.ceiling_gbps); }},
      {{"max_abs", "maxAbs", Format::scientific, 2, 0},
       [](const CaseContext& c) { return checked(c, c.record.errors.max_abs); }},
      {{"max_rel", "maxRel", Format::scientific, 1, 0},
       [](const CaseContext& c) { return checked(c, c.record.errors.max_rel); }},
      {{"nmse", "nmse", Format::scientific, 0, 0},
       [](const CaseContext& c) { return checked(c, c.record.errors.nmse); }},
      {{"original_ms", "orig ms", Format::fixed3, 0, 0},
       [](const CaseContext& c) { return known(c.spec.original_ms); }},
      {{"original_device", "orig device", Format::text, 0, 0},
       [](const CaseContext& c) { return Cell(c.spec.original_device); }},
      {{"prepare_us", "prepare us", Format::fixed1, 0, 0},
       [](const CaseContext& c) { return Cell(c.record.prepare_us); }},
      {{"prepared_bytes", "prepared bytes", Format::whole, 0, 0},
       [](const CaseContext& c) { return Cell(double(c.record.prepared_bytes)); }},
      {{"workspace_bytes", "workspace bytes", Format::whole, 0, 0},
       [](const CaseContext& c) { return Cell(double(c.record.workspace_bytes)); }},
      {{"bytes", "bytes", Format::whole, 0, 0}, [](const CaseContext& c) { return Cell(double(c.record.bytes)); }},
      {{"flops", "flops", Format::whole, 0, 0}, [](const CaseContext& c) { return Cell(double(c.record.flops)); }},
      {{"detail", "detail", Format::text, 0, 0}, [](const CaseContext& c) { return Cell(c.record.detail); }},
      {{"measured_at", "measured at", Format::whole, 0, 0},
       [](const CaseContext& c) { return Cell(double(c.record.measured_at)); }},
      {{"environment", "environment", Format::text, 0, 0},
       [](const CaseContext& c) { return Cell(c.record.environment); }},
      {{"key", "key", Format::text, 0, 0}, [](const CaseContext& c) { return Cell(c.record.key); }},
      {{"registers", "registers", Format::whole, 0, 0},
       [](const CaseContext& c) { return taken(c, c.record.registers); }},
      {{"shared_bytes", "shared bytes", Format::whole, 0, 0},
       [](const CaseContext& c) { return taken(c, c.record.shared_bytes); }},
      {{"local_bytes", "local bytes", Format::whole, 0, 0},
       [](const CaseContext& c) { return taken(c, c.record.local_bytes); }},
      {{"accuracy", "class", Format::text, 2, 0},
       [](const CaseContext& c) { return Cell(std::string(accuracy_name(c.record.accuracy))); }},
      {{"bound_used", "err of bound", Format::fixed3, 1, 0},
       [](const CaseContext& c) { return checked(c, c.record.errors.bound_used); }},
      {{"dram_bytes", "memory bytes", Format::whole, 0, 0},
       [](const CaseContext& c) { return counted(c.record.dram_bytes); }},
      {{"instructions", "instructions", Format::whole, 0, 0},
       [](const CaseContext& c) { return counted(c.record.instructions); }},
      {{"cycles", "cycles", Format::whole, 0, 0}, [](const CaseContext& c) { return counted(c.record.cycles); }},
  };
  return columns;
}

void add_rows(Table& table, const SweepReport& report, const RankedSpec& spec) {
  for (const RankedCase& ranked : spec.cases) {
    auto& row = table.rows.emplace_back();
    for (const CaseColumn& column : case_columns()) row.push_back(column.cell({report, spec, ranked, ranked.record}));
  }
}

Table empty_case_table() {
  Table table;
  for (const CaseColumn& column : case_columns()) table.columns.push_back(column.column);
  return table;
}

/// Parts by variant, variants in the order in which they came.
class PartsOfVariants {
 public:
  void add(const std::string& variant, std::string part) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const VariantFailures& v) { return v.variant == variant; });
    (found != all_.end() ? *found : all_.emplace_back(VariantFailures{variant, {}})).parts.push_back(std::move(part));
  }
  /// Cases that `wanted` picks, alike ones counted together.
  template <typename Wanted>
  void add_cases(const SweepReport& report, const Wanted& wanted) {
    struct Group {
      std::string variant, op_name, outcome, detail, first_spec;
      int64_t count = 0;
    };
    std::vector<Group> groups;
    std::map<std::string, size_t> group_of;
    for (const RankedSpec& spec : report.specs) {
      for (const RankedCase& ranked : spec.cases) {
        const CaseRecord& record = ranked.record;
        if (!wanted(record.outcome)) continue;
        const std::string op_name = spec_field(spec.spec_line, "op"), outcome(outcome_name(record.outcome));
        const auto [place, added] =
            group_of.emplace(record.variant + "\n" + op_name + "\n" + outcome + "\n" + record.detail, groups.size());
        if (added) groups.push_back({record.variant, op_name, outcome, record.detail, short_spec(spec.spec_line), 0});
        ++groups[place->second].count;
      }
    }
    for (const Group& group : groups) {
      const std::string why = one_line(group.detail.empty() ? "no reason given" : group.detail);
      add(group.variant, fmt::format("{} {} {} ({}; {}{})", group.op_name, group.outcome, group.count, why,
                                     group.count > 1 ? "first at " : "at ", group.first_spec));
    }
  }
  std::vector<VariantFailures> take() { return std::move(all_); }

 private:
  std::vector<VariantFailures> all_;
};

}  // namespace

TimeNames time_names(std::string_view device) {
  return device.substr(0, 3) == "cpu" ? TimeNames{"dev", "host"} : TimeNames{"gpu", "cpu"};
}

std::string spec_field(const std::string& spec_line, std::string_view key) {
  try {
    for (const auto& [name, value] : parse_spec_fields(spec_line))
      if (name == key) return value;
  } catch (const Error&) {  // a family's name is no spec line
  }
  return "";
}

std::string short_spec(const std::string& spec_line) {
  try {
    const Spec spec = parse_spec(spec_line);
    return spec.op_name + " " + spec.short_name_with_layout();
  } catch (const Error&) {
    return one_line(spec_line);
  }
}

std::vector<std::string> rank_tags(const RankedCase& ranked, const TimeNames& names) {
  std::vector<std::string> tags;
  if (ranked.baseline) tags.emplace_back("baseline");
  if (ranked.best_device) tags.push_back(fmt::format("best-{}", names.device));
  if (ranked.best_host) tags.push_back(fmt::format("best-{}", names.host));
  if (ranked.host_gap) tags.emplace_back("host-gap");
  return tags;
}

bool is_tie(const RankedCase& ranked, const RankedSpec& spec) {
  return ranked.in_tie_set && std::count_if(spec.cases.begin(), spec.cases.end(),
                                            [](const RankedCase& other) { return other.in_tie_set; }) > 1;
}

Table case_table(const SweepReport& report, const RankedSpec& spec) {
  Table table = empty_case_table();
  add_rows(table, report, spec);
  return table;
}

Table case_table(const SweepReport& report) {
  Table table = empty_case_table();
  for (const RankedSpec& spec : report.specs) add_rows(table, report, spec);
  return table;
}

bool has_other_ops(const WorkloadTable& workload) {
  return std::any_of(workload.rows.begin(), workload.rows.end(),
                     [](const WorkloadRow& row) { return !row.is_product; });
}

Table workload_rows(const WorkloadTable& workload) {
  Table table;
  table.title = fmt::format("Workload {}: per token, with the best proved variants", workload.name);
  table.columns = {{"spec", "spec", Format::text, 10, 26},
                   {"calls_per_token", "calls", Format::fixed2, 5, 0},
                   {"best_variant", "best proved variant", Format::text, 9, 14},
                   {"best_us", "us", Format::fixed2, 8, 0},
                   {"floor_us", "floor us", Format::fixed2, 2, 0},
                   {"percent_of_floor", "% floor", Format::fixed1, 6, 0},
                   {"ms_per_token", "ms", Format::fixed3, 4, 0},
                   {"to_win_ms", "to win ms", Format::fixed3, 7, 0}};
  const bool rounded = std::any_of(workload.rows.begin(), workload.rows.end(),
                                   [](const WorkloadRow& row) { return row.accuracy != Accuracy::exact; });
  table.columns.push_back({"accuracy", "class", Format::text, rounded ? 3 : 0, 0});
  for (const WorkloadRow& row : workload.rows) {
    std::string name = short_spec(row.spec_line);
    if (row.measured > 0 || row.interpolated > 0) {
      table.notes.push_back(fmt::format("* {} ({} measured, {} interpolated; times are means over all lengths)", name,
                                        row.measured, row.interpolated));
      name += " *";
    }
    const bool priced = !row.best_variant.empty();
    const std::string best = row.best_variant + (row.best_is_prepared ? " (prepared)" : "");
    table.rows.push_back({name, row.calls_per_token, priced ? best : "(none proved)", known(row.best_us),
                          known(row.floor_us), row.best_us > 0 ? known(100 * row.floor_us / row.best_us) : Cell(),
                          priced ? Cell(row.total_ms) : Cell(), priced ? Cell(row.to_win_ms) : Cell(),
                          priced ? Cell(std::string(accuracy_name(row.accuracy))) : Cell()});
  }
  if (has_other_ops(workload))
    table.notes.push_back(fmt::format("products: {:.3f} ms; other ops: {:.3f} ms", workload.products_ms,
                                      workload.total_ms - workload.products_ms));
  if (rounded && workload.exact_ms > 0)
    table.notes.push_back(
        fmt::format("with exact variants alone: {:.3f} ms (assay probe --accuracy exact)", workload.exact_ms));
  if (std::any_of(workload.rows.begin(), workload.rows.end(),
                  [](const WorkloadRow& row) { return row.best_is_prepared; }))
    table.notes.push_back("(prepared): it repacks its weights once, before its calls; that time is not in these");
  table.sums = {std::string("sum"), workload.calls_per_token, {}, {}, {}, {},
                workload.total_ms,  workload.to_win_ms,       {}};
  return table;
}

bool is_no_pass(Outcome outcome) { return outcome != Outcome::pass && outcome != Outcome::unsupported; }

std::vector<VariantFailures> variant_failures(const SweepReport& report) {
  PartsOfVariants parts;
  for (const SkipGroup& skip : report.skips)
    parts.add(skip.variant, fmt::format("{} skipped {} ({})", skip.op_name, skip.count, skip_reason_text(skip.reason)));
  parts.add_cases(report, is_no_pass);
  return parts.take();
}

std::vector<VariantFailures> case_failures(const SweepReport& report, const std::function<bool(Outcome)>& wanted) {
  PartsOfVariants parts;
  parts.add_cases(report, wanted);
  return parts.take();
}

std::vector<VariantFailures> unsupported_cases(const SweepReport& report) {
  return case_failures(report, [](Outcome outcome) { return outcome == Outcome::unsupported; });
}

bool is_failure(Outcome outcome) {
  constexpr Outcome kOthers[] = {Outcome::pass, Outcome::noisy, Outcome::unsupported, Outcome::device_limit};
  return std::find(std::begin(kOthers), std::end(kOthers), outcome) == std::end(kOthers);
}

CaseCounts count_cases(const SweepReport& report) {
  CaseCounts counts;
  for (const RankedSpec& spec : report.specs) {
    for (const RankedCase& ranked : spec.cases) {
      const Outcome outcome = ranked.record.outcome;
      ++counts.cases;
      counts.failed += is_failure(outcome);
      counts.noisy += outcome == Outcome::noisy;
      counts.unsupported += outcome == Outcome::unsupported;
      counts.over_limit += outcome == Outcome::device_limit;
      if (outcome != Outcome::pass) continue;
      const size_t samples = ranked.device.count;
      counts.fewest_samples = counts.passed == 0 ? samples : std::min(counts.fewest_samples, samples);
      counts.most_samples = std::max(counts.most_samples, samples);
      ++counts.passed;
      const std::vector<std::string>& tags = ranked.record.tags;
      counts.disturbed += ranked.all_samples || std::count(tags.begin(), tags.end(), "disturbed") > 0;
    }
  }
  for (const SkipGroup& skip : report.skips) counts.skipped += skip.count;
  return counts;
}

std::vector<std::string> other_counts(const CaseCounts& counts) {
  std::vector<std::string> texts;
  const auto add = [&](int64_t count, Outcome outcome) {
    if (count > 0) texts.push_back(fmt::format("{} {}", count, outcome_name(outcome)));
  };
  add(counts.noisy, Outcome::noisy);
  add(counts.unsupported, Outcome::unsupported);
  add(counts.over_limit, Outcome::device_limit);
  if (counts.skipped > 0) texts.push_back(fmt::format("{} skipped", counts.skipped));
  return texts;
}

}  // namespace assay

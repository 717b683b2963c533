// The judgement of a probe log.
#include "trace/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

constexpr double kRounding = 1e-6;  // µs: differences of printed decimals are exact only in decimal

/// Completes what a log leaves out, each by a rule that the report repeats, and counts the bytes.
void complete(AuditSpec& spec, const SpecFields& written, const std::string& dtype) {
  SpecFields fields = written;
  spec.full_text = spec.text;
  spec.completed = "?";
  if (written.empty()) return;
  std::string added;
  for (const std::string& name : missing_fields(written)) {
    const bool is_type = name == "dtA" || name == "dtB" || name == "dtD";
    const std::string type = dtype == "q8_0" && name != "dtB" ? "f16" : dtype;
    const std::string value = is_type ? type : name == "alpha" || name == "bias" ? "1" : name == "beta" ? "0" : "";
    if (value.empty()) return;
    fields.emplace_back(name, value);
    added += (added.empty() ? "" : " ") + name + "=" + value;
  }
  try {
    spec.bytes = make_spec(fields, "audit").min_bytes();
    spec.completed = added;
    spec.full_text = print_spec_fields(fields);
  } catch (const Error&) {  // its rows are judged all the same, without bandwidths
  }
}

/// What the log itself says weighs as much as its numbers: our own outcome knows the exact bound of each element.
void judge_row(AuditRow& judged, const AuditOptions& options) {
  const ProbeRow& row = judged.row;
  const bool says_wrong = row.outcome == "wrong";
  judged.impossible = row.outcome == "impossible";
  if (!row.measured()) {
    judged.verdict = RowVerdict::failed;
    judged.why = row.outcome + (row.detail.empty() ? "" : ": " + row.detail);
  } else if (row.max_rel && !(*row.max_rel <= options.max_rel)) {
    judged.verdict = RowVerdict::wrong;
    judged.why = fmt::format("maxRel {:.4e} above {:g}", *row.max_rel, options.max_rel);
  } else if (says_wrong) {
    judged.verdict = RowVerdict::wrong;
    judged.why = "the log says wrong" + (row.detail.empty() ? "" : ": " + row.detail);
  } else if (!row.max_rel) {
    judged.why = "no maxRel";
  } else {
    judged.verdict = RowVerdict::right;
    if (row.outcome != "pass" && !row.outcome.empty())
      judged.why = "not ranked: the log says " + row.outcome + (row.detail.empty() ? "" : ": " + row.detail);
  }
}

/// Time in 1 + the number of faster right rows; rows with equal printed times share their rank.
void rank_rows(AuditSpec& spec, double ProbeRow::*time, int AuditRow::*rank, int& best) {
  std::vector<size_t> order;
  for (size_t i = 0; i < spec.rows.size(); ++i)
    if (spec.rows[i].ranks() && !std::isnan(spec.rows[i].row.*time)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return spec.rows[a].row.*time < spec.rows[b].row.*time; });
  for (size_t place = 0; place < order.size(); ++place) {
    AuditRow& row = spec.rows[order[place]];
    const bool tied = place > 0 && spec.rows[order[place - 1]].row.*time + kRounding >= row.row.*time;
    row.*rank = tied ? spec.rows[order[place - 1]].*rank : int(place) + 1;
  }
  if (!order.empty()) best = int(order.front());
}

CrownVerdict judge_crown(const AuditSpec& spec, const Crown& crown) {
  const AuditRow& row = spec.rows[crown.row];
  if (row.verdict == RowVerdict::wrong || row.verdict == RowVerdict::failed || row.impossible)
    return CrownVerdict::wrong_row;
  if (row.verdict == RowVerdict::unchecked) return CrownVerdict::unchecked_row;
  if (crown.of_host && row.row.ranks_by_median) return CrownVerdict::stands;  // its host median is not printed
  const int best = crown.of_host ? spec.best_host : spec.best_device;
  if (best < 0) return CrownVerdict::stands;
  const ProbeRow& rival = spec.rows[size_t(best)].row;
  const double lead = crown.of_host ? row.row.host_us - rival.host_us : row.row.device_us - rival.device_us;
  return lead > row.row.device_digit_us + rival.device_digit_us + kRounding ? CrownVerdict::slower
                                                                            : CrownVerdict::stands;
}

void find_crowns(AuditSpec& spec) {
  for (size_t i = 0; i < spec.rows.size(); ++i)
    for (const std::string& tag : spec.rows[i].row.tags)
      if (tag == "best-gpu" || tag == "best-dev" || tag == "best-cpu" || tag == "best-host")
        spec.crowns.push_back({tag, tag == "best-cpu" || tag == "best-host", i, CrownVerdict::stands});
}

/// The rule compares with the row that the log crowned on the device, as the harness did.
void apply_host_gap_rule(AuditSpec& spec, const AuditOptions& options) {
  const auto crown = std::find_if(spec.crowns.begin(), spec.crowns.end(), [](const Crown& c) { return !c.of_host; });
  if (crown == spec.crowns.end()) return;
  const ProbeRow& best = spec.rows[crown->row].row;
  for (AuditRow& row : spec.rows)
    row.host_gap = row.row.variant != best.variant &&
                   row.row.device_us - best.device_us <= options.host_gap_device_ms * 1e3 + kRounding &&
                   best.host_us - row.row.host_us >= options.host_gap_host_ms * 1e3 - kRounding;
}

AuditSpec judge_spec(const ProbeLogSpec& logged, const AuditOptions& options) {
  AuditSpec spec;
  spec.line = logged.line;
  spec.text = logged.text;
  complete(spec, logged.fields, options.dtype);
  for (const ProbeRow& row : logged.rows) {
    AuditRow& judged = spec.rows.emplace_back();
    judged.row = row;
    judge_row(judged, options);
    if (row.device_us > 0) judged.gbps = double(spec.bytes) / row.device_us / 1e3;
  }
  find_crowns(spec);
  apply_host_gap_rule(spec, options);
  return spec;
}

void find_best_bandwidth(Audit& audit) {
  for (size_t s = 0; s < audit.specs.size(); ++s)
    for (size_t r = 0; r < audit.specs[s].rows.size(); ++r) {
      const AuditRow& row = audit.specs[s].rows[r];
      if (!row.ranks() || row.gbps <= audit.best_gbps) continue;
      audit.best_gbps = row.gbps, audit.best_gbps_spec = s, audit.best_gbps_row = r;
    }
}

void find_impossible_times(Audit& audit) {
  if (!(audit.best_gbps > 0)) return;
  for (AuditSpec& spec : audit.specs)
    for (AuditRow& row : spec.rows) {
      const double longest_us = row.row.device_us + row.row.device_digit_us;
      const double allowed_us = double(spec.bytes) / audit.best_gbps / 1e3;
      if (spec.bytes > 0 && longest_us < allowed_us) row.impossible = true;
    }
}

void count_all(Audit& audit) {
  std::vector<double> submissions;
  for (const AuditSpec& spec : audit.specs) {
    audit.rows += spec.rows.size();
    audit.unsolved += spec.unsolved();
    for (const AuditRow& row : spec.rows) {
      audit.wrong += row.verdict == RowVerdict::wrong;
      audit.unchecked += row.verdict == RowVerdict::unchecked;
      audit.failed += row.verdict == RowVerdict::failed;
      audit.impossible += row.impossible;
      const bool tagged = row.row.has_tag("host-gap");
      audit.host_gap_tags += tagged;
      audit.host_gap_by_rule += row.host_gap;
      audit.host_gap_agree += tagged && row.host_gap;
      if (row.submission_us() >= 0) submissions.push_back(row.submission_us());
      audit.host_below_device += row.submission_us() < 0;
    }
    for (const Crown& crown : spec.crowns) {
      ++audit.crowns;
      audit.crowns_wrong += crown.verdict == CrownVerdict::wrong_row;
      audit.crowns_slower += crown.verdict == CrownVerdict::slower;
    }
  }
  audit.submission_us = summarize(submissions);
}

}  // namespace

std::string_view row_verdict_name(RowVerdict verdict) {
  static constexpr std::array<std::string_view, 4> names = {"right", "wrong", "unchecked", "failed"};
  return names[size_t(verdict)];
}

std::string_view crown_verdict_name(CrownVerdict verdict) {
  static constexpr std::array<std::string_view, 4> names = {"stands", "slower", "wrong row", "unchecked row"};
  return names[size_t(verdict)];
}

size_t AuditSpec::count(RowVerdict verdict) const {
  return size_t(std::count_if(rows.begin(), rows.end(), [&](const AuditRow& row) { return row.verdict == verdict; }));
}

Audit audit_log(ProbeLog log, const AuditOptions& options) {
  Audit audit;
  audit.options = options;
  for (const ProbeLogSpec& spec : log.specs) audit.specs.push_back(judge_spec(spec, options));
  audit.log = std::move(log);
  find_best_bandwidth(audit);
  find_impossible_times(audit);
  for (AuditSpec& spec : audit.specs) {
    rank_rows(spec, &ProbeRow::device_us, &AuditRow::device_rank, spec.best_device);
    rank_rows(spec, &ProbeRow::host_us, &AuditRow::host_rank, spec.best_host);
    for (Crown& crown : spec.crowns) crown.verdict = judge_crown(spec, crown);
  }
  count_all(audit);
  return audit;
}

}  // namespace assay

// The judgement of a probe log.
#include "audit/audit.h"

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
    const std::string type(product_types_of_option(dtype).of(name));
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
  const bool of_host = rank == &AuditRow::host_rank;
  for (const Crown& crown : spec.crowns)  // of equals the one that the log crowned
    if (crown.of_host == of_host && spec.rows[crown.row].*rank == 1) best = int(crown.row);
}

using BestOfClass = std::array<double, kAccuracyClasses.size()>;

/// The least time that can be meant, by class, of the rows that rank.
BestOfClass best_of_class(const AuditSpec& spec, double ProbeRow::*time) {
  BestOfClass best;
  best.fill(INFINITY);
  for (const AuditRow& row : spec.rows)
    if (row.ranks()) best[row.accuracy] = std::fmin(best[row.accuracy], row.row.*time + row.row.device_digit_us);
  return best;
}

CrownVerdict judge_crown(const AuditSpec& spec, const Crown& crown, const BestOfClass& best) {
  const AuditRow& row = spec.rows[crown.row];
  if (row.verdict == RowVerdict::wrong || row.verdict == RowVerdict::failed || row.impossible)
    return CrownVerdict::wrong_row;
  if (row.verdict == RowVerdict::unchecked) return CrownVerdict::unchecked_row;
  if (crown.of_host && row.row.ranks_by_median) return CrownVerdict::stands;  // its host median is not printed
  const double us = crown.of_host ? row.row.host_us : row.row.device_us;
  return us > best[row.accuracy] + row.row.device_digit_us + kRounding ? CrownVerdict::slower : CrownVerdict::stands;
}

void judge_crowns(AuditSpec& spec) {
  const BestOfClass device = best_of_class(spec, &ProbeRow::device_us), host = best_of_class(spec, &ProbeRow::host_us);
  for (Crown& crown : spec.crowns) crown.verdict = judge_crown(spec, crown, crown.of_host ? host : device);
}

/// The row that a crown line names: of several of the variant, the one with that time.
size_t crowned_row(const AuditSpec& spec, const ProbeCrown& crown) {
  size_t found = 0;
  double nearest = INFINITY;
  for (size_t i = 0; i < spec.rows.size(); ++i) {
    const ProbeRow& row = spec.rows[i].row;
    const double us = crown.of_host ? row.host_us : row.device_average_us;
    const double distance = std::isnan(us) ? 1e300 : std::fabs(us - crown.us);
    if (row.variant == crown.variant && distance < nearest) nearest = distance, found = i;
  }
  return found;
}

/// Tags of rows and lines of their own; both may say the same.
void find_crowns(AuditSpec& spec, const std::vector<ProbeCrown>& crown_lines) {
  for (size_t i = 0; i < spec.rows.size(); ++i)
    for (const char* tag : {"best-gpu", "best-dev", "best-cpu", "best-host"})
      if (spec.rows[i].row.has_tag(tag)) spec.crowns.push_back({tag, *crowns_host(tag), i, CrownVerdict::stands});
  for (const ProbeCrown& line : crown_lines) {
    const size_t row = crowned_row(spec, line);
    const bool known = std::any_of(spec.crowns.begin(), spec.crowns.end(), [&](const Crown& crown) {
      return crown.row == row && crown.of_host == line.of_host;
    });
    if (!known) spec.crowns.push_back({line.tag, line.of_host, row, CrownVerdict::stands});
  }
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

AuditSpec judge_spec(ProbeLogSpec logged, const AuditOptions& options) {
  AuditSpec spec;
  spec.line = logged.line;
  spec.text = std::move(logged.text);
  spec.unsuccessful = logged.unsuccessful;
  complete(spec, logged.fields, options.dtype);
  for (; !logged.rows.empty(); logged.rows.pop_front()) {
    AuditRow& judged = spec.rows.emplace_back();
    judged.row = logged.rows.front();
    const Judgement judgement = judge_row(judged.row, options.max_rel);
    judged.verdict = judgement.verdict;
    judged.accuracy = uint8_t(judgement.accuracy);
    judged.impossible = judged.row.outcome == "impossible";
    if (judged.row.device_us > 0) judged.gbps = double(spec.bytes) / judged.row.device_us / 1e3;
  }
  find_crowns(spec, logged.crowns);
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

/// Of a row that is unchecked, or right but too noisy to rank, the time may be the better yardstick: only none at all
/// is impossible.
void find_impossible_times(Audit& audit) {
  if (!(audit.best_gbps > 0)) return;
  for (AuditSpec& spec : audit.specs)
    for (AuditRow& row : spec.rows) {
      if (row.verdict != RowVerdict::wrong && row.row.device_us > 0) continue;
      const double longest_us = row.row.device_us + row.row.device_digit_us;
      const double allowed_us = double(spec.bytes) / audit.best_gbps / 1e3;
      if (spec.bytes > 0 && longest_us < allowed_us) row.impossible = true;
    }
}

void count_all(Audit& audit) {
  std::vector<double> submissions;
  audit.logs = 1;
  audit.spec_count = audit.specs.size();
  for (const AuditSpec& spec : audit.specs) {
    audit.unsolved += spec.unsolved();
    audit.unsuccessful += spec.unsuccessful;
    for (const AuditRow& row : spec.rows) {
      const size_t times = row.row.times;
      audit.rows += times;
      audit.wrong += times * (row.verdict == RowVerdict::wrong);
      audit.unchecked += times * (row.verdict == RowVerdict::unchecked);
      audit.failed += times * (row.verdict == RowVerdict::failed);
      audit.impossible += times * row.impossible;
      audit.own_bound += times * (row.accuracy > 0);
      const bool tagged = row.row.has_tag("host-gap");
      audit.host_gap_tags += times * tagged;
      audit.host_gap_by_rule += times * row.host_gap;
      audit.host_gap_agree += times * (tagged && row.host_gap);
      audit.host_below_device += times * (row.submission_us() < 0);
      if (row.submission_us() >= 0) submissions.push_back(row.submission_us());
    }
    for (const Crown& crown : spec.crowns) {
      const size_t times = spec.rows[crown.row].row.times;
      audit.crowns += times;
      audit.crowns_wrong += times * (crown.verdict == CrownVerdict::wrong_row);
      audit.crowns_slower += times * (crown.verdict == CrownVerdict::slower);
      audit.crowns_unchecked += times * (crown.verdict == CrownVerdict::unchecked_row);
    }
  }
  audit.submission_us = summarize(submissions);
  audit.unread = audit.log.unread_lines;
  audit.misleading = audit.misleads();
  audit.nothing_checked = audit.checks_nothing();
}

}  // namespace

std::string_view crown_verdict_name(CrownVerdict verdict) {
  static constexpr std::array<std::string_view, 4> names = {"stands", "slower", "wrong row", "unchecked row"};
  return names[size_t(verdict)];
}

size_t AuditSpec::count(RowVerdict verdict) const {
  size_t count = 0;
  for (const AuditRow& row : rows) count += row.verdict == verdict ? row.row.times : 0;
  return count;
}

void AuditCounts::add(const AuditCounts& other) {
  constexpr size_t AuditCounts::*kAll[] = {&AuditCounts::logs,           &AuditCounts::spec_count,
                                           &AuditCounts::rows,           &AuditCounts::wrong,
                                           &AuditCounts::unchecked,      &AuditCounts::failed,
                                           &AuditCounts::impossible,     &AuditCounts::own_bound,
                                           &AuditCounts::crowns,         &AuditCounts::crowns_wrong,
                                           &AuditCounts::crowns_slower,  &AuditCounts::crowns_unchecked,
                                           &AuditCounts::unsolved,       &AuditCounts::unsuccessful,
                                           &AuditCounts::host_gap_tags,  &AuditCounts::host_gap_by_rule,
                                           &AuditCounts::host_gap_agree, &AuditCounts::host_below_device,
                                           &AuditCounts::unread,         &AuditCounts::misleading,
                                           &AuditCounts::nothing_checked};
  static_assert(sizeof kAll / sizeof kAll[0] * sizeof(size_t) == sizeof(AuditCounts));
  for (const auto count : kAll) this->*count += other.*count;
}

Audit audit_log(ProbeLog log, const AuditOptions& options) {
  Audit audit;
  audit.options = options;
  audit.specs.reserve(log.specs.size());
  for (ProbeLogSpec& spec : log.specs) audit.specs.push_back(judge_spec(std::exchange(spec, {}), options));
  audit.log = std::move(log);
  find_best_bandwidth(audit);
  find_impossible_times(audit);
  for (AuditSpec& spec : audit.specs) {
    rank_rows(spec, &ProbeRow::device_us, &AuditRow::device_rank, spec.best_device);
    rank_rows(spec, &ProbeRow::host_us, &AuditRow::host_rank, spec.best_host);
    judge_crowns(spec);
  }
  count_all(audit);
  return audit;
}

}  // namespace assay

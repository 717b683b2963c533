// The audit as JSON.
#include <cmath>

#include "base/json.h"
#include "report/audit_report.h"

namespace assay {
namespace {

Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}
/// Of an error, NaN is an answer and not a gap.
Json error_number(double error) { return std::isnan(error) ? Json("nan") : error < 0 ? Json() : number(error); }

Json tags_json(std::string_view tags) {
  Json list = Json::array();
  for (size_t open = tags.find('['); open != std::string_view::npos; open = tags.find('[', open + 1))
    list.push_back(std::string(tags.substr(open + 1, tags.find(']', open) - open - 1)));
  return list;
}

Json row_json(const AuditRow& row, const AuditOptions& options) {
  return {{"line", row.row.line},
          {"times", row.row.times},
          {"variant", std::string(row.row.variant)},
          {"tags", tags_json(row.row.tags)},
          {"device_us", number(row.row.device_us)},
          {"host_us", number(row.row.host_us)},
          {"submission_us", number(row.submission_us())},
          {"gbps", row.gbps > 0 ? number(row.gbps) : Json()},
          {"max_abs", error_number(row.row.max_abs)},
          {"max_rel", error_number(row.row.max_rel)},
          {"class", std::string(row.row.accuracy)},
          {"share_of_bound", error_number(row.row.bound_share)},
          {"outcome", std::string(row.row.outcome)},
          {"verdict", std::string(row_verdict_name(row.verdict))},
          {"judged_by", row.accuracy > 0 ? "its own bound" : "max_rel"},
          {"impossible", row.impossible},
          {"why", judge_row(row.row, options.max_rel).why},
          {"device_rank", row.device_rank},
          {"host_rank", row.host_rank},
          {"host_gap_tag", row.row.has_tag("host-gap")},
          {"host_gap_rule", row.host_gap}};
}

}  // namespace

Json audit_counts_json(const AuditCounts& counts) {
  return {{"logs", counts.logs},
          {"specs", counts.spec_count},
          {"rows", counts.rows},
          {"wrong", counts.wrong},
          {"unchecked", counts.unchecked},
          {"failed", counts.failed},
          {"impossible", counts.impossible},
          {"judged_by_own_bound", counts.own_bound},
          {"crowns", counts.crowns},
          {"crowns_on_wrong_rows", counts.crowns_wrong},
          {"crowns_on_unchecked_rows", counts.crowns_unchecked},
          {"crowns_with_a_faster_right_row", counts.crowns_slower},
          {"unsolved_specs", counts.unsolved},
          {"unsuccessful_specs", counts.unsuccessful},
          {"host_below_device", counts.host_below_device},
          {"host_gap_tags", counts.host_gap_tags},
          {"host_gap_by_rule", counts.host_gap_by_rule},
          {"host_gap_in_both", counts.host_gap_agree},
          {"unread_lines", counts.unread},
          {"misleading_logs", counts.misleading},
          {"logs_in_which_nothing_was_checked", counts.nothing_checked}};
}

Json audit_spec_json(const AuditSpec& spec, const AuditOptions& options, size_t log) {
  Json rows = Json::array(), crowns = Json::array();
  for (const AuditRow& row : spec.rows) rows.push_back(row_json(row, options));
  for (const Crown& crown : spec.crowns)
    crowns.push_back({{"tag", crown.tag},
                      {"variant", std::string(spec.rows[crown.row].row.variant)},
                      {"verdict", std::string(crown_verdict_name(crown.verdict))}});
  const auto variant = [&](int row) {
    return row < 0 ? Json() : Json(std::string(spec.rows[size_t(row)].row.variant));
  };
  return {{"log", log},
          {"line", spec.line},
          {"spec_line", spec.text},
          {"completed", spec.completed},
          {"bytes", spec.bytes},
          {"unsolved", spec.unsolved()},
          {"unsuccessful", spec.unsuccessful},
          {"best_device", variant(spec.best_device)},
          {"best_host", variant(spec.best_host)},
          {"crowns", std::move(crowns)},
          {"rows", std::move(rows)}};
}

Json audit_log_json(const Audit& audit, size_t log) {
  Json json = {{"log", log}, {"line", audit.log.line}, {"iterations", audit.log.iterations}};
  json["claimed"] = {{"results", audit.log.claimed_results}, {"failures", audit.log.claimed_failures}};
  json["counts"] = audit_counts_json(audit);
  json["best_gbps"] = audit.best_gbps > 0 ? number(audit.best_gbps) : Json();
  json["submission_us"] = {{"rows", audit.submission_us.count},
                           {"median", number(audit.submission_us.median)},
                           {"min", number(audit.submission_us.min)},
                           {"max", number(audit.submission_us.max)},
                           {"p95", number(audit.submission_us.p95)}};
  json["failures"] = Json::array();
  for (const ProbeFailure& failure : audit.log.failures)
    json["failures"].push_back({{"variant", failure.variant},
                                {"op", failure.op_name},
                                {"what", failure.what},
                                {"count", failure.count},
                                {"reason", failure.reason}});
  json["unread"] = Json::array();
  for (const ProbeLogTrouble& trouble : audit.log.unread)
    json["unread"].push_back({{"line", trouble.line}, {"why", trouble.why}});
  return json;
}

}  // namespace assay

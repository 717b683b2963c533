// The audit as JSON.
#include <cmath>

#include "base/json_reader.h"
#include "report/audit_report.h"

namespace assay {
namespace {

Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(); }

Json row_json(const AuditRow& row) {
  return {{"line", row.row.line},
          {"variant", row.row.variant},
          {"tags", row.row.tags},
          {"device_us", number(row.row.device_us)},
          {"host_us", number(row.row.host_us)},
          {"submission_us", number(row.submission_us())},
          {"gbps", row.gbps > 0 ? number(row.gbps) : Json()},
          {"max_abs", number(row.row.max_abs)},
          {"max_rel", number(row.row.max_rel)},
          {"outcome", row.row.outcome},
          {"verdict", std::string(row_verdict_name(row.verdict))},
          {"impossible", row.impossible},
          {"why", row.why},
          {"device_rank", row.device_rank},
          {"host_rank", row.host_rank},
          {"host_gap_tag", row.row.has_tag("host-gap")},
          {"host_gap_rule", row.host_gap}};
}

Json spec_json(const AuditSpec& spec) {
  Json rows = Json::array(), crowns = Json::array();
  for (const AuditRow& row : spec.rows) rows.push_back(row_json(row));
  for (const Crown& crown : spec.crowns)
    crowns.push_back({{"tag", crown.tag},
                      {"variant", spec.rows[crown.row].row.variant},
                      {"verdict", std::string(crown_verdict_name(crown.verdict))}});
  const auto variant = [&](int row) { return row < 0 ? Json() : Json(spec.rows[size_t(row)].row.variant); };
  return {{"line", spec.line},
          {"spec_line", spec.text},
          {"completed", spec.completed},
          {"bytes", spec.bytes},
          {"unsolved", spec.unsolved()},
          {"best_device", variant(spec.best_device)},
          {"best_host", variant(spec.best_host)},
          {"crowns", std::move(crowns)},
          {"rows", std::move(rows)}};
}

}  // namespace

std::string audit_json(const Audit& audit) {
  Json json = {
      {"schema", "assay-audit"}, {"version", 1}, {"file", audit.log.file}, {"iterations", audit.log.iterations}};
  json["max_rel"] = number(audit.options.max_rel);
  json["claimed"] = {{"results", audit.log.claimed_results}, {"failures", audit.log.claimed_failures}};
  json["counts"] = {{"specs", audit.specs.size()},
                    {"rows", audit.rows},
                    {"wrong", audit.wrong},
                    {"unchecked", audit.unchecked},
                    {"failed", audit.failed},
                    {"impossible", audit.impossible},
                    {"crowns", audit.crowns},
                    {"crowns_on_wrong_rows", audit.crowns_wrong},
                    {"crowns_with_a_faster_right_row", audit.crowns_slower},
                    {"unsolved_specs", audit.unsolved},
                    {"host_below_device", audit.host_below_device},
                    {"host_gap_tags", audit.host_gap_tags},
                    {"host_gap_by_rule", audit.host_gap_by_rule},
                    {"host_gap_in_both", audit.host_gap_agree},
                    {"unread_lines", audit.log.unread.size()}};
  json["best_gbps"] = audit.best_gbps > 0 ? number(audit.best_gbps) : Json();
  json["submission_us"] = {{"rows", audit.submission_us.count},
                           {"median", number(audit.submission_us.median)},
                           {"min", number(audit.submission_us.min)},
                           {"max", number(audit.submission_us.max)},
                           {"p95", number(audit.submission_us.p95)}};
  json["specs"] = Json::array();
  for (const AuditSpec& spec : audit.specs) json["specs"].push_back(spec_json(spec));
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
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay

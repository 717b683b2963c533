// A small report of two specs and a workload, for tests of what shows reports.
#pragma once
#include <string>
#include <vector>

#include "probe/ranking.h"
#include "report/rows.h"

namespace assay {

inline const char* const kTypes = " | dtA=f16 | dtB=f16 | dtD=f16";
inline const std::string kUp = std::string("op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1") + kTypes;
inline const std::string kBias =
    std::string("op=matmul_bias_add | batch=1 | m=1 | n=1152 | k=896 | tA=0 | tB=0 | bias=1") + kTypes;

inline CaseRecord record(const std::string& variant, double device_us, double host_us) {
  CaseRecord result;
  result.key = "0123456789abcdef";
  result.variant = variant;
  result.device = "cpu:0";
  result.mode = "decode";
  for (int i = 0; i < 12; ++i) {
    const double step = 0.0012 * (i % 4 - 1.5);
    result.device_us.push_back(device_us * (1 + step));
    result.host_us.push_back(host_us * (1 + step));
    result.disturbed.push_back(0);
  }
  result.bytes = 17'452'544;
  result.flops = 17'432'576;
  result.ceiling_gbps = 131.7;
  result.floor_us = 132.5;
  result.reachable_us = 138;
  result.errors.launches_checked = 3;
  result.errors.bound_used = 0.31;
  result.errors.max_abs = 1.5522e-2;
  result.errors.max_rel = 4.7867e-4;
  result.environment = "e1";
  result.measured_at = 1'760'000'000;
  return result;
}

inline CaseRecord failing(const std::string& variant, Outcome outcome, const std::string& detail) {
  CaseRecord result = record(variant, 10, 12);
  result.outcome = outcome;
  result.detail = detail;
  if (outcome != Outcome::wrong) result.device_us = result.host_us = {}, result.errors = {};
  return result;
}

inline SweepReport sample_report() {
  SweepReport report;
  report.device = "cpu:0";
  report.device_text = "Example CPU, 2 threads";
  report.method = "decode";
  report.store_file = "results.db";
  report.read_gbps = 131.7;
  report.copy_gbps = 60.2;
  report.dispatch_us = 1.25;
  report.cases_measured = 5;
  report.cases_from_store = 1;
  report.cases_planned = 6;
  report.elapsed_s = 12.34;
  CaseRecord shaky = record("q/nondet", 160, 165);
  shaky.tags = {"nondeterministic"};
  report.specs.push_back(rank_spec(
      parse_spec(kUp),
      {record("naive/plain", 484, 713), record("gemv_rowdot/r4_u2", 141.2, 273),
       record("gemv_rowdot/r4_u4", 141.3, 272.8), shaky, failing("x/crash", Outcome::crashed, "signal 11\n(SIGSEGV)"),
       failing("x/wrong", Outcome::wrong, "max error at 17: 3 | not 4")},
      {"naive/plain"}, {}));
  report.specs[0].original_ms = 0.325;
  report.specs[0].original_device = "Apple laptop GPU";
  report.specs.push_back(
      rank_spec(parse_spec(kBias),
                {failing("naive/plain", Outcome::wrong, "nmse 1"), failing("x/wrong", Outcome::wrong, "nmse 2")},
                {"naive/plain"}, {}));
  report.skips = {{"gemv_rowdot/r4_u2", "matmul_alpha_beta", "alpha_beta not supported", 8},
                  {"gemv_rowdot/r4_u2", "matmul_bias_add", "", 1},
                  {"openblas/f32", "matmul", "disabled: for comparison only", 2}};
  Workload workload;
  workload.name = "qwen2.5-0.5b-f16";
  WorkloadEntry up, bias;
  up.spec = parse_spec(kUp);
  up.calls_per_token = bias.calls_per_token = 24;
  up.sources.push_back({"seed-002", 17, kUp, {"dtA=f16: half"}, {{"mps", "Apple laptop GPU", 0.324, 2280}}, 24});
  bias.spec = parse_spec(kBias);
  workload.entries = {up, bias};
  workload.quarantined.push_back({{"seed-003", 7, "op=fused | n=?", {}, {}, 24}, "no rule for n"});
  report.workloads.push_back(price_workload(workload, report.specs, report.read_gbps));
  WorkloadRow family;
  family.spec_line = "attention_scores n=1..95";
  family.calls_per_token = 24;
  family.best_variant = "batched_small/t2";
  family.best_us = 8;
  family.floor_us = 5;
  family.total_ms = 0.192;
  family.to_win_ms = 0.072;
  family.measured = 14;
  family.interpolated = 81;
  WorkloadTable& table = report.workloads[0];
  table.rows.push_back(family);
  table.calls_per_token += 24;
  table.total_ms += family.total_ms;
  table.to_win_ms += family.to_win_ms;
  return report;
}

/// ASSAY_UPDATE_GOLDEN=1 writes the file anew, to be read in the diff.

}  // namespace assay

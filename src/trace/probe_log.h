// The text that a probe run printed, in seed-000's line format or our own: specs, rows, failures; what no rule reads is
// named.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/spec.h"

namespace assay {

/// One "   - family/name [tags]: avg_gpu=… | avg_cpu=… maxRel=…" line. A time that the line does not say is NaN.
struct ProbeRow {
  size_t line = 0;  // from 1
  std::string variant;
  std::vector<std::string> tags;                                // "best-gpu", … without brackets
  double device_us = std::numeric_limits<double>::quiet_NaN();  // the median where the line has one, else the average
  double device_average_us = device_us;                         // of avg_gpu or avg_dev alone, to set beside host_us
  double device_digit_us = 0;                                   // half of its last printed digit
  double host_us = std::numeric_limits<double>::quiet_NaN();
  bool ranks_by_median = false;            // our own logs: averages stand beside what ranked
  std::optional<double> max_abs, max_rel;  // of which either may be NaN
  std::string outcome, detail;             // where the line says one: "pass", "wrong", "crashed", …

  bool measured() const { return device_us == device_us; }
  bool has_tag(std::string_view tag) const;
};

struct ProbeLogSpec {
  size_t line = 0;
  std::string text;   // "op=matmul | batch=1 | …", as it stands there
  SpecFields fields;  // empty where no grammar reads the text
  std::vector<ProbeRow> rows;
  std::optional<double> original_ms;  // "vs orig"
};

/// "matmul skipped 4 (unsupported)" of one variant.
struct ProbeFailure {
  std::string variant, op_name, what, reason;
  int64_t count = 0;
};

struct ProbeLogTrouble {
  size_t line = 0;
  std::string why;
};

struct ProbeLog {
  std::string file;
  int64_t iterations = 0, claimed_results = -1, claimed_failures = -1;  // -1: the log does not say
  std::vector<ProbeLogSpec> specs;
  std::vector<ProbeFailure> failures;
  std::vector<ProbeLogTrouble> unread;  // lines where a row or a spec should stand
  size_t rows() const;
};

/// Reads the log, whatever else (a compiler's output, colours, CR LF) stands in it. Error where it holds no spec line
/// at all.
ProbeLog parse_probe_log(std::string_view text, const std::string& file);

}  // namespace assay

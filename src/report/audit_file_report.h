// What an audit says of a file: its logs one after the other, each judged by itself, and all of them together.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "report/audit_report.h"

namespace assay {

struct AuditFormats {
  bool json = false, csv = false, markdown = false;
  ReportOptions text;
};

/// Takes logs as they are read and keeps what it will say of them. A log that stands again word for word is counted,
/// and shown once. The text has the first kShownLogs, with `verbose` all.
class AuditFileReport {
 public:
  AuditFileReport(std::string file, const AuditOptions& options, const AuditFormats& formats);

  void add(ProbeLog log);
  /// The file ended early: why.
  void add_cut(const std::string& why) { cut_off_ = why; }

  const AuditCounts& totals() const { return totals_; }
  std::string text() const;
  std::string csv() const;
  /// The same logs as the text.
  std::string markdown() const;
  /// Everything, on one line.
  std::string json() const;

  static constexpr size_t kShownLogs = 10;

 private:
  struct KnownLog {
    AuditCounts counts;
    size_t times = 1;
  };
  struct ShownLog {
    size_t number = 0;
    uint64_t line = 0, content = 0;
    AuditCounts counts;
    std::string text, markdown;
  };
  size_t times(uint64_t content) const;
  std::string heading(const ShownLog& log) const;
  std::string left_out() const;

  std::string file_, cut_off_;
  AuditOptions options_;
  AuditFormats formats_;
  AuditCounts totals_;
  size_t distinct_ = 0;
  std::unordered_map<uint64_t, KnownLog> known_;  // by content
  std::vector<ShownLog> shown_;
  std::string csv_, json_specs_;
  std::vector<std::pair<uint64_t, std::string>> json_logs_;  // content, and its JSON without the last brace
};

}  // namespace assay

// Probe logs for tests: written by hand, and read from memory.
#pragma once
#include <string>
#include <vector>

#include "audit/audit.h"
#include "trace_lines.h"

namespace assay {

const std::string kUp = "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1";  // moves 17.45 MB

/// A log of one spec with these rows.
inline std::string log_of(const std::vector<std::string>& rows, const std::string& spec = kUp) {
  std::string log = "Matmul benchmark summary (iterations=6)\nSpec " + spec + ":\n";
  for (const std::string& row : rows) log += "   - " + row + "\n";
  return log;
}

/// All logs of the text, which comes `step` bytes at a time. An Error where it holds none.
inline std::vector<ProbeLog> logs_of(const std::string& text, const std::string& file = "log", size_t step = SIZE_MAX) {
  ProbeLogReader reader(std::make_unique<MemorySource>(text, step), file);
  std::vector<ProbeLog> logs;
  while (auto log = reader.next()) logs.push_back(std::move(*log));
  return logs;
}

/// The audit of the text's first log.
inline Audit audit_of(const std::string& text, const AuditOptions& options = {}) {
  return audit_log(std::move(logs_of(text).at(0)), options);
}

/// The verdict on one row "FIELDS" of a log, "avg_gpu=0.2ms" before them.
inline RowVerdict verdict_of(const std::string& fields) {
  return audit_of(log_of({"a/x: avg_gpu=0.2ms | avg_cpu=0.3ms " + fields})).specs[0].rows.at(0).verdict;
}

}  // namespace assay

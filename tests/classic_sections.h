// The classic report of a few lines, and its sections taken out of it.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "analysis/classic.h"
#include "trace_lines.h"

namespace assay {

inline std::string report(const std::string& text, const ClassicOptions& options = {}) {
  StringTable strings;
  ClassicCounts counts;
  EventConsumer* const consumers[] = {&counts};
  read_trace(std::make_unique<MemorySource>(text), strings, consumers);
  return classic_text(counts, strings, options);
}

/// The lines of one section, without its title; "no section" if the report does not have it.
inline std::string section(const std::string& report, const std::string& title) {
  const std::string head = "\n" + title + ":\n";
  const size_t at = report.find(head);
  if (at == std::string::npos) return "no section";
  const size_t begin = at + head.size(), end = report.find("\n\n", begin - 1);
  return report.substr(begin, end == std::string::npos ? end : end + 1 - begin);
}

/// The titles of a section's lines: what stands before ": count=" or ": no samples".
inline std::vector<std::string> titles(const std::string& report, const std::string& title) {
  std::vector<std::string> found;
  const std::string lines = section(report, title);
  for (size_t at = 0; at < lines.size();) {
    const size_t end = lines.find('\n', at);
    const std::string line = lines.substr(at, end - at);
    found.push_back(line.substr(0, std::min(line.find(": count="), line.find(": no samples"))));
    at = end + 1;
  }
  return found;
}

using Titles = std::vector<std::string>;

inline std::string selected(const std::string& op, const std::string& backend, const std::string& reason) {
  return event_line("KernelBackendSelected",
                    R"({"op_name":")" + op + R"(","backend":")" + backend + R"(","reason":")" + reason + "\"}");
}
inline std::string matmul(const std::string& us, const std::string& fields) {
  return gpu_line("mm", us, R"(,"data":{)" + fields + "}");
}

}  // namespace assay

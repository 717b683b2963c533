// Writes a trace of this program's own runs: include/assay_trace.h with errors as Error.
#pragma once
#include <filesystem>
#include <string>

#include "../../include/assay_trace.h"

namespace assay {

class TraceWriter {
 public:
  /// Error where the file cannot be made.
  explicit TraceWriter(const std::filesystem::path& file);
  /// Closes it, whatever was written; close() says whether that was all.
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  /// The functions of the header take it. Failures wait for close().
  assay_trace* get() { return &trace_; }
  /// Error where not all could be written: how much is whole.
  void close();

 private:
  const std::string file_;
  assay_trace trace_{};
};

}  // namespace assay

// The text that probe runs printed, in seed-000's line format, its older form or our own: specs, rows, failures; what
// no rule reads is named.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/probe_failures.h"
#include "audit/probe_row.h"
#include "spec/spec.h"
#include "trace/byte_source.h"
#include "trace/string_table.h"

namespace assay {

/// "  best_avg_gpu: family/name = 0.05ms" of the older form.
struct ProbeCrown {
  uint64_t line = 0;
  std::string tag;  // "best_avg_gpu"
  bool of_host = false;
  std::string_view variant;
  double us = 0;
};

struct ProbeLogSpec {
  uint64_t line = 0;
  std::string text;           // "op=matmul | batch=1 | …"
  SpecFields fields;          // empty where no grammar reads the text
  std::deque<ProbeRow> rows;  // each of them once
  std::vector<ProbeCrown> crowns;
  bool unsuccessful = false;          // "no successful variants", says the log
  std::optional<double> original_ms;  // "vs orig"
};

struct ProbeLogTrouble {
  uint64_t line = 0;
  std::string why;
};

/// What one run printed. The texts of its rows live as long as it does.
struct ProbeLog {
  std::string file;
  uint64_t line = 0;                                                    // where it begins
  int64_t iterations = 0, claimed_results = -1, claimed_failures = -1;  // -1: the log does not say
  std::vector<ProbeLogSpec> specs;
  std::vector<ProbeFailure> failures;   // alike ones counted together
  std::vector<ProbeLogTrouble> unread;  // lines where a row or a spec should stand: the first kKeptTroubles
  uint64_t unread_lines = 0;
  uint64_t content = 0;  // hash of all lines that a rule read: equal where a log stands again word for word
  StringTable texts;

  static constexpr size_t kKeptTroubles = 1000;
  uint64_t rows() const;
  uint64_t failed_cases() const;
};

/// Reads a file log by log: a log ends where the heading of another stands, or a spec that it has already. Memory is
/// that of one log, whose lines count once however often they stand there, and of its distinct texts.
class ProbeLogReader {
 public:
  ProbeLogReader(std::unique_ptr<ByteSource> bytes, std::string file);
  ~ProbeLogReader();

  /// The next log; nullopt at the end. Error where the file holds no spec line at all.
  std::optional<ProbeLog> next();
  /// Why the bytes ended before the file did (a damaged .gz), or "".
  const std::string& cut_off() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay

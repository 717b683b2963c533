// Lines of a probe log put together: which line is what, and where one log ends and the next begins.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/log_lines.h"
#include "audit/probe_log.h"

namespace assay {

class LogBuilder {
 public:
  explicit LogBuilder(const std::string& file) : file_(file) { log_.file = file; }

  /// The line that `lines` gave last.
  void take(std::string_view line, const LogLines& lines);
  /// No line follows.
  void finish_log();
  /// The log that the last line ended, if it did.
  std::optional<ProbeLog> take_finished() { return std::exchange(finished_, std::nullopt); }

 private:
  enum class Part { none, spec, failures };

  void read(std::string_view line);
  void read_heading(std::string_view text);
  void begin_log(bool has_it);
  void begin_spec(std::string_view text);
  void end_spec();
  const SpecFields& fields_of(const std::string& text);

  void read_row(std::string_view text);
  void add_unreadable(std::string_view variant, std::string_view tags, std::string_view why);
  void add_row(ProbeRow row);
  StringId intern(std::string_view text);
  void read_crown(std::string_view text);
  void check_crown(const ProbeCrown& crown, const std::deque<ProbeRow>& rows);

  void read_failures(std::string_view item);
  void add_failure(ProbeFailure failure);
  void unread(std::string why);
  void add_to_content(std::string_view text);

  std::string file_;
  ProbeLog log_;
  std::optional<ProbeLog> finished_;
  StringTable spec_texts_;                                    // of this log
  std::vector<size_t> last_row_;                              // by variant; may be of an earlier spec
  std::unordered_map<std::string, size_t> failure_of_;        // by its text
  std::unordered_map<std::string, SpecFields> known_fields_;  // of all logs
  uint64_t line_ = 0;
  bool has_end_ = true, has_claim_ = false, has_summary_ = false, rows_have_classes_ = false;
  Part part_ = Part::none;
};

}  // namespace assay

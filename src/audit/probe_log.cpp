// Logs taken out of a file one by one.
#include "audit/probe_log.h"

#include <numeric>

#include "audit/log_builder.h"
#include "audit/log_lines.h"
#include "base/error.h"

namespace assay {

uint64_t ProbeLog::rows() const {
  uint64_t count = 0;
  for (const ProbeLogSpec& spec : specs)
    for (const ProbeRow& row : spec.rows) count += row.times;
  return count;
}

uint64_t ProbeLog::failed_cases() const {
  return std::accumulate(failures.begin(), failures.end(), uint64_t(0),
                         [](uint64_t sum, const ProbeFailure& failure) { return sum + uint64_t(failure.count); });
}

struct ProbeLogReader::State {
  LogLines lines;
  LogBuilder builder;
  std::string file;
  bool found_any = false, at_end = false;
};

ProbeLogReader::ProbeLogReader(std::unique_ptr<ByteSource> bytes, std::string file)
    : state_(new State{LogLines(std::move(bytes)), LogBuilder(file), file}) {}

ProbeLogReader::~ProbeLogReader() = default;

const std::string& ProbeLogReader::cut_off() const { return state_->lines.cut_off(); }

std::optional<ProbeLog> ProbeLogReader::next() {
  State& state = *state_;
  std::optional<ProbeLog> log;
  for (std::string_view line; !log && !state.at_end;) {
    state.at_end = !state.lines.next(line);
    if (state.at_end)
      state.builder.finish_log();
    else
      state.builder.take(line, state.lines);
    log = state.builder.take_finished();
  }
  state.found_any |= log.has_value();
  if (!state.found_any)
    fail(
        "{}: no probe log: no line begins with \"Spec op=\"; give what `assay probe` or a harness of seed-000's format "
        "printed",
        state.file);
  return log;
}

}  // namespace assay

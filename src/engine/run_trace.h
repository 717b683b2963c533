// The trace of a run: what the engine does, as the events that `assay analyze` reads.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "trace/writer.h"

namespace assay {

/// Watches a session's passes and a generation's tokens. Both must end before it does.
class RunTrace {
 public:
  /// Tells what was loaded; from now on of each pass of the session.
  RunTrace(const std::string& file, const LoadedModel& model, Session& session);

  /// Of a decoded token: sampling, decoding, and the whole.
  void token(const TokenTimes& times);
  /// Error where not all could be written.
  void close() { writer_.close(); }

 private:
  struct OpText {
    std::string name, device, backend;  // device: its time there
    LineOfLengths spec;
  };
  void pass(const PassEvent& event);
  const std::vector<OpText>& texts(const StepProgram& step, bool decodes);
  void tell_choices(const StepProgram& step, int64_t at_ns);
  void host(const char* parent, const std::string& name, int64_t began_ns, int64_t ended_ns);
  int64_t stamp(int64_t clock_ns) const { return clock_ns + since_1970_; }

  TraceWriter writer_;
  Session& session_;
  int64_t since_1970_;                                              // what to add to base/clock.h's
  std::map<std::pair<uint64_t, bool>, std::vector<OpText>> texts_;  // by the step's id; decoding or not
  std::map<std::string, std::string> told_;                         // the variant last told of, by canonical line
};

}  // namespace assay

// Where a run's time went: per token, prompt and decode apart, against the length of the context, and what is odd in
// the trace; docs/trace-accounting.md has the rules and their reasons.
#pragma once
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/anomalies.h"
#include "analysis/buffer_pairing.h"
#include "analysis/length_slopes.h"
#include "analysis/token_ledger.h"
#include "trace/event.h"

namespace assay {

struct Accounts {
  TimeParts load, outside;
  PhaseAccount prompt, decode;
  std::vector<LengthSlope> slopes;  // most calls first
  PairingCounts pairing;
  uint64_t tokens_without_clock = 0;
  bool has_stamps = false;
  Anomalies anomalies;
};

/// Reads what one trace says about time. Memory grows with what is distinct (names, shapes), not with the events.
class TimeAccounting : public EventConsumer, private BufferSink {
 public:
  TimeAccounting() : pairing_(*this) {}

  /// Tells of each token as soon as its end is known, which may be in a later batch, or in finish().
  void watch_tokens(std::function<void(const TokenSpan&)> watch);
  void consume(const Batch& batch, const StringTable& strings) override;
  /// After the last batch; once.
  Accounts finish(const StringTable& strings);

 private:
  struct OpName {
    enum class Kind : uint8_t { unknown, op, wait, gpu };
    Kind kind = Kind::unknown;
    ScopeId scope = kNoScope;
    size_t scopes_known = 0;  // when its scope was looked for
    bool path_has_fields = false;
  };
  struct ScopeName {
    std::string_view name;
    Phase phase = Phase::none;
    bool ends_step = false;
    bool is_forward = false;
  };
  enum class Internal : uint8_t { unknown, work, total, forward, iteration, wait };

  void consume(const Event& event, const StringTable& strings);
  void gpu_op(const Event& event, const StringTable& strings, const Span& span);
  void internal_kernel(const Event& event, const StringTable& strings, const Span& span);
  const OpName& op_name(StringId id, const StringTable& strings);
  ScopeId scope_of(std::string_view name);
  ScopeId known_scope(std::string_view name) const;
  void count_given(const Event& event, const StringTable& strings);
  void step_ended();
  void decoded_until_mark();
  void new_run();

  void buffer(const PairedBuffer& buffer) override;
  void host(ScopeId scope, const Span& span) override;

  BufferPairing pairing_;
  TokenLedger ledger_;
  AnomalyWatch watch_;
  DoubleWatch doubles_;
  std::vector<OpName> op_names_;        // by string
  std::vector<Internal> internals_;     // by string
  std::vector<int64_t> embedded_rows_;  // by string of fields: -1 unknown, 0 no embedding
  std::vector<int8_t> begins_run_;      // by string of a type: -1 unknown
  std::vector<ScopeName> scopes_;
  std::unordered_map<std::string_view, ScopeId> scope_ids_;
  LengthSums lengths_;
  struct StepEnd {
    Phase phase = Phase::none;
    int64_t end_ns = kNoTime;
  };
  StepEnd step_end_;            // of the event at hand
  TokenLedger::Place decoded_;  // where a decoded token ends unless a total says so later
  bool has_decoded_ = false, any_iteration_ = false, has_stamps_ = false, is_active_ = false;
  uint64_t given_tokens_ = 0, begun_tokens_ = 0;  // of prompts, by the rows of embeddings; begun: since the last end
  uint64_t last_line_ = 0;
  int64_t clock_shift_ns_ = 0;  // by which the clock jumped ahead within tokens
};

}  // namespace assay

// Command buffers put together from the op, cb_wait and cb_gpu events of a trace; docs/trace-accounting.md has the
// rules.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trace/event.h"

namespace assay {

using ScopeId = uint32_t;
constexpr ScopeId kNoScope = UINT32_MAX;

/// A duration, and when it ended (kNoTime: unknown).
struct Span {
  int64_t us = 0, end_ns = kNoTime;
  int64_t begin_ns() const { return end_ns - us * 1000; }
};

/// What is known of one command buffer when no more of its events can come.
struct PairedBuffer {
  ScopeId scope = kNoScope;
  Span wall;            // from the begin of the op (of the wait, of the GPU's work) to the end of the wait
  int64_t gpu_us = -1;  // -1: no GPU time fits it
  bool has_wait = false, has_gpu = false;
  uint32_t ops = 0;
  StringId matmul = kMissing;  // of its only op
};

/// Gets buffers as they are completed, and the times beside them.
class BufferSink {
 public:
  virtual ~BufferSink() = default;
  virtual void buffer(const PairedBuffer& buffer) = 0;
  /// Host time of a buffer that lies apart from its wait.
  virtual void host(ScopeId scope, const Span& span) = 0;
};

struct PairingCounts {
  uint64_t whole = 0;                       // buffers with a GPU time and what holds it
  uint64_t without_gpu = 0, ops_alone = 0;  // waits, or ops without a wait, that no GPU time came for
  uint64_t late = 0;                        // the GPU time is longer than the wait: it began before
  uint64_t minute = 0, minute_wall_us = 0;  // GPU times of 0 or 1 µs within 20 µs and more
  uint64_t minute_line = 0;
};

/// A GPU time of a scope that belongs to no buffer.
struct LoneGpuTime {
  uint64_t times = 0, believed = 0, first_line = 0;  // believed: as that of a buffer that ran before it was waited for
};

class BufferPairing {
 public:
  explicit BufferPairing(BufferSink& sink) : sink_(sink) {}

  /// The next scope's number: 0, 1, 2 …
  ScopeId add_scope();

  /// `scope` may be kNoScope: an op whose name has none.
  void op(ScopeId scope, const Span& op, StringId matmul);
  void wait(ScopeId scope, const Span& wait);
  void gpu(ScopeId scope, const Span& gpu, uint64_t line);
  /// Whatever is open gets no more events.
  void close_all();

  const PairingCounts& counts() const { return counts_; }
  /// By scope << 40 | µs; beyond 4,096 of them lone_rest() counts.
  const std::unordered_map<uint64_t, LoneGpuTime>& lone() const { return lone_; }
  uint64_t lone_rest() const { return lone_rest_; }

 private:
  struct Open {
    Span op, wait, gpu;
    uint32_t ops = 0, misfits = 0;
    StringId matmul = kMissing;
    bool has_wait = false, has_gpu = false, misfit_is_new = false;
    Span misfit;
    uint64_t gpu_line = 0;

    bool holds(const Span& gpu) const;
  };
  static constexpr size_t kMostOpen = 4;
  struct Scope {
    Open open[kMostOpen];
    uint8_t count = 0;
    bool is_listed = false, ever_held = false;  // held: by a wait or an op
    bool last_lacks_op = false, has_early = false;
    Span last_wall;
    Span early;  // a GPU time that came before what holds it
    uint64_t early_line = 0;
    int64_t last_misfit_us = -1;
  };

  Open& push(Scope& scope, ScopeId id);
  void close(ScopeId id, size_t index);
  void close_bare();
  void emit(ScopeId id, Open& open);
  bool is_late(ScopeId id, const Open& open);
  void note_lone(ScopeId scope, const Span& gpu, uint64_t line);
  void give_up_early(ScopeId id);

  BufferSink& sink_;
  std::vector<Scope> scopes_;
  std::vector<ScopeId> listed_;  // those that may have something open
  Open bare_;
  bool has_bare_ = false, any_wait_ = false;
  PairingCounts counts_;
  std::unordered_map<uint64_t, LoneGpuTime> lone_;
  uint64_t lone_rest_ = 0;
};

}  // namespace assay

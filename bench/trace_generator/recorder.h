// Events of one run: each call writes its lines, moves the run's clock on and books the time in the truth.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lines.h"
#include "truth.h"

namespace trace_generator {

/// SplitMix64: the same trace for the same seed on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double unit() { return double(bits() >> 11) * 0x1p-53; }
  /// Around `mean` µs as seed-003's times lie: a narrow body, one in 120 up to six times as long.
  int64_t around(double mean) {
    const double body = mean * (0.94 + 0.12 * unit());
    const double spike = unit();
    return int64_t(spike < 1.0 / 120 ? body * (1.2 + 5 * unit() * unit()) : body);
  }

 private:
  uint64_t state_;
};

struct Defects {
  bool malformed = false, repeated = false, nested = false, placeholder = false, cutoff = false;
};

/// A matmul as the engine describes it: the report's shape line, the op event's "data" members, the backend that ran
/// it.
struct Matmul {
  std::string line, data, backend;
};

/// One command buffer: whose scope, which kernel, how long the GPU works on it. The kernel is what follows
/// "SCOPE/SCOPE/" in the op's name; empty: a copy that no op event names; ".": nothing follows; `bare`: it is the whole
/// name.
struct Buffer {
  std::string_view scope, kernel;
  double gpu_us = 0;
  const Matmul* matmul = nullptr;
  bool bare = false;
};

class Recorder {
 public:
  Recorder(LineFile& out, Truth& truth, uint64_t seed, const Defects& defects)
      : out_(out), truth_(truth), random_(seed), defects_(defects) {}

  Random& random() { return random_; }
  const Defects& defects() const { return defects_; }

  /// Opens a span for the events that follow; 0 as parent: outside.
  int64_t open_span(std::string_view name, int64_t parent);
  void enter(int64_t span, int64_t parent, std::string_view name) {
    place_.span = span, place_.parent = parent, place_.name = name;
  }
  void leave() { enter(0, 0, "Unscoped"); }

  /// Runs the buffer: its op, cb_wait and cb_gpu events, in this order, all written when it is done. Returns the wall
  /// µs.
  int64_t run(const Buffer& buffer);
  /// CPU work that an InternalKernelCompleted names.
  void cpu(std::string_view parent, std::string_view name, double mean_us);
  /// Time that no event names.
  void gap(double mean_us) { spend(&Parts::unattributed_us, random_.around(mean_us)); }
  /// A total over what was already reported one by one: it books nothing.
  void total(std::string_view name, int64_t us) { internal("generation_loop", name, us); }

  LineFile& event(std::string_view type);
  void end_event();

  int64_t now_us() const { return now_us_; }
  Parts take_parts() { return std::exchange(parts_, Parts{}); }
  int64_t events() const { return events_; }

 private:
  void spend(int64_t Parts::*part, int64_t us) { parts_.*part += us, now_us_ += us; }
  void internal(std::string_view parent, std::string_view name, int64_t us);
  void gpu_op(std::string_view scope, std::string_view twice, std::string_view name, int64_t us, const Matmul* matmul);
  void add_defects();
  void malformed_line();

  LineFile& out_;
  Truth& truth_;
  Random random_;
  Defects defects_;
  Place place_{0, 0, 0, "Unscoped"};
  Parts parts_;
  int64_t now_us_ = 0, next_span_ = 68'719'000, events_ = 0, next_defect_ = 1000, repeated_ = 0;
  bool adding_defect_ = false;
  std::string_view type_;
  std::vector<std::pair<std::string_view, int64_t>> type_counts_;

 public:
  /// Moves the counts by type into the truth.
  void finish();
};

}  // namespace trace_generator

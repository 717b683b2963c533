// What each op of a session's passes takes where it runs, and what a step takes between them.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/session.h"
#include "stats/middle_half.h"

namespace assay {

/// An op in the steps that count, their mean.
struct OpTime {
  std::string line, variant;  // attention's length: the mean of its calls
  double calls = 0;           // a step
  double us = 0;              // a call
  double ms = 0;              // a step
};

/// The middle half of some steps. between_ms: of a step what is in no op, such as copying the logits. All ops and that
/// add up to step.mean, in ms.
struct OpTimes {
  StepTime step;
  double between_ms = 0;
  std::vector<OpTime> ops;
};

/// Collects steps: a token, or a prompt in pieces.
class OpWatch {
 public:
  /// It outlives the session's last pass.
  void watch(Session& session);

  /// What was seen since the last step belongs to none.
  void skip() { open_ = {}; }
  /// A step ended and took so long as a whole.
  void end_step(double ms);
  /// Of the steps since the last call.
  OpTimes take();

 private:
  struct Op {
    LineOfLengths line;
    std::string variant;
  };
  struct Sum {
    double us = 0;
    int64_t calls = 0, positions = 0;  // positions: that the last row of each call sees, added up
  };
  struct Step {
    double ms = 0;
    std::map<size_t, Sum> sums;  // by number of the op
  };
  void pass(const PassEvent& event);

  std::vector<Op> ops_;
  std::map<std::string, size_t> numbers_;           // by canonical line
  std::map<uint64_t, std::vector<size_t>> places_;  // by the program's id: a token that is timed meets no text
  std::map<size_t, Sum> open_;
  std::vector<Step> steps_;
};

}  // namespace assay

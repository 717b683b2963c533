// Where the wall time of a run goes: what a stage takes without the stages inside it.
#pragma once
#include <array>
#include <string_view>

namespace assay {

enum class Stage : int {
  other,         // what no stage below says
  compile,       // of kernels
  ceilings,      // and the choice of readers
  arenas,        // made and filled
  answers,       // of a spec: its copies, reference and second opinion
  special,       // values of products and their answers, other sizes
  start,         // of worker processes
  end,           // … and their end
  idle,          // waiting for late writes
  store,         // records put there
  handing_over,  // commands and answers
  open,          // from here on in workers: the device and the kernel's module
  bind,          // buffers
  prepare,       // weights repacked
  launch,        // what is timed, and the same launches untimed
  poison,        // inputs varied and outputs poisoned before a launch
  verify,        // after it
  walls,         // checks of set-up: between walls
  draws,         // special draws
  constants,     // other ones
  spaced,        // operands
  sizes,         // other ones
  swept,         // some numbers
  values,        // special ones of a product
  winner_sweep,  // all numbers
  winner_late,   // late launches
  winner_values,
  settle,
  count
};

using StageSeconds = std::array<double, size_t(Stage::count)>;

std::string_view stage_name(Stage stage);

/// Of this thread so far; forked processes go on from their parent's.
StageSeconds& stage_seconds();

/// A stage from its construction to its end; the stage around it goes on behind it.
class InStage {
 public:
  explicit InStage(Stage stage);
  ~InStage();
  InStage(const InStage&) = delete;
  InStage& operator=(const InStage&) = delete;

 private:
  Stage before_;
};

/// What has passed counts for the stage in work: before the seconds are read.
void end_stage_now();

/// What another process counted while this one waited in the stage in work.
void add_stages_of(const StageSeconds& other);

}  // namespace assay

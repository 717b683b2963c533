// The process that computes one cell of the table, a row by a framework, and what its parent asks of it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/isolated_process.h"
#include "opbench/frameworks.h"
#include "opbench/row_memory.h"
#include "store/record.h"

namespace assay {

inline constexpr int kMostCellSamples = 64;

/// What a worker is to do: `samples` samples of `calls` calls each, every sample on the set of inputs after the last's.
struct CellCommand {
  uint64_t first_set = 0;
  int samples = 1, calls = 1;
  bool warm_up = false;    // one call before, on other inputs
  bool new_inputs = true;  // for each sample; else all on first_set, as the seed did
  bool ends_turn = true;   // all of the output is poisoned before the last sample, for it is compared
};

struct CellAnswer {
  Outcome outcome = Outcome::pass;
  bool retry = false;              // the surroundings did it
  std::string text;                // why, or how it computes
  std::vector<double> us;          // a call, by sample
  std::vector<uint8_t> disturbed;  // by sample: kept though others took the processor
  uint64_t last_set = 0;           // whose output is in memory now
};

/// Whether the processor was taken away from this process: `begin`, then how many ns its threads waited since.
struct DisturbanceWatch {
  std::function<void()> begin;
  std::function<int64_t()> taken_ns;
};
using WatchMaker = std::function<DisturbanceWatch()>;

/// What a worker makes for itself after the fork.
struct CellMakers {
  TeamMaker team;
  WatchMaker watch;  // may be empty: nothing is marked
};

class CellWorker {
 public:
  /// Forks; the framework is loaded and the row prepared there. Error if there can be no further process.
  CellWorker(const OperationRow& row, const RowMemory& memory, const std::filesystem::path& module,
             const CellMakers& makers);

  /// Of loading and preparing, which began with the fork, beside others'.
  CellAnswer start(double limit_s);
  CellAnswer ask(const CellCommand& command, double limit_s);
  bool alive() const { return !process_.has_been_ended(); }

 private:
  CellAnswer answer(double limit_s);
  CellAnswer ended(bool timed_out, double limit_s);

  int64_t memory_kills_;
  IsolatedProcess process_;
};

}  // namespace assay

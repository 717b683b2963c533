// A run of the table: which cells are to be measured, how they take turns, and what came of each.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/device.h"
#include "opbench/cell_worker.h"
#include "stats/summary.h"
#include "store/store.h"

namespace assay {

/// rounds: assay's rules. seed: 5 times 10 calls on the same inputs, the first ten dropped, the mean.
enum class OpbenchMethod { rounds, seed };

struct OpbenchOptions {
  std::vector<OperationRow> rows;
  std::vector<FrameworkModule> frameworks;  // chosen ones, here or missing, in the order of the table
  std::vector<FrameworkModule> ceilings;    // of devices
  OpbenchMethod method = OpbenchMethod::rounds;
  bool fresh = false;  // measure again what the store has
  DeviceInfo device;
  CellMakers makers;
  double peak_gflops = 0;   // of f32, of `device`; 0: not known
  std::string environment;  // readable text for the store
  double limit_s = 300;     // of one answer of a worker
  bool takes_lock = true;   // the measuring lock; not where times are not what is asked for
};

struct OpbenchCell {
  const FrameworkModule* framework = nullptr;
  std::string key_text, key;
  std::optional<CaseRecord> record;
  bool measured_now = false;

  bool passes() const { return record && record->outcome == Outcome::pass; }
  /// Of what ranks: the median of samples, or the seed's mean. 0 unless it passes.
  Summary summary(OpbenchMethod method) const;
  double us(OpbenchMethod method) const;
  /// "1.23", or what became of it: "unsupported", "wrong", "not here".
  std::string word() const;
};

struct OpbenchRow {
  const OperationRow* row = nullptr;
  std::vector<OpbenchCell> cells;  // a cell a framework
};

struct OpbenchEvents {
  std::function<void(const OperationRow&, size_t number, size_t of)> on_row;
  std::function<void(const OpbenchCell&)> on_cell;  // it is done
  std::function<void(const std::string&)> note;
};

class Opbench {
 public:
  /// Looks up what the store has.
  Opbench(OpbenchOptions options, Store& store, OpbenchEvents events);

  /// Measures what is missing, row by row. Stops early when interrupted; what is finished is in the store.
  void run();

  const OpbenchOptions& options() const { return options_; }
  const std::vector<OpbenchRow>& rows() const { return rows_; }
  /// What holds back any way to compute a cell: "call" (its bytes are moved in less than a call takes), "bytes",
  /// "flops", or "both", where the one hides the other only in part.
  const char* limit(const OpbenchRow& row, const OpbenchCell& cell) const;
  size_t missing() const;
  /// What measuring those takes: by bytes and flops, and as long as each framework took to load just now.
  double expected_seconds() const;

  /// What a row takes at once: operands, the frameworks' scratch and processes, outputs that they allocate.
  int64_t needed_bytes(const OperationRow& row) const;

 private:
  void measure(OpbenchRow& row);
  void keep(OpbenchCell& cell, CaseRecord record);
  double computing_us(const OperationRow& row, const OpbenchCell& cell) const;
  CaseRecord empty_record(const OperationRow& row, const OpbenchCell& cell) const;

  OpbenchOptions options_;
  Store& store_;
  OpbenchEvents events_;
  std::vector<OpbenchRow> rows_;
  std::string environment_id_;
};

/// A cell most of whose samples others disturbed, though they were taken anew.
inline constexpr std::string_view kDisturbedTag = "disturbed";

/// Changes whenever what is measured or how it is judged does.
inline constexpr int kOpbenchMethodVersion = 6;

}  // namespace assay

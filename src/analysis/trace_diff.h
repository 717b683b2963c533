// Two traces held against each other, first whole tokens, then kernel types pooled over blocks, then name by name and
// shape by shape: what it takes now against what it took before, and how sure that is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "analysis/accounting.h"
#include "analysis/shapes.h"
#include "stats/comparison.h"

namespace assay {

/// One side of a diff. The references stay the caller's.
struct DiffSide {
  const ClassicCounts& counts;
  const StringTable& strings;
  const ShapeReport& shapes;
  const Accounts* accounts = nullptr;  // none: no walls are compared
};

/// Changes up to these are none, relative. Evidence that is pooled from thousands of calls tells smaller ones from
/// noise.
struct DiffThresholds {
  double name = 0.03, pooled = 0.01;
};

struct DiffRow {
  std::string kind;           // wall, kernel, wait, command buffer, internal, shape
  std::string name, backend;  // backend: of shapes alone
  DurationSummary before, after;
  Comparison comparison;  // of one call's time; empty where one side never calls it
  double change_ms = 0;   // (mean after − mean before) · calls after

  bool is_new() const { return before.count == 0; }
  bool is_gone() const { return after.count == 0; }
  /// SAME, FASTER, SLOWER, UNSURE, NEW or GONE.
  std::string_view verdict() const;
};

struct TraceDiff {
  std::string before, after;  // the traces' paths
  DiffThresholds thresholds;
  uint64_t tokens = 0;         // of the later trace; 0: unknown
  std::vector<DiffRow> walls;  // of prompt and decoded tokens, where both sides have them
  std::vector<DiffRow> types;  // names without their numbers; of kernels what the name ends in. As rows sorted
  std::vector<DiffRow> rows;   // names and shapes, largest absolute change first, ties by name
  double significant = 0;      // the p that a row must stay below: 0.01 over the number of rows compared

  static size_t count(const std::vector<DiffRow>& rows, std::string_view verdict);
  size_t count(std::string_view verdict) const { return count(rows, verdict); }
  /// SLOWER, FASTER, SAME or UNSURE: of the walls; "SLOWER in parts": no wall is, but a type, a name or a shape.
  std::string verdict() const;
  bool regressed() const { return verdict().starts_with("SLOWER"); }
};

TraceDiff diff_traces(const DiffSide& before, const DiffSide& after, const DiffThresholds& thresholds = {});

}  // namespace assay

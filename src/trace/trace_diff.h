// Two traces name by name and shape by shape: what a call takes now against what it took before, and how sure that is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "stats/comparison.h"
#include "trace/shapes.h"

namespace assay {

/// One side of a diff. The references stay the caller's.
struct DiffSide {
  const ClassicCounts& counts;
  const StringTable& strings;
  const ShapeReport& shapes;
};

struct DiffRow {
  std::string kind;           // kernel, wait, command buffer, internal, shape
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
  double threshold = 0;
  double significant = 0;     // the p that a row must stay below: 0.01 over the number of rows compared
  std::vector<DiffRow> rows;  // largest absolute change first, ties by name
  size_t count(std::string_view verdict) const;
  bool regressed() const { return count("SLOWER") > 0; }
};

TraceDiff diff_traces(const DiffSide& before, const DiffSide& after, double threshold = 0.03);

}  // namespace assay

// What a workload costs per token with its best proved variants, and what could still be won.
#pragma once
#include <string>
#include <vector>

#include "probe/ranking.h"
#include "spec/workload.h"

namespace assay {

struct WorkloadRow {
  std::string spec_line;  // or "attention_scores n=1..95" for a family
  double calls_per_token = 0;
  std::string best_variant;             // "" where nothing passed
  Accuracy accuracy = Accuracy::exact;  // of the best variant; of a family the least accurate of its winners
  bool best_is_prepared = false;        // its weights are repacked once before, which is in no time here
  double best_us = 0, floor_us = 0;
  bool is_product = true;                  // else one of the ops beside the products
  double to_win_ms = 0;                    // calls × (best − floor)
  double total_ms = 0;                     // calls × best
  int64_t measured = 0, interpolated = 0;  // lengths of a family
  std::vector<std::string> sources;        // "seed-002:41 matmul_cache mps 0.324 ms on Apple laptop GPU"
};

struct WorkloadTable {
  std::string name;
  std::vector<WorkloadRow> rows;
  double total_ms = 0, to_win_ms = 0, calls_per_token = 0;
  double products_ms = 0;                // of total_ms, the products' share
  double exact_ms = 0;                   // total_ms with the best exact variants alone; 0 where a row has none
  std::vector<std::string> missing;      // specs without a proved variant: they are in no sum
  std::vector<std::string> quarantined;  // lines that no rule completes
};

/// Prices a workload: each entry once, families over their whole range with linear interpolation between measured
/// lengths (beyond the measured ones: along the least-squares line through all), which the row counts; their floors are
/// bytes over read_gbps.
WorkloadTable price_workload(const Workload& workload, const std::vector<RankedSpec>& specs, double read_gbps);

}  // namespace assay

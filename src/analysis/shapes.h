// The matmul shapes of a trace as specs: what each call moves and computes, how fast each backend did it, what could be
// won.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "analysis/duration_summary.h"
#include "analysis/shape_counts.h"
#include "spec/completion.h"
#include "spec/spec.h"

namespace assay {

struct ShapeOptions {
  std::string dtype;        // of the model's weights; "": what lines and loaders say and nothing more
  double ceiling_gbps = 0;  // what the trace's device can read; 0: unknown
  uint64_t tokens = 0;      // 0: as many as the trace shows
  std::string tokens_from = "--tokens";
};

/// No device's memory or arithmetic is near these: a time is wrong, or not of this call.
constexpr double kMostGbps = 10'000, kMostGflops = 10'000'000;

/// One shape on one backend.
struct ShapeBackend {
  std::string backend;
  DurationParts op_counts, gpu_counts;  // of the counts that the report was made of
  DurationSummary op, gpu;              // the op events; the GPU's own time of the calls whose command buffer is known
  bool by_gpu = false;                  // time_us is the GPU's: where at least half of the calls have one
  double time_us = 0;                   // mean of a call; 0 or less: nothing that a rate could be made of
  double gbps = 0, gflops = 0, percent = 0;  // 0: unknown; percent of the ceiling
  double to_win_ms = 0;  // per token at the floor (all tokens together where their number is unknown)

  bool is_implausible() const { return gbps > kMostGbps || gflops > kMostGflops; }
};

struct Shape {
  std::string line;                // as the classic report prints it
  std::string text;                // the spec line of the trace, without backend: lossless
  std::optional<Spec> spec;        // completed; none: `unknown` says why
  std::vector<std::string> rules;  // "dtB=q8_0: why" of each field that a rule gave
  std::string unknown;
  int64_t flops = 0;                   // of one call; 0: unknown. Known also where only types are missing
  uint64_t calls = 0, first_line = 0;  // first_line from 0
  double total_us = 0;                 // calls · time_us over all backends
  std::vector<ShapeBackend> backends;  // longest first
};

struct ShapeReport {
  ShapeOptions options;
  uint64_t tokens = 0;      // 0: unknown
  std::string tokens_from;  // what was counted
  std::vector<CompletionRule> rules;
  std::vector<Shape> shapes;  // longest first, ties by first appearance
  double total_us = 0, to_win_ms = 0;
  double best_gbps = 0;  // of all shapes whose rate is plausible
  bool per_token() const { return tokens > 0; }
};

/// The rules that complete lines of these shapes; docs/analyze.md has them. Error on an unknown `dtype`.
std::vector<CompletionRule> shape_rules(const std::string& dtype, const std::vector<SpecFields>& lines);

/// Both counts must have seen the same events, and outlive the report.
ShapeReport report_shapes(const ClassicCounts& counts, const ShapeCounts& gpu, const StringTable& strings,
                          const ShapeOptions& options = {});

}  // namespace assay

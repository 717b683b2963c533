// Durations are whole numbers, counted by value: ranks and medians come from the counts, with the clock's 1 µs granted.
#include "trace/trace_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace assay {
namespace {

constexpr double kResolutionUs = 1;  // durations are cut off to whole µs
constexpr double kSignificant = 0.01;
constexpr size_t kLeastSamples = 5;  // fewer are UNSURE anyway

struct Key {
  std::string kind, name, backend;
  bool operator<(const Key& other) const {
    return std::tie(kind, name, backend) < std::tie(other.kind, other.name, other.backend);
  }
};

/// Durations of both sides.
struct Pair {
  DurationCounts before, after;
};
using Pairs = std::map<Key, Pair>;

const char* kind_of(OpClass op_class) {
  switch (op_class) {
    case OpClass::kernel:
      return "kernel";
    case OpClass::wait:
      return "wait";
    case OpClass::command_buffer:
      return "command buffer";
  }
  return "";
}

void add_names(const DiffSide& side, DurationCounts Pair::*to, Pairs& pairs) {
  for (const ClassicCounts::Op& op : side.counts.ops())
    (pairs[{kind_of(op.op_class), std::string(side.strings.text(op.name)), ""}].*to).add(op.durations);
  for (const ClassicCounts::Internal& internal : side.counts.internals()) {
    const std::string name =
        fmt::format("{} :: {}", side.strings.text(internal.parent), side.strings.text(internal.kernel));
    (pairs[{"internal", name, ""}].*to).add(internal.durations);
  }
}

using ShapeMap = std::map<Key, const ShapeBackend*>;

ShapeMap shapes_of(const DiffSide& side) {
  ShapeMap map;
  for (const Shape& shape : side.shapes.shapes)
    for (const ShapeBackend& on : shape.backends) map[{"shape", shape.text, on.backend}] = &on;
  return map;
}

/// The GPU's own times where both sides have them, so that like is compared with like.
void add_shapes(const DiffSide& before, const DiffSide& after, Pairs& pairs) {
  const ShapeMap old_shapes = shapes_of(before), new_shapes = shapes_of(after);
  for (const auto& [key, was] : old_shapes) {
    const auto at = new_shapes.find(key);
    const bool by_gpu = was->by_gpu && (at == new_shapes.end() || at->second->by_gpu);
    pairs[key].before.add((by_gpu ? was->gpu_counts : was->op_counts).together());
    if (at != new_shapes.end()) pairs[key].after.add((by_gpu ? at->second->gpu_counts : at->second->op_counts).together());
  }
  for (const auto& [key, is] : new_shapes)
    if (!old_shapes.count(key)) pairs[key].after.add((is->by_gpu ? is->gpu_counts : is->op_counts).together());
}

std::vector<CountedValue> counted(const DurationCounts& durations) {
  std::vector<CountedValue> values;
  for (const auto& [us, count] : durations.sorted()) values.push_back({static_cast<double>(us), count});
  return values;
}

}  // namespace

std::string_view DiffRow::verdict() const {
  if (is_new()) return "NEW";
  return is_gone() ? "GONE" : verdict_name(comparison.verdict);
}

size_t TraceDiff::count(std::string_view verdict) const {
  return size_t(std::count_if(rows.begin(), rows.end(), [&](const DiffRow& row) { return row.verdict() == verdict; }));
}

TraceDiff diff_traces(const DiffSide& before, const DiffSide& after, double threshold) {
  Pairs pairs;
  add_names(before, &Pair::before, pairs);
  add_names(after, &Pair::after, pairs);
  add_shapes(before, after, pairs);

  TraceDiff diff;
  diff.threshold = threshold;
  size_t compared = 0;
  for (const auto& [key, pair] : pairs) {
    diff.rows.push_back({key.kind, key.name, key.backend, summarize(pair.before), summarize(pair.after), {}, 0});
    compared += diff.rows.back().before.count >= kLeastSamples && diff.rows.back().after.count >= kLeastSamples;
  }
  diff.significant = kSignificant / double(std::max<size_t>(compared, 1));
  auto pair = pairs.begin();
  for (DiffRow& row : diff.rows) {
    if (!row.is_new() && !row.is_gone()) {
      row.comparison = compare_counted(counted(pair->second.before), counted(pair->second.after), threshold,
                                       kResolutionUs, diff.significant);
      row.change_ms = (row.after.avg_ms - row.before.avg_ms) * double(row.after.count);
    }
    ++pair;
  }
  std::stable_sort(diff.rows.begin(), diff.rows.end(),
                   [](const DiffRow& a, const DiffRow& b) { return std::abs(a.change_ms) > std::abs(b.change_ms); });
  return diff;
}

}  // namespace assay

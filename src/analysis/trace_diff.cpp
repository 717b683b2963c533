// Durations are whole numbers, counted by value: ranks and medians come from the counts, with the clock's 1 µs granted.
// Where pooled durations spread over many µs, that µs is granted only as far as one of them holds the median.
#include "analysis/trace_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

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

void add_names(const DiffSide& side, DurationCounts Pair::*to, Pairs& pairs, Pairs& types) {
  for (const ClassicCounts::Op& op : side.counts.ops()) {
    const std::string_view name = side.strings.text(op.name);
    const std::string kind = kind_of(op.op_class);
    (pairs[{kind, std::string(name), ""}].*to).add(op.durations);
    const std::string type = op.op_class == OpClass::kernel ? kernel_base_name(name) : std::string(name);
    (types[{kind, without_numbers(type), ""}].*to).add(op.durations);
  }
  for (const ClassicCounts::Internal& internal : side.counts.internals()) {
    const std::string name =
        fmt::format("{} :: {}", side.strings.text(internal.parent), side.strings.text(internal.kernel));
    (pairs[{"internal", name, ""}].*to).add(internal.durations);
    (types[{"internal", without_numbers(name), ""}].*to).add(internal.durations);
  }
}

void add_walls(const Accounts& accounts, DurationCounts Pair::*to, Pairs& walls) {
  for (const auto& [name, phase] : {std::pair("prompt", &accounts.prompt), std::pair("decode", &accounts.decode)})
    phase->wall_us.each([&, name = name](double us, uint64_t tokens) {
      (walls[{"wall", name, ""}].*to).add(Int128(us + 0.5), tokens);
    });
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
    if (at != new_shapes.end())
      pairs[key].after.add((by_gpu ? at->second->gpu_counts : at->second->op_counts).together());
  }
  for (const auto& [key, is] : new_shapes)
    if (!old_shapes.count(key)) pairs[key].after.add((is->by_gpu ? is->gpu_counts : is->op_counts).together());
}

std::vector<CountedValue> counted(const DurationCounts& durations) {
  std::vector<CountedValue> values;
  for (const auto& [us, count] : durations.sorted()) values.push_back({static_cast<double>(us), count});
  return values;
}

/// A duration of v µs was anything from v to v + 1: each is spread evenly over sixteenths of it.
std::vector<CountedValue> spread(const std::vector<CountedValue>& whole) {
  constexpr uint64_t kParts = 16;
  std::vector<CountedValue> parts;
  uint64_t carried = 0;
  for (const CountedValue& each : whole)
    for (uint64_t part = 0; part < kParts; ++part) {
      carried += each.count;
      if (const uint64_t count = carried / kParts; count > 0)
        parts.push_back({each.value + (double(part) + 0.5) / double(kParts), count});
      carried %= kParts;
    }
  return parts;
}

/// The share of the values in the µs that holds the median: so much of it the median may be off.
double share_at_median(const std::vector<CountedValue>& whole) {
  uint64_t all = 0, below = 0;
  for (const CountedValue& each : whole) all += each.count;
  for (const CountedValue& each : whole)
    if ((below += each.count) * 2 >= all) return double(each.count) / double(all);
  return 0;
}

size_t comparable(const Pairs& pairs) {
  return size_t(std::count_if(pairs.begin(), pairs.end(), [](const auto& each) {
    return each.second.before.count() >= kLeastSamples && each.second.after.count() >= kLeastSamples;
  }));
}

enum class Resolution { whole_us, pooled, none };

std::vector<DiffRow> compare_pairs(const Pairs& pairs, double threshold, Resolution resolution, double significant) {
  std::vector<DiffRow> rows;
  for (const auto& [key, pair] : pairs) {
    DiffRow& row = rows.emplace_back();
    row = {key.kind, key.name, key.backend, summarize(pair.before), summarize(pair.after), {}, 0};
    if (row.is_new() || row.is_gone()) continue;
    std::vector<CountedValue> before = counted(pair.before), after = counted(pair.after);
    double granted_us = resolution == Resolution::none ? 0 : kResolutionUs;
    if (resolution == Resolution::pooled) {
      granted_us *= std::max(share_at_median(before), share_at_median(after));
      before = spread(before), after = spread(after);
    }
    row.comparison = compare_counted(before, after, threshold, granted_us, significant);
    row.change_ms = (row.after.avg_ms - row.before.avg_ms) * double(row.after.count);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const DiffRow& a, const DiffRow& b) { return std::abs(a.change_ms) > std::abs(b.change_ms); });
  return rows;
}

}  // namespace

std::string_view DiffRow::verdict() const {
  if (is_new()) return "NEW";
  return is_gone() ? "GONE" : verdict_name(comparison.verdict);
}

size_t TraceDiff::count(const std::vector<DiffRow>& rows, std::string_view verdict) {
  return size_t(std::count_if(rows.begin(), rows.end(), [&](const DiffRow& row) { return row.verdict() == verdict; }));
}

std::string TraceDiff::verdict() const {
  if (count(walls, "SLOWER") > 0) return "SLOWER";
  if (count(types, "SLOWER") + count(rows, "SLOWER") > 0) return "SLOWER in parts";
  for (const char* verdict : {"FASTER", "UNSURE"})
    if (count(walls, verdict) > 0) return verdict;
  if (!walls.empty()) return "SAME";
  return count(types, "FASTER") > 0 ? "FASTER in parts" : count(types, "SAME") == types.size() ? "SAME" : "UNSURE";
}

TraceDiff diff_traces(const DiffSide& before, const DiffSide& after, const DiffThresholds& thresholds) {
  Pairs walls, types, names;
  add_names(before, &Pair::before, names, types);
  add_names(after, &Pair::after, names, types);
  add_shapes(before, after, names);
  if (before.accounts && after.accounts) {
    add_walls(*before.accounts, &Pair::before, walls);
    add_walls(*after.accounts, &Pair::after, walls);
  }
  TraceDiff diff;
  diff.thresholds = thresholds;
  diff.tokens = after.shapes.tokens;
  diff.significant = kSignificant / double(std::max<size_t>(comparable(names), 1));
  const double pooled = kSignificant / double(std::max<size_t>(comparable(walls) + comparable(types), 1));
  diff.walls = compare_pairs(walls, thresholds.pooled, Resolution::none, pooled);
  std::stable_sort(diff.walls.begin(), diff.walls.end(),
                   [](const DiffRow& a, const DiffRow& b) { return a.name > b.name; });  // prompt, decode
  diff.types = compare_pairs(types, thresholds.pooled, Resolution::pooled, pooled);
  diff.rows = compare_pairs(names, thresholds.name, Resolution::whole_us, diff.significant);
  return diff;
}

}  // namespace assay

// JSON of a trace's analysis; docs/analyze.md names the fields.
#include "report/analysis_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/json.h"

namespace assay {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json known(double value) { return value > 0 ? number(value) : Json(); }

/// Durations by name, in order of first appearance, then longest first.
class Groups {
 public:
  /// `head`: the fields that name the row.
  void add(const Json& head, const DurationCounts& durations) {
    const auto [at, is_new] = places_.try_emplace(head.dump(), rows_.size());
    if (is_new) rows_.push_back({head, {}});
    rows_[at->second].second.add(durations);
  }
  Json json() const {
    std::vector<std::pair<DurationSummary, size_t>> order;
    for (size_t i = 0; i < rows_.size(); ++i) order.emplace_back(summarize(rows_[i].second), i);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first.total_us > b.first.total_us; });
    Json list = Json::array();
    for (const auto& [summary, i] : order) {
      list.push_back(rows_[i].first);
      list.back().update(to_json(summary));
    }
    return list;
  }

 private:
  std::vector<std::pair<Json, DurationCounts>> rows_;
  std::unordered_map<std::string, size_t> places_;
};

void add_ops(const ClassicCounts& counts, const StringTable& strings, Json& json) {
  Groups kernels, kinds, waits, buffers;
  for (const ClassicCounts::Op& op : counts.ops()) {
    const Json head = {{"op_name", strings.text(op.name)}};
    if (op.op_class == OpClass::wait) waits.add(head, op.durations);
    if (op.op_class == OpClass::command_buffer) buffers.add(head, op.durations);
    if (op.op_class != OpClass::kernel) continue;
    kernels.add(head, op.durations);
    kinds.add({{"kernel_type", kernel_base_name(strings.text(op.name))}}, op.durations);
  }
  json["gpu_kernels"] = kernels.json();
  json["gpu_kernel_types"] = kinds.json();
  json["gpu_waits"] = waits.json();
  json["command_buffers"] = buffers.json();
}

void add_internals(const ClassicCounts& counts, const StringTable& strings, Json& json) {
  Groups parents, pairs, kernels;
  for (const ClassicCounts::Internal& internal : counts.internals()) {
    const std::string_view parent = strings.text(internal.parent), kernel = strings.text(internal.kernel);
    parents.add({{"parent", parent}}, internal.durations);
    pairs.add({{"parent", parent}, {"kernel", kernel}}, internal.durations);
    kernels.add({{"kernel", kernel}}, internal.durations);
  }
  json["internal_by_parent"] = parents.json();
  json["internal_by_parent_and_kernel"] = pairs.json();
  json["internal_by_kernel"] = kernels.json();
}

void add_matmuls(const ClassicCounts& counts, const StringTable& strings, Json& json) {
  Groups backends, ops, shapes;
  for (const ClassicCounts::Matmul& matmul : counts.matmuls()) {
    const std::string_view source = strings.text(matmul.source);
    const MatmulFields fields = matmul.from_path ? fields_of_path(source) : unpack_fields(source);
    if (!describes_product(fields)) continue;
    const std::string_view backend = field_or(fields, "backend", "<unknown>");
    backends.add({{"backend", backend}}, matmul.durations);
    ops.add({{"op", field_or(fields, "op", "<unknown>")}, {"backend", backend}}, matmul.durations);
    shapes.add({{"shape", shape_line(fields)}, {"backend", backend}}, matmul.durations);
  }
  json["matmul_backends"] = backends.json();
  json["matmul_ops"] = ops.json();
  json["matmul_shapes"] = shapes.json();
}

Json shape_json(const Shape& shape) {
  Json json = {{"shape", shape.line},
               {"text", shape.text},
               {"spec_line", shape.spec ? Json(shape.spec->line()) : Json()},
               {"unknown", shape.unknown},
               {"rules", shape.rules},
               {"first_line", shape.first_line},
               {"calls", shape.calls},
               {"flops", shape.flops > 0 ? Json(shape.flops) : Json()},
               {"bytes", shape.spec ? Json(shape.spec->min_bytes()) : Json()},
               {"weight_bytes", shape.spec ? Json(shape.spec->weight_bytes()) : Json()},
               {"total_us", number(shape.total_us)}};
  json["backends"] = Json::array();
  for (const ShapeBackend& on : shape.backends)
    json["backends"].push_back({{"backend", on.backend},
                                {"time_from", on.by_gpu ? "gpu" : "op"},
                                {"time_us", number(on.time_us)},
                                {"gbps", known(on.gbps)},
                                {"gflops", known(on.gflops)},
                                {"percent_of_ceiling", known(on.percent)},
                                {"implausible", on.is_implausible()},
                                {"to_win_ms", on.percent > 0 ? number(on.to_win_ms) : Json()},
                                {"op", to_json(on.op)},
                                {"gpu", to_json(on.gpu)}});
  return json;
}

}  // namespace

Json microseconds_json(Int128 us) {
  if (us >= std::numeric_limits<int64_t>::min() && us <= std::numeric_limits<int64_t>::max())
    return static_cast<int64_t>(us);
  if (us > 0 && us <= std::numeric_limits<uint64_t>::max()) return static_cast<uint64_t>(us);
  return fmt::format("{}", us);
}

Json to_json(const DurationSummary& s) {
  if (s.count == 0) return {{"count", 0}};
  return {{"count", s.count},   {"total_us", microseconds_json(s.total_us)},
          {"avg_ms", s.avg_ms}, {"min_ms", s.min_ms},
          {"max_ms", s.max_ms}, {"p95_ms", s.p95_ms},
          {"p99_ms", s.p99_ms}};
}

Json to_json(const ReadTotals& totals) {
  return {{"bytes", totals.bytes},
          {"lines", totals.lines},
          {"blank", totals.blank},
          {"untyped", totals.untyped},
          {"events", totals.events},
          {"not_json", totals.not_json},
          {"wrong_shape", totals.wrong_shape},
          {"cut_off", totals.cut_off}};
}

Json classic_json(const ClassicCounts& counts, const StringTable& strings) {
  Json json = {{"events", counts.events()}};
  std::vector<ClassicCounts::Type> types = counts.types();
  std::stable_sort(types.begin(), types.end(), [](const auto& a, const auto& b) { return a.events > b.events; });
  json["event_types"] = Json::array();
  for (const ClassicCounts::Type& type : types)
    json["event_types"].push_back({{"type", strings.text(type.name)},
                                   {"events", type.events},
                                   {"durations", to_json(summarize(type.durations))}});
  json["backend_selections"] = Json::array();
  for (const ClassicCounts::Selection& selection : counts.selections())
    json["backend_selections"].push_back({{"op", strings.text(selection.op)},
                                          {"backend", strings.text(selection.backend)},
                                          {"reason", strings.text(selection.reason)},
                                          {"events", selection.events}});
  add_internals(counts, strings, json);
  add_ops(counts, strings, json);
  add_matmuls(counts, strings, json);
  json["sync"] = to_json(summarize(counts.sync()));
  return json;
}

Json to_json(const ShapeReport& report) {
  Json json = {{"tokens", report.tokens ? Json(report.tokens) : Json()},
               {"tokens_from", report.tokens_from},
               {"dtype", report.options.dtype},
               {"ceiling_gbps", known(report.options.ceiling_gbps)},
               {"best_gbps", known(report.best_gbps)},
               {"total_us", number(report.total_us)},
               {"to_win_ms", report.options.ceiling_gbps > 0 ? number(report.to_win_ms) : Json()},
               {"to_win_per", report.per_token() ? "token" : "trace"}};
  json["shapes"] = Json::array();
  for (const Shape& shape : report.shapes) json["shapes"].push_back(shape_json(shape));
  return json;
}

Json to_json(const TraceDiff& diff) {
  const auto row_json = [](const DiffRow& row) {
    const Comparison& c = row.comparison;
    return Json{{"verdict", row.verdict()},
                {"kind", row.kind},
                {"name", row.name},
                {"backend", row.backend},
                {"ratio", known(c.ratio)},
                {"ratio_low", c.ratio > 0 ? number(c.ratio_low) : Json()},
                {"ratio_high", c.ratio > 0 ? number(c.ratio_high) : Json()},
                {"p_value", row.is_new() || row.is_gone() ? Json() : number(c.p_value)},
                {"change_ms", number(row.change_ms)},
                {"before", to_json(row.before)},
                {"after", to_json(row.after)}};
  };
  Json json = {{"before", diff.before},
               {"after", diff.after},
               {"verdict", diff.verdict()},
               {"threshold", diff.thresholds.name},
               {"pooled_threshold", diff.thresholds.pooled},
               {"significant", diff.significant},
               {"regressed", diff.regressed()},
               {"counts", Json::object()}};
  for (const char* verdict : {"SLOWER", "FASTER", "SAME", "UNSURE", "NEW", "GONE"})
    json["counts"][verdict] = diff.count(verdict);
  for (const auto& [key, rows] :
       {std::pair("walls", &diff.walls), {"kernel_types", &diff.types}, {"rows", &diff.rows}}) {
    json[key] = Json::array();
    for (const DiffRow& row : *rows) json[key].push_back(row_json(row));
  }
  return json;
}

std::string analysis_json(Json reports) {
  const Json json = {{"schema", "assay-analysis"}, {"version", 1}, {"traces", std::move(reports)}};
  return json.dump() + "\n";
}

}  // namespace assay

// JSON writing and reading: each record field is named once, for both directions.
#include "report/json.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/json.h"
#include "report/rows.h"

namespace assay {
namespace {

constexpr const char* kSchema = "assay-report";
constexpr int64_t kVersion = 4;  // 2: registers, shared_bytes, local_bytes; 3: accuracy, bound_used; 4: counts
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Calls field(name, member) for every member; `Errors` and `Record` are const for writing.
template <typename Errors, typename Field>
void each_error_field(Errors& errors, Field&& field) {
  field("elements_checked", errors.elements_checked);
  field("launches_checked", errors.launches_checked);
  field("launches_scanned", errors.launches_scanned);
  field("max_abs", errors.max_abs);
  field("max_rel", errors.max_rel);
  field("nmse", errors.nmse);
  field("worst_ratio", errors.worst_ratio);
  field("bound_c", errors.bound_c);
  field("bound_used", errors.bound_used);
  field("worst_index", errors.worst_index);
  field("worst_value", errors.worst_value);
  field("worst_reference", errors.worst_reference);
  field("nan_count", errors.nan_count);
}

template <typename Record, typename Field>
void each_record_field(Record& record, Field&& field) {
  field("key", record.key);
  field("key_text", record.key_text);
  field("spec_line", record.spec_line);
  field("math_line", record.math_line);
  field("completion", record.completion);
  field("variant", record.variant);
  field("accuracy", record.accuracy);
  field("device", record.device);
  field("mode", record.mode);
  field("outcome", record.outcome);
  field("detail", record.detail);
  field("tags", record.tags);
  field("device_us", record.device_us);
  field("host_us", record.host_us);
  field("head_to_head_us", record.head_to_head_us);
  field("disturbed", record.disturbed);
  field("encode_us", record.encode_us);
  field("submit_us", record.submit_us);
  field("wait_us", record.wait_us);
  field("prepare_us", record.prepare_us);
  field("prepared_bytes", record.prepared_bytes);
  field("workspace_bytes", record.workspace_bytes);
  field("registers", record.registers);
  field("shared_bytes", record.shared_bytes);
  field("local_bytes", record.local_bytes);
  field("bytes", record.bytes);
  field("flops", record.flops);
  field("floor_us", record.floor_us);
  field("reachable_us", record.reachable_us);
  field("ceiling_gbps", record.ceiling_gbps);
  field("dram_bytes", record.dram_bytes);
  field("instructions", record.instructions);
  field("cycles", record.cycles);
  field("case_us", record.case_us);
  field("check_us", record.check_us);
  field("errors", record.errors);
  field("environment", record.environment);
  field("measured_at", record.measured_at);
}

Json to_json(const std::string& text) { return text; }
Json to_json(int64_t number) { return number; }
Json to_json(double number) {
  if (std::isnan(number)) return nullptr;
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return number;
}
Json to_json(Outcome outcome) { return std::string(outcome_name(outcome)); }
Json to_json(Accuracy accuracy) { return std::string(accuracy_name(accuracy)); }
Json to_json(uint8_t mark) { return mark; }
template <typename Value>
Json to_json(const std::vector<Value>& values) {
  Json array = Json::array();
  for (const Value& value : values) array.push_back(to_json(value));
  return array;
}
Json to_json(const ErrorStats& errors) {
  Json object = Json::object();
  each_error_field(errors, [&](const char* name, const auto& member) { object[name] = to_json(member); });
  return object;
}
Json to_json(const Summary& summary) {
  return {{"count", summary.count},
          {"median", to_json(summary.median)},
          {"min", to_json(summary.min)},
          {"max", to_json(summary.max)},
          {"p95", to_json(summary.p95)},
          {"mean", to_json(summary.mean)},
          {"ci_low", to_json(summary.ci_low)},
          {"ci_high", to_json(summary.ci_high)},
          {"spread", to_json(summary.spread)}};
}

Json ranking_json(const RankedCase& ranked) {
  return {{"device", to_json(ranked.device)},
          {"host", to_json(ranked.host)},
          {"all_samples", ranked.all_samples},
          {"gbps", to_json(ranked.gbps)},
          {"percent_of_ceiling", to_json(ranked.percent_of_ceiling)},
          {"percent_of_floor", to_json(ranked.percent_of_floor)},
          {"baseline", ranked.baseline},
          {"best_device", ranked.best_device},
          {"best_host", ranked.best_host},
          {"host_gap", ranked.host_gap},
          {"in_tie_set", ranked.in_tie_set},
          {"best_of_class", ranked.best_of_class}};
}

Json case_json(const RankedCase& ranked) {
  Json object = Json::object();
  each_record_field(ranked.record, [&](const char* name, const auto& member) { object[name] = to_json(member); });
  object["ranking"] = ranking_json(ranked);
  return object;
}

Json best_of_class_json(const RankedSpec& spec) {
  Json object = Json::object();
  for (size_t i = 0; i < kAccuracies; ++i)
    if (const int best = spec.best_of_class[i]; best >= 0)
      object[accuracy_names()[i]] = spec.cases[size_t(best)].record.variant;
  return object;
}

Json spec_json(const RankedSpec& spec) {
  Json cases = Json::array();
  for (const RankedCase& ranked : spec.cases) cases.push_back(case_json(ranked));
  return {{"spec_line", spec.spec_line},
          {"math_line", spec.math_line},
          {"best", spec.best < 0 ? Json(nullptr) : Json(spec.cases[size_t(spec.best)].record.variant)},
          {"best_of_class", best_of_class_json(spec)},
          {"floor_us", to_json(spec.floor_us)},
          {"reachable_us", to_json(spec.reachable_us)},
          {"original_ms", to_json(spec.original_ms)},
          {"original_device", spec.original_device},
          {"quarantine", spec.quarantine},
          {"apart", spec.apart},
          {"cases", std::move(cases)}};
}

Json workload_json(const WorkloadTable& workload) {
  Json rows = Json::array();
  for (const WorkloadRow& row : workload.rows)
    rows.push_back({{"spec_line", row.spec_line},
                    {"calls_per_token", to_json(row.calls_per_token)},
                    {"best_variant", row.best_variant},
                    {"accuracy", to_json(row.accuracy)},
                    {"best_us", to_json(row.best_us)},
                    {"floor_us", to_json(row.floor_us)},
                    {"total_ms", to_json(row.total_ms)},
                    {"is_product", row.is_product},
                    {"to_win_ms", to_json(row.to_win_ms)},
                    {"measured", row.measured},
                    {"interpolated", row.interpolated},
                    {"sources", row.sources}});
  return {{"name", workload.name},
          {"calls_per_token", to_json(workload.calls_per_token)},
          {"total_ms", to_json(workload.total_ms)},
          {"to_win_ms", to_json(workload.to_win_ms)},
          {"exact_ms", to_json(workload.exact_ms)},
          {"products_ms", to_json(workload.products_ms)},
          {"missing", workload.missing},
          {"quarantined", workload.quarantined},
          {"rows", std::move(rows)}};
}

Json about_json() {
  return {{"_us", "microseconds; device_us and host_us hold one sample per launch, in the order taken"},
          {"head_to_head_us",
           "median of each turn in the shuffled rounds among the contenders, the drift common to all divided out: what "
           "ranks them"},
          {"disturbed", "per launch: 1 if it was kept though other work disturbed it"},
          {"spec_line", "enough to run the case again: assay probe --spec 'LINE'"},
          {"outcome", "only pass is ever ranked"},
          {"accuracy", "what the variant may round the activations to; it is held to that class's error bound"},
          {"bound_used", "largest error over what the class allows that element; above 1 is wrong"},
          {"dram_bytes",
           "a launch's, like instructions and cycles, by the hardware's count; null where nothing was counted"},
          {"floor_us", "least bytes over the measured bandwidth, or flops over the measured peak"},
          {"reachable_us", "a kernel that only reads the same bytes"},
          {"to_win_ms", "per token: calls x (best - floor)"},
          {"null", "not a number"}};
}

void from_json(const JsonReader& json, std::string& value) { value = json.string(); }
void from_json(const JsonReader& json, int64_t& value) { value = json.integer(); }
void from_json(const JsonReader& json, double& value) {
  if (json.json().is_null())
    value = std::numeric_limits<double>::quiet_NaN();
  else if (json.json() == "inf")
    value = kInfinity;
  else if (json.json() == "-inf")
    value = -kInfinity;
  else
    value = json.number();
}
template <typename Value>
void from_name(const JsonReader& json, Value& value, Value (*parse)(std::string_view)) {
  const std::string name = json.string();
  try {
    value = parse(name);
  } catch (const Error& e) {
    json.error(e.what());
  }
}
void from_json(const JsonReader& json, Outcome& value) { from_name(json, value, parse_outcome); }
void from_json(const JsonReader& json, Accuracy& value) { from_name(json, value, parse_accuracy); }
void from_json(const JsonReader& json, uint8_t& value) {
  const int64_t mark = json.integer();
  if (mark < 0 || mark > 255) json.error("expected a mark, 0 or 1");
  value = uint8_t(mark);
}
template <typename Value>
void from_json(const JsonReader& json, std::vector<Value>& values) {
  for (const JsonReader& item : json.items()) from_json(item, values.emplace_back());
}
/// The version that a field of a case came with: reports of earlier ones may lack it.
int64_t version_of(std::string_view name) {
  if (name == "registers" || name == "shared_bytes" || name == "local_bytes") return 2;
  if (name == "dram_bytes" || name == "instructions" || name == "cycles") return 4;
  return name == "accuracy" || name == "bound_used" ? 3 : 1;
}
bool has_field(const JsonReader& json, const char* name, int64_t version) {
  return version >= version_of(name) || json.has(name);
}

ErrorStats read_errors(const JsonReader& json, int64_t version) {
  ErrorStats errors;
  std::vector<std::string> known;
  each_error_field(errors, [&](const char* name, auto&) { known.emplace_back(name); });
  json.only_keys(known);
  each_error_field(errors, [&](const char* name, auto& member) {
    if (has_field(json, name, version)) from_json(json.at(name), member);
  });
  if (!has_field(json, "bound_used", version)) errors.bound_used = std::numeric_limits<double>::quiet_NaN();
  return errors;
}

CaseRecord read_case(const JsonReader& json, int64_t version) {
  CaseRecord record;
  std::vector<std::string> known = {"ranking"};
  each_record_field(record, [&](const char* name, auto&) { known.emplace_back(name); });
  json.only_keys(known);
  each_record_field(record, [&](const char* name, auto& member) {
    if (!has_field(json, name, version)) return;
    if constexpr (std::is_same_v<decltype(member), ErrorStats&>)
      member = read_errors(json.at(name), version);
    else
      from_json(json.at(name), member);
  });
  if (is_old_int8_key(record.key_text)) record.accuracy = Accuracy::int8_activation;
  return record;
}

/// A report of another version may lack what this one asks for, so say that before anything else.
int64_t check_version(const JsonReader& root) {
  if (!root.has("schema") || root.at("schema").string() != kSchema)
    root.error("not a report of assay (\"schema\" is not \"assay-report\"); write one with: assay probe --json FILE");
  const int64_t version = root.at("version").integer();
  if (version > kVersion)
    root.at("version").error(
        fmt::format("version {} is newer than this assay reads ({}); update assay", version, kVersion));
  if (version < 1) root.at("version").error("expected a version from 1");
  return version;
}

}  // namespace

std::string json_report(const SweepReport& report) {
  Json specs = Json::array(), skips = Json::array(), workloads = Json::array();
  for (const RankedSpec& spec : report.specs) specs.push_back(spec_json(spec));
  for (const SkipGroup& skip : report.skips)
    skips.push_back({{"variant", skip.variant}, {"op", skip.op_name}, {"reason", skip.reason}, {"count", skip.count}});
  for (const WorkloadTable& workload : report.workloads) workloads.push_back(workload_json(workload));
  const Json root = {{"schema", kSchema},
                     {"version", kVersion},
                     {"about", about_json()},
                     {"device", report.device},
                     {"device_text", report.device_text},
                     {"method", report.method},
                     {"store_file", report.store_file},
                     {"ceilings",
                      {{"read_gbps", to_json(report.read_gbps)},
                       {"copy_gbps", to_json(report.copy_gbps)},
                       {"dispatch_us", to_json(report.dispatch_us)}}},
                     {"cases_measured", report.cases_measured},
                     {"cases_from_store", report.cases_from_store},
                     {"cases_planned", report.cases_planned},
                     {"elapsed_s", to_json(report.elapsed_s)},
                     {"interrupted", report.interrupted},
                     {"specs", std::move(specs)},
                     {"skips", std::move(skips)},
                     {"workloads", std::move(workloads)}};
  // A crashed kernel's message may hold any bytes; what is not UTF-8 becomes U+FFFD.
  return root.dump() + "\n";
}

std::vector<CaseRecord> read_report_json(const std::string& text, const std::string& file) {
  const Json parsed = parse_json(text, file);
  const JsonReader root(parsed, file);
  const int64_t version = check_version(root);
  std::vector<CaseRecord> records;
  for (const JsonReader& spec : root.at("specs").items())
    for (const JsonReader& one : spec.at("cases").items()) records.push_back(read_case(one, version));
  return records;
}

}  // namespace assay

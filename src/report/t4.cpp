// T4 JSON as kernel_tuner and KTT write it; docs/formats.md says which field means what.
#include "report/t4.h"

#include <fmt/chrono.h>

#include <cmath>
#include <map>

#include "base/json.h"
#include "report/table_json.h"

namespace assay {
namespace {

/// What the format calls it: "correct" alone may be a winner, and so only what passed is.
const char* invalidity(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return "correct";
    case Outcome::wrong:
    case Outcome::impossible:
      return "correctness";
    case Outcome::build_failed:
      return "compile";
    case Outcome::timed_out:
      return "timeout";
    case Outcome::unsupported:
    case Outcome::device_limit:
      return "constraints";
    case Outcome::noisy:
    case Outcome::launch_failed:
    case Outcome::crashed:
      break;
  }
  return "runtime";
}

Json measurement(const char* name, double value, const char* unit) {
  return {{"name", name}, {"value", value}, {"unit", unit}};
}

/// The parameters of the variant; the spec among them, since one file holds several: no two results have one
/// configuration.
Json configuration(const std::string& spec_line, const CaseRecord& record,
                   const std::map<std::string, const Variant*>& known) {
  const size_t slash = record.variant.find('/');
  Json object = {{"spec", spec_line},
                 {"family", record.variant.substr(0, slash)},
                 {"name", slash == std::string::npos ? "" : record.variant.substr(slash + 1)}};
  if (const auto found = known.find(record.variant); found != known.end())
    for (const auto& [parameter, value] : found->second->parameters) object[parameter] = value;
  return object;
}

Json result_json(const std::string& spec_line, const RankedCase& ranked,
                 const std::map<std::string, const Variant*>& known) {
  const CaseRecord& record = ranked.record;
  Json runtimes = Json::array(), measurements = Json::array();
  for (const double us : record.device_us) runtimes.push_back(us / 1e3);
  const auto add = [&](const char* name, double value, const char* unit) {
    if (std::isfinite(value) && value > 0) measurements.push_back(measurement(name, value, unit));
  };
  if (record.outcome == Outcome::pass) {
    add("time", ranked.device.median / 1e3, "ms");
    add("time_low", ranked.device.ci_low / 1e3, "ms");
    add("time_high", ranked.device.ci_high / 1e3, "ms");
    add("host_time", ranked.host.median / 1e3, "ms");
    add("GB/s", ranked.gbps, "GB/s");
    add("percent_of_floor", ranked.percent_of_floor, "%");
    add("bound_used", record.errors.bound_used, "");
  }
  const bool proved = record.outcome == Outcome::pass || record.outcome == Outcome::noisy;
  Json result = {
      {"timestamp", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(record.measured_at)))},
      {"configuration", configuration(spec_line, record, known)},
      {"objectives", {"time"}},
      {"times",
       {{"runtimes", std::move(runtimes)},
        {"benchmark", (record.case_us - record.check_us) / 1e3},
        {"validation", record.check_us / 1e3},
        {"framework", 0},
        {"search_algorithm", 0}}},
      {"invalidity", invalidity(record.outcome)},
      {"correctness", proved ? 1 : 0},
      {"measurements", std::move(measurements)}};
  result["outcome"] = std::string(outcome_name(record.outcome));
  if (!record.detail.empty()) result["detail"] = record.detail;
  return result;
}

}  // namespace

std::string t4_json(const SweepReport& report, const std::vector<const Variant*>& variants) {
  std::map<std::string, const Variant*> known;
  for (const Variant* variant : variants) known[variant->id()] = variant;
  Json results = Json::array();
  for (const RankedSpec& spec : report.specs)
    for (const RankedCase& ranked : spec.cases) results.push_back(result_json(spec.spec_line, ranked, known));
  return json_line(
      {{"schema_version", "1.0.0"},
       {"metadata", {{"device", report.device}, {"device_name", report.device_text}, {"mode", report.method}}},
       {"results", std::move(results)}});
}

}  // namespace assay

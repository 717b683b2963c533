// Records sorted by device and mode, ranked and priced as a probe does it.
#include "report/store_sections.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "store/kept.h"

namespace assay {
namespace {

/// What tells machines apart: the lines after program, compiler and system.
std::string identity_of(const std::string& environment) {
  const size_t system = environment.find("\nsystem: ");
  const size_t end = system == std::string::npos ? std::string::npos : environment.find('\n', system + 1);
  return end == std::string::npos ? "" : environment.substr(end + 1);
}

/// "9f3e…" of "0.1.0 (9f3e…)".
std::string commit_of(const std::string& environment) {
  const std::string program = environment_value(environment, "assay");
  const size_t open = program.find('('), close = program.rfind(')');
  return open == std::string::npos || close == std::string::npos ? "" : program.substr(open + 1, close - open - 1);
}

using Environments = std::map<std::string, std::string>;  // text by id

struct Group {
  std::vector<CaseRecord> records;
  std::string environment;  // of the newest
  int64_t newest = 0;
};

/// The newest record of each case, by device and mode. Records come oldest first.
std::map<std::string, Group> groups_of(std::vector<CaseRecord> records, const Environments& environments) {
  std::map<std::string, Group> groups;
  std::map<std::string, size_t> places;
  for (CaseRecord& record : records) {
    const auto known = environments.find(record.environment);
    const std::string environment = known == environments.end() ? "" : known->second;
    const std::string id = record.device + "\n" + record.mode + "\n" + identity_of(environment);
    Group& group = groups[id];
    group.newest = std::max(group.newest, record.measured_at);
    group.environment = environment;
    const auto [place, is_new] =
        places.try_emplace(id + "\n" + record.math_line + "\n" + record.variant, group.records.size());
    if (is_new)
      group.records.push_back(std::move(record));
    else
      group.records[place->second] = std::move(record);
  }
  return groups;
}

/// A store does not say which ceilings are whose: those that are nearest to what stood around the cases.
std::optional<Ceilings> nearest_ceilings(const std::vector<Ceilings>& all, const std::vector<CaseRecord>& records) {
  std::vector<double> seen;
  for (const CaseRecord& record : records)
    if (record.ceiling_gbps > 0) seen.push_back(record.ceiling_gbps);
  if (all.empty()) return std::nullopt;
  if (seen.empty()) return all.back();
  std::nth_element(seen.begin(), seen.begin() + ptrdiff_t(seen.size() / 2), seen.end());
  const double typical = seen[seen.size() / 2];
  const auto distance = [&](const Ceilings& c) { return std::fabs(std::log(c.memory_gbps() / typical)); };
  return *std::min_element(all.begin(), all.end(),
                           [&](const Ceilings& a, const Ceilings& b) { return distance(a) < distance(b); });
}

void add_specs(StoreSection& section, std::vector<CaseRecord> records, const std::vector<Workload>& workloads,
               const std::vector<std::string>& baselines) {
  std::vector<std::pair<Spec, std::vector<CaseRecord>>> specs;
  std::map<std::string, size_t> places;
  for (CaseRecord& record : records) {
    const auto [place, is_new] = places.try_emplace(record.math_line, specs.size());
    if (is_new) try {
        specs.emplace_back(parse_spec(record.spec_line), std::vector<CaseRecord>());
      } catch (const Error&) {  // of an op that came later, or went
        places.erase(place);
        ++section.unreadable;
        continue;
      }
    specs[place->second].second.push_back(std::move(record));
  }
  for (auto& [spec, cases] : specs) {
    section.report.cases_from_store += int64_t(cases.size());
    RankedSpec ranked = rank_spec(spec, std::move(cases), baselines, {});
    add_observations(ranked, workloads);
    section.report.specs.push_back(std::move(ranked));
  }
}

/// Those of which anything is measured, the wholest first.
void add_workloads(SweepReport& report, const std::vector<Workload>& workloads) {
  for (const Workload& workload : workloads) {
    WorkloadTable table = price_workload(workload, report.specs, report.read_gbps);
    if (table.missing.size() < table.rows.size()) report.workloads.push_back(std::move(table));
  }
  std::stable_sort(report.workloads.begin(), report.workloads.end(),
                   [](const WorkloadTable& a, const WorkloadTable& b) { return a.missing.size() < b.missing.size(); });
}

StoreSections make_sections(const std::string& source, std::vector<CaseRecord> records,
                            const Environments& environments, const std::vector<Ceilings>& ceilings,
                            const std::vector<Workload>& workloads, const std::vector<std::string>& baselines) {
  StoreSections result;
  std::vector<std::pair<int64_t, StoreSection>> made;
  const auto others = std::stable_partition(records.begin(), records.end(),
                                            [](const CaseRecord& r) { return !r.mode.starts_with("opbench"); });
  result.frameworks.assign(std::make_move_iterator(others), std::make_move_iterator(records.end()));
  records.erase(others, records.end());
  for (auto& [id, group] : groups_of(std::move(records), environments)) {
    StoreSection section;
    section.source = source;
    section.environment = group.environment;
    section.commit = commit_of(group.environment);
    section.ceilings = nearest_ceilings(ceilings, group.records);
    SweepReport& report = section.report;
    report.device = group.records.front().device;
    report.method = group.records.front().mode;
    const std::string model = environment_value(group.environment, "model"),
                      name = model.empty() ? environment_value(group.environment, "name") : model;
    report.device_text = name.empty() ? report.device : name;
    report.store_file = source;
    if (section.ceilings) {
      report.read_gbps = section.ceilings->memory_gbps();
      report.copy_gbps = section.ceilings->copy.value;
      report.dispatch_us = section.ceilings->dispatch_us;
    }
    result.records.insert(result.records.end(), group.records.begin(), group.records.end());
    add_specs(section, std::move(group.records), workloads, baselines);
    add_workloads(report, workloads);
    made.emplace_back(-group.newest, std::move(section));
  }
  std::stable_sort(made.begin(), made.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [when, section] : made) result.sections.push_back(std::move(section));
  return result;
}

/// The newest measurement of each key counts; of those the fastest proved one of each spec, device and commit.
std::vector<HistoryPoint> history_of(const std::vector<CaseGlance>& glances, const Environments& environments) {
  std::map<std::string, const CaseGlance*> newest;
  for (const CaseGlance& glance : glances) newest[glance.key] = &glance;
  std::map<std::string, HistoryPoint> points;
  for (const auto& [key, glance] : newest) {
    if (glance->outcome != Outcome::pass || glance->abandoned || !(glance->median_us > 0)) continue;
    const auto known = environments.find(glance->environment);
    const std::string text = known == environments.end() ? "" : known->second, commit = commit_of(text);
    const std::string model = environment_value(text, "model");
    const std::string device = model.empty() ? glance->device : glance->device + ", " + model;
    HistoryPoint& point = points[glance->math_line + "\n" + device + "\n" + glance->mode + "\n" + commit];
    point.measured_at = std::max(point.measured_at, glance->measured_at);
    if (point.median_us > 0 && point.median_us <= glance->median_us) continue;
    point = {glance->math_line, device, glance->mode, commit, glance->variant, glance->median_us, point.measured_at};
  }
  std::vector<HistoryPoint> history;
  for (auto& [id, point] : points) history.push_back(std::move(point));
  std::stable_sort(history.begin(), history.end(),
                   [](const HistoryPoint& a, const HistoryPoint& b) { return a.measured_at < b.measured_at; });
  return history;
}

}  // namespace

std::string environment_value(const std::string& text, std::string_view key) {
  const std::string begin = std::string(key) + ": ";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, begin.size(), begin) == 0) return text.substr(at + begin.size(), end - at - begin.size());
    at = end + 1;
  }
  return "";
}

StoreSections sections_of_store(const Store& store, const std::vector<Workload>& workloads,
                                const std::vector<std::string>& baselines) {
  std::vector<CaseRecord> records = store.newest_of_each_key();
  const std::vector<CaseGlance> glances = store.glances();
  Environments environments;
  for (const CaseGlance& glance : glances)
    if (!environments.count(glance.environment))
      if (const auto kept = store.environment(glance.environment)) environments[glance.environment] = kept->text;
  std::vector<Ceilings> ceilings;
  for (const CeilingRecord& record : store.ceilings())
    if (record.text.starts_with("{\"read\":"))  // others say which readers are best
      if (auto read = read_kept(store, record, ceilings_from_json)) ceilings.push_back(std::move(*read));
  std::erase_if(ceilings, [](const Ceilings& c) { return !(c.memory_gbps() > 0); });
  StoreSections result =
      make_sections(store.file().string(), std::move(records), environments, ceilings, workloads, baselines);
  result.history = history_of(glances, environments);
  return result;
}

StoreSections sections_of_records(const std::string& source, std::vector<CaseRecord> records,
                                  const std::vector<Workload>& workloads, const std::vector<std::string>& baselines) {
  return make_sections(source, std::move(records), {}, {}, workloads, baselines);
}

}  // namespace assay

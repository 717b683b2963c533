// The dispatch table: reading it strictly, writing it, and the device that its entries are for.
#include "kernel/dispatch_table.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kTableSchema = 1;
constexpr size_t kMostWords = 8;  // of a property that a message names

/// 0 where it is not said.
double at_least_zero(const JsonReader& json, const char* key) {
  const double value = json.has(key) ? json.at(key).number() : 0;
  if (!(value >= 0) || !std::isfinite(value)) json.at(key).error("must be a number from 0 on");
  return value;
}

/// Names that stand once each.
std::vector<std::string> read_names(const JsonReader& json) {
  const std::vector<std::string> names = json.strings();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) json.error(fmt::format("name {} is empty; expected family/name", i));
    if (std::find(names.begin(), names.begin() + std::ptrdiff_t(i), names[i]) != names.begin() + std::ptrdiff_t(i))
      json.error(fmt::format("{} stands twice; keep one of them", names[i]));
  }
  return names;
}

/// All of it or none: what says half of how it was measured could not be judged.
TableEvidence read_evidence(const JsonReader& json) {
  json.only_keys({"result", "us", "margin_percent", "ties"});
  TableEvidence evidence;
  evidence.result = json.at("result").string();
  if (evidence.result.empty()) json.at("result").error("names no result that the numbers come from");
  evidence.us = at_least_zero(json, "us");
  if (json.at("us"); evidence.us == 0) json.at("us").error("must be above 0: it is what the variant took");
  json.at("margin_percent");
  evidence.margin_percent = at_least_zero(json, "margin_percent");
  evidence.ties = read_names(json.at("ties"));
  return evidence;
}

TableEntry read_entry(const JsonReader& json) {
  json.only_keys({"bucket", "variant", "storage", "accuracy", "fallback", "evidence", "source"});
  const JsonReader bucket = json.at("bucket");
  TableEntry entry{SpecBucket(bucket.string(), fmt::format("{} at {}", bucket.file(), bucket.pointer())),
                   json.at("variant").string(),
                   json.string_or("storage", ""),
                   Accuracy::exact,
                   {},
                   {},
                   json.string_or("source", "")};
  if (entry.variant.empty()) json.at("variant").error("expected family/name");
  if (json.has("accuracy"))
    at_place(json.at("accuracy"), [&] { entry.accuracy = parse_accuracy(json.at("accuracy").string()); });
  if (json.has("source") && entry.source.empty())
    json.at("source").error("is empty; give the build hash or leave it out");
  if (json.has("fallback")) entry.fallback = read_names(json.at("fallback"));
  if (json.has("evidence")) {
    entry.evidence = read_evidence(json.at("evidence"));
    if (entry.source.empty()) json.error("has evidence but no source, so that it could never expire; run assay tune");
  }
  for (const auto* others : {&entry.fallback, &entry.evidence.ties})
    if (std::find(others->begin(), others->end(), entry.variant) != others->end())
      json.error(fmt::format("{} is also its own {}", entry.variant, others == &entry.fallback ? "fallback" : "tie"));
  return entry;
}

constexpr std::pair<const char*, double TableStep::*> kStepTimes[] = {
    {"floor_ms", &TableStep::floor_ms},
    {"predicted_ms", &TableStep::predicted_ms},
    {"achieved_ms", &TableStep::achieved_ms},
    {"low_ms", &TableStep::low_ms},
    {"high_ms", &TableStep::high_ms},
    {"default_predicted_ms", &TableStep::default_predicted_ms},
    {"default_achieved_ms", &TableStep::default_achieved_ms}};

TableStep read_step(const JsonReader& json) {
  std::vector<std::string> keys = {"model", "depth"};
  for (const auto& [key, time] : kStepTimes) keys.emplace_back(key);
  json.only_keys(keys);
  TableStep step;
  step.model = json.at("model").string();
  if (step.model.empty()) json.at("model").error("names no model");
  step.depth = json.at("depth").integer();
  if (step.depth < 0) json.at("depth").error("must be a number from 0 on");
  for (const auto& [key, time] : kStepTimes) step.*time = at_least_zero(json, key);
  if ((step.low_ms > 0) != (step.high_ms > 0)) json.error("has one end of an interval: low_ms and high_ms go together");
  if (step.low_ms > step.achieved_ms || (step.high_ms > 0 && step.high_ms < step.achieved_ms))
    json.error(fmt::format("achieved {} ms lies outside its own interval, {} to {}", step.achieved_ms, step.low_ms,
                           step.high_ms));
  return step;
}

Json to_json(const TableStep& step) {
  Json json = {{"model", step.model}, {"depth", step.depth}};
  for (const auto& [key, time] : kStepTimes)
    if (step.*time > 0) json[key] = step.*time;
  return json;
}

/// A weight has one accuracy class: a token's answer must not depend on how many were computed beside it.
void refuse_mixed_classes(const JsonReader& json, const TableDevice& device) {
  std::set<int64_t> edges;
  for (const TableEntry& entry : device.entries)
    for (const int64_t m : entry.bucket.edges("m")) edges.insert(m);
  const auto refuse_in = [&](const SpecFields& weight) {
    const TableEntry* first = nullptr;
    for (const int64_t m : edges) {
      SpecFields spec = weight;
      spec.emplace_back("m", std::to_string(m));
      const TableEntry* entry = find_entry(device, spec);
      if (!first) first = entry;
      if (entry && entry->accuracy != first->accuracy)
        json.error(fmt::format(
            "mixes accuracy classes for one weight, {}: {} with {} (entry {}), {} with {} (entry {}); "
            "give all m one class",
            print_spec_fields(weight), accuracy_name(first->accuracy), first->variant, first - device.entries.data(),
            accuracy_name(entry->accuracy), entry->variant, entry - device.entries.data()));
    }
  };
  for (const TableEntry& one : device.entries)
    for (const TableEntry& other : device.entries)
      if (one.accuracy < other.accuracy)
        for (const SpecFields& weight : one.bucket.shared_with(other.bucket, "m")) refuse_in(weight);
}

TableDevice read_device(const JsonReader& json) {
  json.only_keys({"backend", "isa", "properties", "method", "entries", "steps"});
  TableDevice device;
  device.backend = read_backend(json.at("backend"));
  device.isa = json.string_or("isa", "");
  if (json.has("properties"))
    for (const auto& [key, value] : json.at("properties").members())
      device.properties.emplace_back(key, value.string());
  if (json.has("method")) {
    device.method = json.at("method").integer();
    if (device.method < 1) json.at("method").error("must be a number from 1 on");
  }
  std::map<std::string, size_t> buckets;
  for (const JsonReader& item : json.at("entries").items()) {
    TableEntry entry = read_entry(item);
    const auto [first, is_new] = buckets.emplace(entry.bucket.line(), device.entries.size());
    if (!is_new)
      item.error(
          fmt::format("entry {} is for the same bucket ({}); keep one of them", first->second, entry.bucket.line()));
    for (const TableEntry& earlier : device.entries)
      if (earlier.bucket.covers(entry.bucket))
        item.error(fmt::format("never counts: {} before it takes all its specs; put it before that one, or remove it",
                               earlier.bucket.line()));
    // What was measured holds for where and how it was.
    const bool is_measured = !entry.source.empty();
    if (is_measured && device.properties.empty()) item.error("was measured, but its section has no properties");
    if (is_measured && device.method == 0) item.error("was measured, but its section has no method; run assay tune");
    device.entries.push_back(std::move(entry));
  }
  refuse_mixed_classes(json.at("entries"), device);
  if (json.has("steps"))
    for (const JsonReader& item : json.at("steps").items()) {
      TableStep step = read_step(item);
      for (const TableStep& other : device.steps)
        if (other.model == step.model && other.depth == step.depth)
          item.error(fmt::format("step {} is of {} at depth {}, too; keep one of them", &other - device.steps.data(),
                                 step.model, step.depth));
      device.steps.push_back(std::move(step));
    }
  return device;
}

/// What tells one device from another; what else differs has changed on the same one.
bool is_of_device(const std::string& key) {
  for (const char* own : {"architecture", "model", "name", "family", "UUID", "compute capability", "multiprocessors"})
    if (key == own) return true;
  return false;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

/// Those of `words` that `others` lacks, a few by name.
std::string words_without(const std::vector<std::string>& words, const std::vector<std::string>& others) {
  std::vector<std::string> left;
  for (const std::string& word : words)
    if (std::find(others.begin(), others.end(), word) == others.end()) left.push_back(word);
  const size_t more = left.size() > kMostWords ? left.size() - kMostWords : 0;
  left.resize(left.size() - more);
  return joined(left, " ") + (more > 0 ? fmt::format(" and {} more", more) : "");
}

/// How a property's value differs. Of long lists, as `features` is one, only what the other lacks is named.
std::string difference(const std::string& key, const std::string& value, const std::string& here) {
  const std::vector<std::string> then = words_of(value), now = words_of(here);
  if (std::max(then.size(), now.size()) <= kMostWords)
    return fmt::format("its {} is \"{}\", here it is \"{}\"", key, value, here);
  const std::string gone = words_without(then, now), added = words_without(now, then);
  if (gone.empty() && added.empty()) return fmt::format("its {} stand in another order", key);
  return fmt::format("its {} {}{}{}", key, gone.empty() ? "" : fmt::format("have {}, unknown here", gone),
                     gone.empty() || added.empty() ? "" : ", and ", added.empty() ? "" : "lack " + added);
}

}  // namespace

std::string describe(const TableDevice& device) {
  std::string text = device.backend;
  if (!device.isa.empty()) text += " with " + device.isa;
  for (const auto& [key, value] : device.properties)
    if (key == "model" || key == "name") text += ", " + value;
  return text;
}

std::string why_not_for(const TableDevice& device, const TableTarget& target) {
  const bool has_isa = std::find(target.isa.begin(), target.isa.end(), device.isa) != target.isa.end();
  if (device.backend != target.backend || (!device.isa.empty() && !has_isa))
    return fmt::format("is of another device: {}, not {}", describe(device), target.name);
  std::string expired;
  for (const auto& [key, value] : device.properties) {
    const auto same = std::find_if(target.properties.begin(), target.properties.end(),
                                   [key = key](const auto& property) { return property.first == key; });
    if (same != target.properties.end() && same->second == value) continue;
    const std::string what = same == target.properties.end()
                                 ? fmt::format("its {} is \"{}\", here none is known", key, value)
                                 : difference(key, value, same->second);
    if (is_of_device(key)) return "is of another device: " + what;
    if (expired.empty()) expired = (key == kThreadsUsed ? "is for other threads: " : "has expired: ") + what;
  }
  if (expired.empty() && device.method != 0 && device.method != target.method)
    expired = fmt::format("has expired: it was measured by method {}, this is method {}", device.method, target.method);
  return expired;
}

DispatchTable parse_table(const std::string& text, const std::string& file) {
  const Json parsed = parse_json(text, file);
  const JsonReader json(parsed, file);
  json.only_keys({"schema", "made_by", "devices"});
  if (const int64_t schema = json.at("schema").integer(); schema != kTableSchema)
    json.at("schema").error(fmt::format("this assay reads schema {}, not {}", kTableSchema, schema));
  DispatchTable table{file, json.string_or("made_by", ""), {}};
  for (const JsonReader& item : json.at("devices").items()) {
    TableDevice device = read_device(item);
    for (size_t i = 0; i < table.devices.size(); ++i)
      if (const TableDevice& other = table.devices[i]; std::tie(other.backend, other.isa, other.properties) ==
                                                       std::tie(device.backend, device.isa, device.properties))
        item.error(fmt::format("section {} is for the same device ({}); keep one of them", i, describe(other)));
    table.devices.push_back(std::move(device));
  }
  return table;
}

DispatchTable load_table(const std::filesystem::path& file) { return parse_table(read_file(file), file.string()); }

std::string table_text(const DispatchTable& table) {
  Json json = {{"schema", kTableSchema}, {"made_by", table.made_by}, {"devices", Json::array()}};
  for (const TableDevice& device : table.devices) {
    Json to = {{"backend", device.backend}};
    if (!device.isa.empty()) to["isa"] = device.isa;
    for (const auto& [key, value] : device.properties) to["properties"][key] = value;
    if (device.method) to["method"] = device.method;
    to["entries"] = Json::array();
    for (const TableEntry& entry : device.entries) {
      Json e = {{"bucket", entry.bucket.line()}, {"variant", entry.variant}};
      if (!entry.storage.empty()) e["storage"] = entry.storage;
      e["accuracy"] = accuracy_name(entry.accuracy);
      if (!entry.fallback.empty()) e["fallback"] = entry.fallback;
      const TableEvidence& evidence = entry.evidence;
      if (!evidence.result.empty())
        e["evidence"] = {{"result", evidence.result},
                         {"us", evidence.us},
                         {"margin_percent", evidence.margin_percent},
                         {"ties", evidence.ties}};
      if (!entry.source.empty()) e["source"] = entry.source;
      to["entries"].push_back(std::move(e));
    }
    for (const TableStep& step : device.steps) to["steps"].push_back(to_json(step));
    json["devices"].push_back(std::move(to));
  }
  return json.dump(1) + "\n";
}

const TableDevice& DispatchTable::device_for(const TableTarget& target) const {
  const TableDevice* best = nullptr;
  std::pair<bool, int64_t> best_rank;
  std::vector<std::string> all;
  std::string nearest;  // of this backend: why it does not hold
  for (const TableDevice& device : devices) {
    all.push_back(describe(device));
    if (const std::string why_not = why_not_for(device, target); !why_not.empty()) {
      const bool is_near = !device.properties.empty() || !why_not.starts_with("is of another device");
      if (device.backend == target.backend && is_near &&
          (nearest.empty() || nearest.starts_with("is of another device")))
        nearest = why_not;
      continue;
    }
    const auto isa = std::find(target.isa.begin(), target.isa.end(), device.isa);
    const std::pair rank(!device.properties.empty(), device.isa.empty() ? -1 : isa - target.isa.begin());
    if (best && rank <= best_rank) continue;
    best = &device, best_rank = rank;
  }
  if (best) return *best;
  constexpr const char* kInstead = "make one with assay tune, or leave --table out";
  if (!nearest.empty()) fail("{}: {}; {}", file, nearest, kInstead);
  fail("{}: is a table for {}, not for {}; {}", file, all.empty() ? "no device" : joined(all, "; "), target.name,
       kInstead);
}

const TableEntry* find_entry(const TableDevice& device, const SpecFields& math) {
  const auto found = std::find_if(device.entries.begin(), device.entries.end(),
                                  [&](const TableEntry& entry) { return entry.bucket.matches(math); });
  return found == device.entries.end() ? nullptr : &*found;
}

}  // namespace assay

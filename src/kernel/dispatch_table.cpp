// The dispatch table: reading it strictly, writing it, and the device that its entries are for.
#include "kernel/dispatch_table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kTableSchema = 1;

TableEvidence read_evidence(const JsonReader& json) {
  json.only_keys({"result", "margin_percent", "ties"});
  TableEvidence evidence;
  evidence.result = json.string_or("result", "");
  if (json.has("margin_percent")) evidence.margin_percent = json.at("margin_percent").number();
  if (json.has("ties")) evidence.ties = json.at("ties").strings();
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
  if (json.has("fallback")) entry.fallback = json.at("fallback").strings();
  if (json.has("evidence")) entry.evidence = read_evidence(json.at("evidence"));
  return entry;
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
  json.only_keys({"backend", "isa", "properties", "method", "entries"});
  TableDevice device;
  device.backend = json.at("backend").string();
  device.isa = json.string_or("isa", "");
  if (json.has("properties"))
    for (const auto& [key, value] : json.at("properties").members())
      device.properties.emplace_back(key, value.string());
  if (json.has("method")) device.method = json.at("method").integer();
  std::map<std::string, size_t> buckets;
  for (const JsonReader& item : json.at("entries").items()) {
    TableEntry entry = read_entry(item);
    const auto [first, is_new] = buckets.emplace(entry.bucket.line(), device.entries.size());
    if (!is_new)
      item.error(
          fmt::format("entry {} is for the same bucket ({}); keep one of them", first->second, entry.bucket.line()));
    device.entries.push_back(std::move(entry));
  }
  refuse_mixed_classes(json.at("entries"), device);
  return device;
}

std::string describe(const TableDevice& device) {
  std::string text = device.backend;
  if (!device.isa.empty()) text += " with " + device.isa;
  for (const auto& [key, value] : device.properties)
    if (key == "model" || key == "name") text += ", " + value;
  return text;
}

/// Why the target is not the device whose properties stand there; "" if it is.
std::string difference(const TableDevice& device, const TableTarget& target) {
  for (const auto& [key, value] : device.properties) {
    const auto same = std::find_if(target.properties.begin(), target.properties.end(),
                                   [key = key](const auto& property) { return property.first == key; });
    if (same == target.properties.end()) return fmt::format("its {} is \"{}\", here none is known", key, value);
    if (same->second != value) return fmt::format("its {} is \"{}\", here it is \"{}\"", key, value, same->second);
  }
  if (device.method != 0 && device.method != target.method)
    return fmt::format("it was measured by method {}, this is method {}", device.method, target.method);
  return "";
}

}  // namespace

DispatchTable parse_table(const std::string& text, const std::string& file) {
  const Json parsed = parse_json(text, file);
  const JsonReader json(parsed, file);
  json.only_keys({"schema", "made_by", "devices"});
  if (const int64_t schema = json.at("schema").integer(); schema != kTableSchema)
    json.at("schema").error(fmt::format("this assay reads schema {}, not {}", kTableSchema, schema));
  DispatchTable table{file, json.string_or("made_by", ""), {}};
  for (const JsonReader& device : json.at("devices").items()) table.devices.push_back(read_device(device));
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
        e["evidence"] = {
            {"result", evidence.result}, {"margin_percent", evidence.margin_percent}, {"ties", evidence.ties}};
      if (!entry.source.empty()) e["source"] = entry.source;
      to["entries"].push_back(std::move(e));
    }
    json["devices"].push_back(std::move(to));
  }
  return json.dump(1) + "\n";
}

const TableDevice& DispatchTable::device_for(const TableTarget& target) const {
  const TableDevice* best = nullptr;
  std::pair<bool, int64_t> best_rank;
  std::vector<std::string> all, expired;
  for (const TableDevice& device : devices) {
    all.push_back(describe(device));
    const auto isa = std::find(target.isa.begin(), target.isa.end(), device.isa);
    if (device.backend != target.backend || (!device.isa.empty() && isa == target.isa.end())) continue;
    if (const std::string what = difference(device, target); !what.empty()) {
      expired.push_back(what);
      continue;
    }
    const std::pair rank(!device.properties.empty(), device.isa.empty() ? -1 : isa - target.isa.begin());
    if (best && rank <= best_rank) continue;
    best = &device, best_rank = rank;
  }
  if (best) return *best;
  if (!expired.empty())
    fail("{}: its table for {} does not hold here: {}; make one with assay tune, or leave --table out", file,
         target.backend, expired.front());
  fail("{}: is a table for {}, not for {}; make one with assay tune, or leave --table out", file,
       all.empty() ? "no device" : fmt::format("{}", fmt::join(all, "; ")), target.name);
}

const TableEntry* find_entry(const TableDevice& device, const SpecFields& math) {
  const auto found = std::find_if(device.entries.begin(), device.entries.end(),
                                  [&](const TableEntry& entry) { return entry.bucket.matches(math); });
  return found == device.entries.end() ? nullptr : &*found;
}

const Variant& find_variant(const std::vector<const Variant*>& variants, const std::string& id,
                            const std::string& where) {
  std::vector<std::string> names;
  std::set<std::string> families;
  for (const Variant* variant : variants) {
    if (variant->id() == id) return *variant;
    names.push_back(variant->id());
    if (variant->role == Role::kernel) families.insert(variant->family);
  }
  const std::string family = id.substr(0, id.find('/'));
  if (families.count(family)) {
    std::erase_if(names, [&](const std::string& name) { return !name.starts_with(family + "/"); });
    if (names.size() > 12) names.resize(12), names.emplace_back("…");
    fail("{}: there is no variant {}; {} has {}", where, id, family, fmt::join(names, ", "));
  }
  fail("{}: there is no variant {}{}; families are {}", where, id, did_you_mean(id, names), fmt::join(families, ", "));
}

void check_entries(const DispatchTable& table, const TableDevice& device, const std::vector<const Variant*>& variants,
                   const std::function<std::string(const Variant&)>& source_of) {
  for (const TableEntry& entry : device.entries) {
    const std::string where = fmt::format("{}: entry for {}", table.file, entry.bucket.line());
    const Variant& variant = find_variant(variants, entry.variant, where);
    for (const std::string& other : entry.fallback) find_variant(variants, other, where);
    if (!variant.supports.op.empty() && !variant.supports.is_of(*find_op(entry.bucket.op())))
      fail("{}: {} does not compute {}", where, entry.variant, entry.bucket.op());
    if (variant.accuracy != entry.accuracy)
      fail("{}: {} is of class {}, the entry says {}", where, entry.variant, accuracy_name(variant.accuracy),
           accuracy_name(entry.accuracy));
    if (variant.storage != entry.storage)
      fail("{}: {} reads weights stored as \"{}\", the entry says \"{}\"", where, entry.variant, variant.storage,
           entry.storage);
    if (!entry.source.empty() && source_of && source_of(variant) != entry.source)
      fail("{}: {} was measured with another source; run assay tune again", where, entry.variant);
  }
}

}  // namespace assay

// Devices as JSON files, read strictly, and written.
#include "backend/described_device.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"

namespace assay {
namespace {

using Limit = std::pair<const char*, int64_t DeviceLimits::*>;
constexpr Limit kLimits[] = {
    {"shared_bytes", &DeviceLimits::shared_bytes},       {"block_threads", &DeviceLimits::block_threads},
    {"block_registers", &DeviceLimits::block_registers}, {"cluster_blocks", &DeviceLimits::cluster_blocks},
    {"processors", &DeviceLimits::processors},           {"l2_bytes", &DeviceLimits::l2_bytes},
};

int64_t read_positive(const JsonReader& json) {
  const int64_t value = json.integer();
  if (value < 0) json.error("must not be negative");
  return value;
}

std::vector<std::pair<std::string, std::string>> read_pairs(const JsonReader& json) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : json.members()) pairs.emplace_back(name, value.string());
  return pairs;
}

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json json = Json::object();
  for (const auto& [name, value] : pairs) json[name] = value;
  return json;
}

}  // namespace

DeviceInfo parse_device(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonReader in(json, file);
  in.only_keys({"id", "backend", "name", "kind", "properties", "isa", "vendors", "limits", "arch", "one_worker",
                "launches_per_sample", "threads", "memory_bytes"});
  DeviceInfo info;
  info.id = in.at("id").string();
  info.backend = in.at("backend").string();
  info.name = in.string_or("name", info.id);
  info.kind = in.string_or("kind", "");
  info.memory_bytes = read_positive(in.at("memory_bytes"));
  if (in.has("properties")) info.properties = read_pairs(in.at("properties"));
  if (in.has("vendors")) info.vendors = read_pairs(in.at("vendors"));
  for (const JsonReader& level : in.at("isa").items()) {
    level.only_keys({"name", "flags"});
    info.isa.push_back({level.at("name").string(), level.at("flags").strings()});
  }
  if (info.isa.empty()) in.at("isa").error("must name at least one level");
  info.one_worker = in.boolean_or("one_worker", false);
  if (in.has("arch")) info.limits.arch = int(std::min<int64_t>(read_positive(in.at("arch")), 10000));
  if (in.has("threads")) info.threads = int(std::clamp<int64_t>(in.at("threads").integer(), 1, 1 << 16));
  if (in.has("launches_per_sample"))
    info.launches_per_sample = int(std::clamp<int64_t>(in.at("launches_per_sample").integer(), 1, 1 << 16));
  if (in.has("limits")) {
    std::vector<std::string> known;
    for (const auto& [name, member] : kLimits) known.emplace_back(name);
    in.at("limits").only_keys(known);
    for (const auto& [name, member] : kLimits)
      if (in.at("limits").has(name)) info.limits.*member = read_positive(in.at("limits").at(name));
  }
  return info;
}

DeviceInfo load_device(const std::filesystem::path& file) { return parse_device(read_file(file), file.string()); }

std::string device_json(const DeviceInfo& info) {
  Json json = {{"id", info.id},
               {"backend", info.backend},
               {"name", info.name},
               {"kind", info.kind},
               {"memory_bytes", info.memory_bytes}};
  json["properties"] = pairs_json(info.properties);
  json["vendors"] = pairs_json(info.vendors);
  json["isa"] = Json::array();
  for (const IsaLevel& level : info.isa) json["isa"].push_back({{"name", level.name}, {"flags", level.flags}});
  json["arch"] = info.limits.arch;
  json["threads"] = info.threads;
  json["one_worker"] = info.one_worker;
  json["launches_per_sample"] = info.launches_per_sample;
  for (const auto& [name, member] : kLimits) json["limits"][name] = info.limits.*member;
  return json.dump(2) + "\n";
}

}  // namespace assay

// Where dispatch tables lie.
#include "cli/table_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/private_folder.h"
#include "engine/kernel_choice.h"
#include "measure/case_key.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

/// Newest first.
std::vector<fs::path> own_tables() {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator at(tables_folder(), error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    std::error_code ignored;
    if (at->path().extension() == ".json") found.emplace_back(fs::last_write_time(at->path(), ignored), at->path());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> files;
  for (auto& [time, file] : found) files.push_back(std::move(file));
  return files;
}

/// What an error says of a table, without its name and without what to do about it.
PassedOver passed_over(const std::string& file, std::string why) {
  if (why.starts_with(file + ": ")) why.erase(0, file.size() + 2);
  if (const size_t advice = why.rfind("; make one with assay tune"); advice != std::string::npos) why.erase(advice);
  return {file, why, why.starts_with("is of another device") || why.starts_with("is a table for")};
}

}  // namespace

std::string why_not_taken(const fs::path& file) {
  std::error_code ignored;
  if (!fs::equivalent(fs::absolute(file, ignored).parent_path(), tables_folder(), ignored)) return "";
  return why_not_trusted(file);
}

const PassedOver* ChosenTable::to_be_told() const {
  for (const PassedOver& newer : passed_over)
    if (!newer.of_another_device) return &newer;
  return is_shipped && !passed_over.empty() ? &passed_over.front() : nullptr;
}

std::string ChosenTable::text() const {
  return fmt::format("{} ({}, {} entries{})", table.file, describe(*entries), entries->entries.size(),
                     is_shipped ? ", shipped" : "");
}

fs::path tables_folder() { return state_folder() / "tables"; }
fs::path shipped_table(const DeviceInfo& device) { return project_folder("tables") / (device.backend + ".json"); }

std::vector<std::pair<std::string, std::string>> table_properties(const DeviceInfo& device) {
  std::vector<std::pair<std::string, std::string>> properties = table_target(device, kMethodVersion).properties;
  std::erase_if(properties, [](const auto& p) { return p.first == "threads" || p.first == "affinity"; });
  return properties;
}

fs::path own_table(const DeviceInfo& device) {
  std::string identity;
  for (const auto& [key, value] : table_properties(device))
    if (key != kThreadsUsed) identity += key + ": " + value + "\n";
  return tables_folder() / fmt::format("{}-{}.json", device.backend, hash_hex(identity).substr(0, 12));
}

SourceOf sources_for(const DeviceInfo& device, const BuildCache& cache) {
  return [&device, &cache](const Variant& variant) {
    const IsaLevel* isa = choose_isa(variant, device);
    return isa ? cache.key(variant, *isa).hash : std::string();
  };
}

ChosenTable choose_table(const std::string& asked, const DeviceInfo& device,
                         const std::vector<const Variant*>& variants, const BuildCache& cache) {
  const TableTarget target = table_target(device, kMethodVersion);
  const auto opened = [&](const fs::path& file) {
    ChosenTable chosen{load_table(file), nullptr, false, {}};
    chosen.entries = &chosen.table.device_for(target);
    check_entries(chosen.table, *chosen.entries, variants, sources_for(device, cache));
    return chosen;
  };
  if (!asked.empty()) return opened(asked);
  std::vector<PassedOver> newer;
  for (const fs::path& file : own_tables()) try {
      if (const std::string why = why_not_taken(file); !why.empty()) fail("{}: {}", file.string(), why);
      ChosenTable chosen = opened(file);
      chosen.passed_over = std::move(newer);
      return chosen;
    } catch (const Error& e) {
      newer.push_back(passed_over(file.string(), e.what()));
    }
  ChosenTable chosen = opened(shipped_table(device));
  chosen.is_shipped = true;
  chosen.passed_over = std::move(newer);
  return chosen;
}

}  // namespace assay

// What a result's identity is made of.
#include "measure/case_key.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <map>

#include "base/hash.h"
#include "base/joined.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

std::string library_version(const std::string& library) {
  static std::map<std::string, std::string> known;
  if (const auto found = known.find(library); found != known.end()) return found->second;
  std::string& version = known[library];
  std::error_code ignored;
  std::vector<fs::path> folders{"/usr/local/lib", "/usr/lib", "/lib", "/usr/lib64"};
  for (const auto& entry : fs::directory_iterator("/usr/lib", ignored))
    if (entry.path().filename().string().find("-linux-") != std::string::npos) folders.push_back(entry.path());
  for (const fs::path& folder : folders) {
    const fs::path file = fs::canonical(folder / ("lib" + library + ".so"), ignored);
    if (ignored) continue;
    version = fmt::format("{} ({} bytes)", file.filename().string(), fs::file_size(file, ignored));
    return version;
  }
  return version = "lib" + library + " not found";
}

}  // namespace

std::string library_versions(const Variant& variant) {
  std::string text;
  for (const std::string& flag : variant.link_flags)
    if (flag.rfind("-l", 0) == 0) text += (text.empty() ? "" : ", ") + library_version(flag.substr(2));
  return text;
}

namespace {

/// The library that is the kernel, and its version on this device.
std::string vendor_version(const Variant& variant, const DeviceInfo& device) {
  for (const auto& [name, version] : device.vendors)
    if (name == variant.vendor) return name + " " + version;
  return "";
}

std::string geometry_text(const Geometry& g) {
  return fmt::format("launch: grid {} block {} cluster {}{} shared {} workspace {} prepared {} by {} {}\n",
                     joined(g.grid, ","), joined(g.block, ","), g.cluster, g.cooperative ? " cooperative" : "",
                     g.shared_bytes, g.workspace_bytes, g.prepared_bytes, joined(g.prepare_grid, ","),
                     joined(g.prepare_block, ","));
}

}  // namespace

CaseKey case_key(const Spec& spec, const Variant& variant, const BuildKey& build, const DeviceInfo& device, Mode mode,
                 int64_t given_footprint) {
  CaseKey key;
  key.text = fmt::format("method: {}\nschema: {}\nmode: {}\nspec: {}\nvariant: {}\nlibraries: {}\n", kMethodVersion,
                         kStoreSchema, mode_name(mode), spec.math_line(), variant.id(), library_versions(variant));
  constexpr const char* kThreadings[] = {"team", "region", "own"};
  key.text += fmt::format("threads: {}\nprepare: {}\naccuracy: {}\n", kThreadings[size_t(variant.threading)],
                          variant.keeps_b    ? "with_b"
                          : variant.prepares ? "true"
                                             : "false",
                          accuracy_name(variant.accuracy));
  if (!variant.supports.strides) key.text += "strides: dense\n";
  if (!variant.vendor.empty()) key.text += "vendor: " + vendor_version(variant, device) + "\n";
  if (variant.launch) key.text += geometry_text(variant.geometry(launch_sizes(*spec.op, spec.tensors, device)));
  if (given_footprint > 0) key.text += fmt::format("footprint: {}\n", given_footprint);
  if (variant.timer_scale != 1) key.text += fmt::format("timer scale: {}\n", variant.timer_scale);
  if (!variant.entry.empty()) key.text += fmt::format("entry: {}\n", variant.entry);
  key.text += "-- build --\n" + build.text + "-- device --\n" + device.identity();
  key.hash = hash_hex(key.text);
  return key;
}

CaseRecord empty_record(const CaseKey& key, const Spec& spec, const Variant& variant, const DeviceInfo& device,
                        Mode mode) {
  CaseRecord record;
  record.key = key.hash;
  record.key_text = key.text;
  record.spec_line = spec.line();
  record.math_line = spec.math_line();
  record.completion = spec.completion;
  record.variant = variant.id();
  record.accuracy = variant.accuracy;
  record.device = device.id;
  record.mode = std::string(mode_name(mode));
  record.flops = spec.flops;
  record.measured_at = std::time(nullptr);
  return record;
}

}  // namespace assay

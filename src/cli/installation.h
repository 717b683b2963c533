// Where this program's files are, which backends it has, and the pieces that every measuring subcommand opens alike.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/device.h"
#include "kernel/build_cache.h"
#include "kernel/manifest.h"
#include "measure/ceilings.h"

namespace assay {

/// A folder of this project ("kernels", "specs", "tests/mutants"): beside the program's build folder, or where it was
/// built from.
std::filesystem::path project_folder(const std::string& name);

/// The files of this project that some command reads, each with what it is; none where they are not to be found.
std::vector<std::pair<std::string, std::filesystem::path>> shipped_files();

/// Every backend that this program was built with: one line each.
std::vector<std::unique_ptr<Backend>> make_backends();
/// Those that it was built without, and why.
std::vector<std::pair<std::string, std::string>> backends_not_built();

/// The device named "cpu" or "cpu:0" and its backend, or the one that a .json file describes. Error with the names
/// there are.
struct OpenedDevice {
  const Backend* backend = nullptr;
  DeviceInfo info;
  bool described = false;  // it is not here: planning and building only
};
OpenedDevice find_device(const std::vector<std::unique_ptr<Backend>>& backends, const std::string& name, int threads);

/// The shipped manifest of a backend and those of further folders. Error if a variant id occurs twice.
std::vector<Manifest> load_manifests(const Backend& backend, const std::vector<std::string>& folders);
std::vector<const Variant*> all_variants(const std::vector<Manifest>& manifests);

/// Modules beside the program where that can be written and code there runs, else in the user's cache folder.
BuildCache open_build_cache(const Backend& backend);

/// "key: value" lines: program, commit, compiler, system, device. Kept with every result.
std::string describe_environment(const Backend& backend, const DeviceInfo& device);

std::filesystem::path default_store();

/// The same file. Error if it is the default one and its folder is not this user's own.
std::filesystem::path checked_store(const std::filesystem::path& file);

/// What the store knows that this device reaches; measured now, in seconds, where it knows nothing or `again`. Notes go
/// to stderr.
Ceilings device_ceilings(const Backend& backend, const DeviceInfo& device, Store& store, bool again = false);
/// The same where the store knows them; nothing is measured.
std::optional<Ceilings> known_device_ceilings(const Backend& backend, const DeviceInfo& device, Store& store);

}  // namespace assay

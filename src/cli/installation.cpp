// Where this program's files are, which backends it has, and the pieces that every measuring subcommand opens alike.
#include "cli/installation.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <map>

#include "backend/cpu/cpu_backend.h"
#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "backend/described_device.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/private_folder.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "cli/version.h"
#include "probe/sweep.h"

namespace assay {
namespace fs = std::filesystem;

namespace {
fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(".") : program.parent_path();
}
}  // namespace

fs::path project_folder(const std::string& name) {
  std::error_code ignored;
  for (const fs::path& base : {program_folder().parent_path(), fs::path(ASSAY_SOURCE_DIR)})
    if (fs::is_directory(base / name, ignored)) return base / name;
  fail("the folder {} is neither beside {} nor in {}; run assay from the checkout that built it", name,
       program_folder().string(), ASSAY_SOURCE_DIR);
}

std::vector<std::pair<std::string, fs::path>> shipped_files() {
  std::vector<std::pair<std::string, fs::path>> files;
  for (const auto& [folder, what] :
       {std::pair("kernels", "the shipped kernel"), std::pair("specs", "the shipped workload"),
        std::pair("tables", "the shipped table")})
    try {
      std::error_code error;
      fs::recursive_directory_iterator at(project_folder(folder), error);
      for (; !error && at != fs::recursive_directory_iterator(); at.increment(error))
        if (std::error_code ignored; at->is_regular_file(ignored)) files.emplace_back(what, at->path());
    } catch (const Error&) {  // a program that was taken from its checkout: whoever needs them says so
    }
  return files;
}

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend());
#ifdef ASSAY_HAS_CUDA
  backends.push_back(make_cuda_backend());
#endif
  return backends;
}

std::vector<std::pair<std::string, std::string>> backends_not_built() {
#ifdef ASSAY_HAS_CUDA
  return {};
#else
  return {{"cuda",
           "this assay was built without it; install a CUDA toolkit (cuda.h, nvrtc.h, cublasLt.h) and build again"}};
#endif
}

namespace {
OpenedDevice find_described(const std::vector<std::unique_ptr<Backend>>& backends, const std::string& file) {
  DeviceInfo info = load_device(file);
  std::vector<std::string> known;
  for (const auto& backend : backends) {
    known.push_back(backend->name());
    if (backend->name() == info.backend) return {backend.get(), std::move(info), true};
  }
  for (const auto& [backend, why] : backends_not_built())
    if (backend == info.backend) fail("{}: describes a device of backend {}: {}", file, backend, why);
  fail("{}: describes a device of backend {}, this assay has {}{}", file, info.backend, joined(known, ", "),
       did_you_mean(info.backend, known));
}
}  // namespace

OpenedDevice find_device(const std::vector<std::unique_ptr<Backend>>& backends, const std::string& name, int threads) {
  if (name.ends_with(".json")) return find_described(backends, name);
  std::vector<std::string> known;
  std::string missing;
  for (const auto& backend : backends) {
    if (name == backend->name() || name.starts_with(backend->name() + ":")) missing = backend->missing();
    const std::vector<DeviceInfo> devices = backend->devices();
    if (name == backend->name() && devices.size() > 1)
      fail("--device {}: there are {}, {}:0 to {}; name one", name, devices.size(), name, devices.back().id);
    for (DeviceInfo info : devices) {
      known.push_back(info.id);
      if (name != info.id && name != info.backend) continue;
      if (threads < 0 || threads > info.threads) fail("--threads {}: {} has 1 to {}", threads, info.id, info.threads);
      if (threads > 0 && threads != info.threads) {
        info.threads = threads;
        info.properties.emplace_back("threads used", std::to_string(threads));
      }
      return {backend.get(), std::move(info)};
    }
  }
  for (const auto& [backend, why] : backends_not_built())
    if (name == backend || name.starts_with(backend + ":")) missing = why;
  if (!missing.empty()) fail("--device {}: {}", name, missing);
  std::string list;
  for (const std::string& id : known) list += (list.empty() ? "" : ", ") + id;
  fail("--device {}: not here; there is {}{}", name, list, did_you_mean(name, known));
}

std::vector<Manifest> load_manifests(const Backend& backend, const std::vector<std::string>& folders) {
  std::vector<Manifest> manifests;
  manifests.push_back(load_manifest(project_folder("kernels") / backend.name()));
  for (const std::string& folder : folders) manifests.push_back(load_manifest(fs::absolute(folder)));
  std::map<std::string, std::string> ids;
  for (const Manifest& manifest : manifests) {
    if (manifest.backend != backend.name())
      fail("{}: its kernels are for backend {}, this device is of {}", manifest.file.string(), manifest.backend,
           backend.name());
    for (const Variant& variant : manifest.variants) {
      if (variant.role == Role::ceiling && &manifest != &manifests.front())
        fail(
            "{}: {} has the role ceiling, by which all other kernels are judged: only assay's own have; leave \"role\" "
            "out",
            manifest.file.string(), variant.id());
      if (const auto [first, is_new] = ids.emplace(variant.id(), manifest.file.string()); !is_new)
        fail("{}: the variant {} is already in {}; choose another family name", manifest.file.string(), variant.id(),
             first->second);
    }
  }
  return manifests;
}

std::vector<const Variant*> all_variants(const std::vector<Manifest>& manifests) {
  std::vector<const Variant*> variants;
  for (const Manifest& manifest : manifests)
    for (const Variant& variant : manifest.variants) variants.push_back(&variant);
  return variants;
}

BuildCache open_build_cache(const Backend& backend) {
  const fs::path beside = program_folder() / "kernels";
  std::error_code ignored;
  fs::create_directories(beside, ignored);
  std::vector<fs::path> folders;
  const bool runs = !is_mounted_noexec(beside);
  if (runs) folders.push_back(beside);
  std::string why_not;
  if (!runs || access(beside.c_str(), W_OK) != 0) {
    try {
      make_own_folder(cache_folder());
      folders.push_back(cache_folder() / "kernels");
    } catch (const Error& e) {  // without a place for new modules those that are there run all the same
      if (!runs || fs::exists(fs::symlink_status(cache_folder(), ignored))) throw;
      why_not = e.what();
    }
  }
  return BuildCache(backend.compiler(), folders, project_folder("kernels") / backend.name(), why_not);
}

std::string describe_environment(const Backend& backend, const DeviceInfo& device) {
  utsname system;
  uname(&system);
  return fmt::format("assay: {} ({})\ncompiler: {}\nsystem: {} {} {}\n{}", program_version(), program_commit(),
                     backend.compiler().version, system.sysname, system.release, system.machine, device.identity());
}

fs::path default_store() { return state_folder() / "results.sqlite"; }

fs::path checked_store(const fs::path& file) {
  if (file == default_store()) make_own_folder(state_folder());
  return file;
}

namespace {
/// What `ask` gets from a sweep of this device that has no cases.
template <typename Ask>
auto ask_sweep(const Backend& backend, const DeviceInfo& device, Store& store, Ask ask) {
  const std::vector<Manifest> manifests = load_manifests(backend, {});
  BuildCache cache = open_build_cache(backend);
  SweepOptions options;
  options.environment = describe_environment(backend, device);
  SweepEvents events;
  events.note = [](const std::string& line) { remark("{}\n", line); };
  Sweep sweep(backend, device, all_variants(manifests), Plan{}, cache, store, options, events);
  return ask(sweep);
}
}  // namespace

Ceilings device_ceilings(const Backend& backend, const DeviceInfo& device, Store& store, bool again) {
  return ask_sweep(backend, device, store, [&](Sweep& sweep) { return sweep.ceilings(again); });
}

std::optional<Ceilings> known_device_ceilings(const Backend& backend, const DeviceInfo& device, Store& store) {
  return ask_sweep(backend, device, store, [](Sweep& sweep) {
    const Ceilings* known = sweep.known_ceilings();
    return known ? std::optional(*known) : std::nullopt;
  });
}

}  // namespace assay

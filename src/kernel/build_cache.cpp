// The cache of kernel modules: keys, look-up, and compiling several at once into place.
#include "kernel/build_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/private_folder.h"
#include "kernel/working_folder.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr double kStoppedEveryS = 0.1;

std::vector<std::string> flags_of(const Compiler& compiler, const Variant& variant, const IsaLevel& isa) {
  std::vector<std::string> flags = compiler.module_flags;
  flags.insert(flags.end(), isa.flags.begin(), isa.flags.end());
  flags.insert(flags.end(), variant.compile_flags.begin(), variant.compile_flags.end());
  return flags;
}

/// What the names of a request's modules begin with. One that has several families' kernels is named after its source.
std::string module_start(const BuildRequest& request) {
  const Variant& variant = *request.variant;
  return fmt::format("{}-{}-", variant.entry.empty() ? variant.family : variant.source.stem().string(),
                     request.isa->name);
}

std::string module_name(const BuildRequest& request, const BuildKey& key) {
  return module_start(request) + key.hash.substr(0, 16);
}

fs::path rule_file(const fs::path& partial) { return fs::path(partial).replace_extension(".d"); }

fs::path key_file(const fs::path& module) { return fs::path(module).replace_extension(".key"); }

bool is_module(const fs::path& path, const Compiler& compiler) {
  std::error_code ignored;
  return path.extension() == compiler.module_extension && fs::is_regular_file(path, ignored) && is_trusted_file(path) &&
         is_trusted_file(key_file(path));
}

bool is_named_after(const fs::path& module, const BuildRequest& request) {
  const std::string start = module_start(request);
  return module.filename().string().compare(0, start.size(), start) == 0;
}

std::string without_compiler(const std::string& text) {
  const size_t line = text.find("\ncompiler: ");
  return line == std::string::npos ? text : text.substr(0, line) + text.substr(text.find('\n', line + 1));
}

void make_writable(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && access(folder.c_str(), W_OK | X_OK) == 0) return;
  fail("{}: kernels cannot be built here ({}); set XDG_CACHE_HOME to a folder that can be written", folder.string(),
       error ? error.message() : std::strerror(errno));
}

// The module must be on disk before the key that vouches for it, and no stranger may write it, whatever the umask.
void settle(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (struct stat made{}; descriptor >= 0 && fstat(descriptor, &made) == 0)
    fchmod(descriptor, made.st_mode & 07777 & ~(S_IWGRP | S_IWOTH));
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) close(descriptor);
  if (!synced) fail("{}: cannot be written to disk ({})", file.string(), std::strerror(why));
}

}  // namespace

struct BuildCache::Job {
  BuildRequest request;
  BuildKey key;
  std::string source_hash;
  fs::path module;
  fs::path partial;               // where the compiler writes
  std::vector<size_t> wanted_by;  // indices of the requests
};

BuildCache::BuildCache(Compiler compiler, std::vector<fs::path> folders, fs::path include_folder, std::string why_not)
    : compiler_(std::move(compiler)),
      folders_(std::move(folders)),
      include_folder_(std::move(include_folder)),
      why_not_(std::move(why_not)) {
  ASSAY_CHECK(!folders_.empty());
}

/// In the order in which the compiler looks.
std::vector<fs::path> BuildCache::include_folders(const Variant& variant) const {
  std::vector<fs::path> folders;
  for (const std::string& flag : variant.compile_flags)
    if (flag.size() > 2 && flag.compare(0, 2, "-I") == 0) folders.emplace_back(flag.substr(2));
  folders.insert(folders.end(), {variant.source.parent_path(), include_folder_});
  if (compiler_.lists_reads)
    for (const char* name : {"CPATH", "CPLUS_INCLUDE_PATH"})
      for (const fs::path& folder : folders_of_variable(name)) folders.push_back(folder);
  if (const Library* library = compiler_.library(variant.library))
    folders.insert(folders.end(), library->include_folders.begin(), library->include_folders.end());
  return folders;
}

const SourceHash& BuildCache::source_hash(const Variant& variant) const {
  const std::vector<fs::path> folders = include_folders(variant);
  std::string id = variant.source.string();
  for (const fs::path& folder : folders) id += '\n' + folder.string();
  const auto known = source_hashes_.find(id);
  if (known != source_hashes_.end()) return known->second;
  return source_hashes_.emplace(id, hash_source(variant.source, folders)).first->second;
}

std::string BuildCache::further_inputs(const Variant& variant, const IsaLevel& isa) const {
  std::vector<std::string> flags = variant.compile_flags;
  flags.insert(flags.end(), variant.link_flags.begin(), variant.link_flags.end());
  std::string text = further_inputs_.of_flags(flags);
  const SourceHash& source = source_hash(variant);
  if (!source.unclear && !(compiler_.lists_reads && FurtherInputs::bring_sources(variant.compile_flags))) return text;
  const std::vector<fs::path> folders = include_folders(variant);
  return text + further_inputs_.listed(compiler_, compiling(variant, isa, source.hash, {}), source, folders);
}

BuildKey BuildCache::key(const Variant& variant, const IsaLevel& isa) const {
  std::vector<std::string> defines;
  for (const auto& [name, value] : variant.parameters) defines.push_back(fmt::format("{}={}", name, value));
  BuildKey key;
  if (!variant.vendor.empty()) {
    key.text = fmt::format("vendor: {}\nparameters: {}\n", variant.vendor, Json(defines).dump());
    key.hash = hash_hex(key.text);
    return key;
  }
  const SourceHash& source = source_hash(variant);
  key.text = fmt::format(
      "abi version: {}\n{}source hash: {}\n{}defines: {}\nflags: {}\nisa: {}\ncompiler: {}\nlink flags: {}\n",
      compiler_.abi_version, source.text, source.hash, further_inputs(variant, isa), Json(defines).dump(),
      Json(flags_of(compiler_, variant, isa)).dump(), isa.name, compiler_.version.empty() ? "none" : compiler_.version,
      Json(variant.link_flags).dump());
  if (const Library* library = compiler_.library(variant.library))
    key.text += fmt::format("library: {} {}, {}\n", library->name, library->version, Json(library->link_flags).dump());
  key.hash = hash_hex(key.text);
  return key;
}

std::optional<BuiltModule> BuildCache::find_module(const BuildRequest& request, const BuildKey& key) const {
  if (!request.variant->vendor.empty()) return BuiltModule{{}, key, "", true};  // the vendor built it
  std::error_code ignored;
  for (const fs::path& folder : folders_) {
    const fs::path module = folder / (module_name(request, key) + compiler_.module_extension);
    if (is_module(module, compiler_) && read_file(key_file(module)) == key.text)
      return BuiltModule{module, key, "", true};
  }
  if (!compiler_.version.empty()) return std::nullopt;
  for (const fs::path& folder : folders_)
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (!is_module(entry.path(), compiler_) || !is_named_after(entry.path(), request)) continue;
      const std::string text = read_file(key_file(entry.path()));
      if (without_compiler(text) == without_compiler(key.text))
        return BuiltModule{entry.path(), {text, hash_hex(text)}, "", true};
    }
  return std::nullopt;
}

std::optional<BuiltModule> BuildCache::find(const Variant& variant, const IsaLevel& isa) const {
  return find_module({&variant, &isa}, key(variant, isa));
}

/// Empty if the source, and what it includes, includes none.
fs::path BuildCache::precompiled_header(const Variant& variant) const {
  for (const auto& [name, file] : source_hash(variant).files)
    if (name == kPrecompiledName) return file;
  return {};
}

/// The compiler with all that decides what it reads.
std::vector<std::string> BuildCache::compiling(const Variant& variant, const IsaLevel& isa, const std::string& hash,
                                               const std::vector<std::string>& more_flags) const {
  std::vector<std::string> argv = {compiler_.command};
  const std::vector<std::string> flags = flags_of(compiler_, variant, isa);
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.insert(argv.end(), more_flags.begin(), more_flags.end());
  argv.push_back("-I" + variant.source.parent_path().string());
  argv.push_back("-I" + include_folder_.string());
  if (const Library* library = compiler_.library(variant.library))
    for (const std::string& folder : library->include_folders) argv.insert(argv.end(), {"-isystem", folder});
  for (const auto& [name, value] : variant.parameters) argv.push_back(fmt::format("-D{}={}", name, value));
  argv.push_back(fmt::format("-DASSAY_SOURCE_HASH=\"{}\"", hash));
  argv.push_back(variant.source.string());
  return argv;
}

std::vector<std::string> BuildCache::command(const Job& job, const PrecompiledHeaders& headers) const {
  const Variant& variant = *job.request.variant;
  const IsaLevel& isa = *job.request.isa;
  std::vector<std::string> argv = compiling(
      variant, isa, job.source_hash, headers.flags_for(precompiled_header(variant), flags_of(compiler_, variant, isa)));
  if (compiler_.lists_reads) argv.insert(argv.end(), {"-MMD", "-MF", rule_file(job.partial).string()});
  argv.insert(argv.end(), {"-o", job.partial.string()});
  argv.insert(argv.end(), variant.link_flags.begin(), variant.link_flags.end());
  if (const Library* library = compiler_.library(variant.library))
    argv.insert(argv.end(), library->link_flags.begin(), library->link_flags.end());
  return argv;
}

/// A file that the compiler read and the key does not have; "" as it should be. The system's may change unseen.
std::string BuildCache::read_unseen(const Job& job) const {
  std::error_code ignored;
  const fs::path rule = rule_file(job.partial), working = fs::canonical(job.partial.parent_path(), ignored);
  if (!fs::is_regular_file(rule, ignored)) return "";
  for (const fs::path& file : files_of_rule(read_file(rule))) {
    const fs::path real = fs::canonical(file, ignored);
    if (ignored || real.native().starts_with(working.native() + "/") || FurtherInputs::is_of_the_system(real)) continue;
    if (job.key.text.find(" " + hash_hex(read_file(real)) + "\n") == std::string::npos) return file.string();
  }
  return "";
}

BuildCache::Job BuildCache::prepare(const BuildRequest& request, const BuildKey& key) const {
  const fs::path module = folders_.back() / (module_name(request, key) + compiler_.module_extension);
  return {request, key, source_hash(*request.variant).hash, module, {}, {}};
}

BuiltModule BuildCache::finish(const Job& job, const ProcessResult& result) const {
  const Variant& variant = *job.request.variant;
  const fs::path& partial = job.partial;
  BuiltModule module{{}, job.key, compile_error(compiler_, variant.source.filename().string(), result), false};
  if (!module.error.empty()) return module;
  std::error_code error;
  if (!fs::is_regular_file(partial, error)) {
    module.error = fmt::format("{} ended without an error, but made no module", compiler_.command);
    return module;
  }
  // An edit between hashing and compiling would put new code under the old text's key.
  const BuildCache now(compiler_, folders_, include_folder_);
  if (now.key(variant, *job.request.isa).text != job.key.text) {
    module.error =
        fmt::format("{} or a file it includes changed since assay read it; run again", variant.source.string());
    return module;
  }
  if (const std::string unseen = read_unseen(job); !unseen.empty()) {
    module.error = fmt::format(
        "{}: the compiler read {}, which assay did not find among its includes: include it by "
        "its name",
        variant.source.string(), unseen);
    return module;
  }
  settle(partial);
  fs::rename(partial, job.module, error);
  if (error) fail("{}: cannot be put in place ({})", job.module.string(), error.message());
  write_trusted_file(key_file(job.module), job.key.text);
  module.file = job.module;
  return module;
}

BuiltModule BuildCache::build(const Variant& variant, const IsaLevel& isa) {
  const BuildRequest request{&variant, &isa};
  return build_all({&request, 1}, 1).front();
}

std::vector<BuiltModule> BuildCache::build_all(std::span<const BuildRequest> requests, int jobs,
                                               const BuildProgress& progress, const std::function<bool()>& stopped) {
  std::vector<BuiltModule> modules(requests.size());
  for (BuiltModule& module : modules) module.error = "not built: stopped before";
  size_t done_count = 0;
  const auto set_done = [&](size_t index, const BuiltModule& module) {
    modules[index] = module;
    ++done_count;
    if (progress) progress(requests[index], module, done_count, requests.size());
  };

  std::vector<Job> queue;
  std::map<fs::path, size_t> queued;
  for (size_t i = 0; i < requests.size(); ++i) {
    const BuildKey wanted = modules[i].key = key(*requests[i].variant, *requests[i].isa);
    if (const auto found = find_module(requests[i], wanted)) {
      set_done(i, *found);
    } else if (compiler_.version.empty()) {
      set_done(i, {{}, wanted, missing_compiler_error(compiler_), false});
    } else {
      Job job = prepare(requests[i], wanted);
      const auto [position, is_new] = queued.emplace(job.module, queue.size());
      if (is_new) queue.push_back(std::move(job));
      queue[position->second].wanted_by.push_back(i);
    }
  }
  if (!queue.empty() && !why_not_.empty()) fail("{}", why_not_);
  std::optional<WorkingFolder> working;
  if (!queue.empty()) make_writable(folders_.back()), working.emplace(folders_.back());
  for (Job& job : queue) job.partial = working->path() / job.module.filename();

  PrecompiledHeaders headers;
  if (compiler_.precompiles)
    for (const Job& job : queue)
      if (const fs::path header = precompiled_header(*job.request.variant); !header.empty())
        headers.want(header, flags_of(compiler_, *job.request.variant, *job.request.isa));
  if (working && (!stopped || !stopped()))
    headers.make(compiler_.command, jobs, compiler_.limit_s, working->path(), stopped);

  ProcessSet compilers;  // after `working`: its compilers are dead before what they left is removed
  size_t started = 0;
  const auto set_job_done = [&](const Job& job, const BuiltModule& module) {
    for (const size_t index : job.wanted_by) set_done(index, module);
  };
  while (done_count < requests.size()) {
    if (stopped && stopped()) break;
    while (started < queue.size() && compilers.running() < size_t(std::max(jobs, 1)))
      compilers.start(command(queue[started++], headers), compiler_.limit_s, {{"TMPDIR", working->path().string()}});
    if (const auto done = compilers.wait(kStoppedEveryS))
      set_job_done(queue[done->first], finish(queue[done->first], done->second));
  }
  return modules;
}

}  // namespace assay

// Kernel sources → loadable modules, compiled once per content and kept.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernel/compiler.h"
#include "kernel/further_inputs.h"
#include "kernel/isa.h"
#include "kernel/manifest.h"
#include "kernel/precompiled_headers.h"
#include "kernel/source_hash.h"

namespace assay {

/// What a build depends on, as readable text and its hash: source with its includes, files that flags name, defines,
/// compiler, flags, ISA. It has no absolute paths (unless the manifest's flags do), so that a folder of modules can be
/// moved or shipped.
struct BuildKey {
  std::string text, hash;
};

struct BuiltModule {
  std::filesystem::path file;  // the module; empty if it failed, or if a vendor's library is the kernel
  BuildKey key;
  std::string error;  // the compiler's messages, with file and line
  bool from_cache = false;
};

struct BuildRequest {
  const Variant* variant = nullptr;
  const IsaLevel* isa = nullptr;
};

/// Called as each request is done, in the order of completion.
using BuildProgress = std::function<void(const BuildRequest&, const BuiltModule&, size_t done, size_t total)>;

class BuildCache {
 public:
  /// `folders`: where modules may already lie, in order; new ones go into the last. `include_folder` has
  /// assay_kernel.h. An object reads each source once; edits made later are seen by the next object. `why_not`: nothing
  /// new may be made, and what an Error then says.
  BuildCache(Compiler compiler, std::vector<std::filesystem::path> folders, std::filesystem::path include_folder,
             std::string why_not = "");

  BuildKey key(const Variant& variant, const IsaLevel& isa) const;

  /// The module of this key in the first folder that has it. Without a compiler, one made by any compiler, with its
  /// key.
  std::optional<BuiltModule> find(const Variant& variant, const IsaLevel& isa) const;

  /// What find() gives, or the module compiled now. A failed compile is a BuiltModule with an error and is not kept.
  /// Error if the last folder cannot be written.
  BuiltModule build(const Variant& variant, const IsaLevel& isa);

  /// The same for many, up to `jobs` compilers at once, results in the order of the requests. Equal keys compile once.
  /// When `stopped` (asked every 0.1 s) says yes, compilers are killed and what is missing has an error.
  std::vector<BuiltModule> build_all(std::span<const BuildRequest> requests, int jobs,
                                     const BuildProgress& progress = {}, const std::function<bool()>& stopped = {});

 private:
  struct Job;
  std::vector<std::filesystem::path> include_folders(const Variant& variant) const;
  const SourceHash& source_hash(const Variant& variant) const;
  std::string further_inputs(const Variant& variant, const IsaLevel& isa) const;
  std::vector<std::string> compiling(const Variant& variant, const IsaLevel& isa, const std::string& hash,
                                     const std::vector<std::string>& more_flags) const;
  std::string read_unseen(const Job& job) const;
  std::filesystem::path precompiled_header(const Variant& variant) const;
  std::vector<std::string> command(const Job& job, const PrecompiledHeaders& headers) const;
  std::optional<BuiltModule> find_module(const BuildRequest& request, const BuildKey& key) const;
  Job prepare(const BuildRequest& request, const BuildKey& key) const;
  BuiltModule finish(const Job& job, const ProcessResult& result) const;

  Compiler compiler_;
  std::vector<std::filesystem::path> folders_;
  std::filesystem::path include_folder_;
  std::string why_not_;
  mutable FurtherInputs further_inputs_;
  mutable std::map<std::string, SourceHash> source_hashes_;  // by include folders and source
};

}  // namespace assay

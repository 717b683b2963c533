// Manifests: kernel families, their parameters and what they support → variants, each a way to compute a spec.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "kernel/geometry.h"
#include "kernel/supports.h"
#include "spec/accuracy.h"

namespace assay {

/// How the harness enters a kernel: on every thread of its team; once, with a region to fork from; once, beside its own
/// pool.
enum class Threading { team, region, own };

/// A ceiling is no way to compute a spec: it reads the same bytes and so shows what is reachable. It is never ranked.
enum class Role { kernel, ceiling };

/// Why a variant is disabled, and on what kinds of device that was seen and holds; none: everywhere.
struct DisabledRule {
  std::string reason;
  std::vector<std::string> kinds;
};

/// One instance of a family's parameters.
struct Variant {
  std::string family, name;  // id is family/name
  std::string backend;
  std::string technique;         // one line
  std::filesystem::path source;  // the source file, absolute; empty where a vendor's library is the kernel
  std::string vendor;            // that library: "cublas", "cublaslt"
  std::vector<std::pair<std::string, int64_t>> parameters;  // compiled in as -Dname=value
  std::vector<std::string> isa;  // sets it can be built for (kernel/isa.h), best last; empty: any
  std::vector<std::string> compile_flags, link_flags;
  std::string library;  // "ggml": built against it where it is installed, and left out elsewhere; "" none
  Supports supports;
  std::shared_ptr<GeometryRules> launch;  // null where the kernel decides itself how it is entered
  ArchRange arch;
  bool baseline = false;  // what the others are shown against
  bool prepares = false;  // repacks the weights once before use …
  bool keeps_b = false;   // … and reads them as they lie as well; else they are out of its reach from then on
  bool chained = false;  // may begin before the launch before it has ended: asks for its weights, and then waits itself
  std::string storage;   // what it repacks them to, by name: its family's own, or one that others read as well
  Threading threading = Threading::team;
  Role role = Role::kernel;
  Accuracy accuracy = Accuracy::exact;  // what it may round the activations to
  std::vector<DisabledRule> disabled;   // the first that is of a device's kind disables it there
  bool is_mutant = false;               // wrong on purpose: an engine takes it where it is named, never by itself
  double timer_scale = 1;               // not 1 only in the self-test: a timer that lies
  std::string entry;  // which kernel of its module, where that has several: assay_kernel_entry_ENTRY. Only there, too
  std::string id() const { return family + "/" + name; }
  /// Only where `launch` is set. Error with file and pointer on an impossible value.
  Geometry geometry(const GeometrySizes& sizes) const;
  /// The value of a parameter, or `fallback` if there is none of this name.
  int64_t parameter_or(const std::string& name, int64_t fallback) const;
  /// Why it is not measured unless named, on a device of this kind (DeviceInfo::kind); "" where it is enabled.
  std::string disabled_reason(const std::string& kind) const;
};

struct Manifest {
  std::filesystem::path file;
  std::string backend;
  std::vector<Variant> variants;
};

/// The name of a backend that kernels may be for; Error at its place in the file on another.
std::string read_backend(const JsonReader& name);

/// Reads folder/manifest.json, and the files beside it that its "files" names. Error "FILE at /pointer: …" on unknown
/// keys, bad expressions, duplicate names, a missing source.
Manifest load_manifest(const std::filesystem::path& folder);

/// The same from text that is already read; sources are looked for beside `file`.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);

/// What build_for_chains() compiles with.
inline constexpr const char* kChainedFlag = "-DASSAY_CHAINED";

/// From now on the variants that say "chained" are built to wait themselves: for launches that overlap.
void build_for_chains(Manifest& manifest);

/// "" if the variant supports the spec, else the reason in a few words ("b is q8_0, supports f16 f32").
inline std::string unsupported_reason(const Variant& variant, const Spec& spec) {
  return unsupported_reason(variant.supports, spec);
}

}  // namespace assay

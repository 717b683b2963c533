// Which variant computes a spec here: what the user asked for, else the table, else what the manifests have.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/device.h"
#include "kernel/dispatch_table.h"

namespace assay {

/// --kernel 'SPEC-GLOB=family/name': of specs whose op is the glob, or whose canonical line it matches.
struct KernelOverride {
  std::string glob, variant;
};
/// Error unless it has both parts.
KernelOverride parse_kernel_override(const std::string& text);

/// Error for one that is of none of a step's specs, so that it would do nothing; what says m= may be of prompts alone.
void check_overrides(const std::vector<KernelOverride>& overrides, const std::vector<const Spec*>& specs,
                     const std::vector<const Variant*>& variants);

struct KernelChoice {
  const Variant* variant = nullptr;
  const IsaLevel* isa = nullptr;
  std::string reason;  // "table", "table_fallback", "override", "no_entry": as a trace says it
};

/// The table's terms for a device.
TableTarget table_target(const DeviceInfo& device, int64_t method);

class KernelChooser {
 public:
  /// All outlive it. table: nullptr where there is none. shipped: the first so many variants are; others were dropped
  /// in, and are taken only where they are named, for nobody has proved them. Error for an override that names no
  /// variant.
  KernelChooser(const DeviceInfo& device, std::vector<const Variant*> variants, const TableDevice* table,
                std::vector<KernelOverride> overrides, size_t shipped = SIZE_MAX);

  /// accuracy: of which class it must be, where another size of m has decided that already. Error where an override
  /// cannot compute the spec, and where nothing can: each variant's reason is named.
  KernelChoice choose(const Spec& spec, std::optional<Accuracy> accuracy = std::nullopt) const;
  /// Whether an override or the table names a variant that was dropped in: others of them are not taken.
  bool names_dropped_in() const;

 private:
  std::string cannot(const Variant& variant, const Spec& spec, std::optional<Accuracy> accuracy) const;
  std::optional<KernelChoice> from_overrides(const Spec& spec, std::optional<Accuracy> accuracy) const;
  std::optional<KernelChoice> from_table(const Spec& spec, std::optional<Accuracy> accuracy) const;
  const Variant* from_manifests(const Spec& spec, std::optional<Accuracy> accuracy) const;
  std::string why_not_by_itself(const Variant& variant) const;
  bool is_dropped_in(const Variant* variant) const;
  KernelChoice chosen(const Variant& variant, const char* reason) const;

  const DeviceInfo& device_;
  const std::vector<const Variant*> variants_;
  const TableDevice* const table_;
  const std::vector<KernelOverride> overrides_;
  const size_t shipped_;
};

/// Built and loaded kernels of one device, a variant once.
class KernelShelf {
 public:
  KernelShelf(Device& device, BuildCache& cache) : device_(device), cache_(cache) {}

  /// Builds what is missing of these, several compilers at once. Error with the compiler's words where one fails.
  void build(const std::vector<KernelChoice>& choices, const std::function<void(const std::string&)>& note);
  /// Of a variant that was built.
  LoadedKernel& kernel(const Variant& variant) const;

 private:
  Device& device_;
  BuildCache& cache_;
  std::map<const Variant*, std::unique_ptr<LoadedKernel>> kernels_;
};

}  // namespace assay

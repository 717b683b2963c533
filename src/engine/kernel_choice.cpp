// Which variant computes a spec here.
#include "engine/kernel_choice.h"

#include <algorithm>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/interruption.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

/// A pattern is of the op's name, or of its whole line.
bool is_meant(const KernelOverride& o, const Spec& spec) {
  return glob_matches(o.glob, std::string(spec.op->name)) || glob_matches(o.glob, spec.math_line());
}

}  // namespace

KernelOverride parse_kernel_override(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || text.find('/', equals) == std::string::npos)
    fail("--kernel {}: write SPEC-GLOB=FAMILY/NAME, as in 'matmul=naive/loop' or '*n=896*dtB=q8_0*=naive/loop'", text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void check_overrides(const std::vector<KernelOverride>& overrides, const std::vector<const Spec*>& specs,
                     const std::vector<const Variant*>& variants) {
  for (const KernelOverride& o : overrides) {
    const Variant& variant = find_variant(variants, o.variant, "--kernel " + o.glob);
    const Spec* other = nullptr;  // that the pattern means, and the kernel is not of
    const bool is_of_any = std::any_of(specs.begin(), specs.end(), [&](const Spec* spec) {
      if (!is_meant(o, *spec)) return false;
      if (!variant.supports.is_of(*spec->op)) other = spec;
      return variant.supports.is_of(*spec->op);
    });
    if (is_of_any || (!other && o.glob.find("m=") != std::string::npos)) continue;
    if (other)
      fail("--kernel {}={}: {} is a kernel of {}, not of {}", o.glob, o.variant, o.variant,
           joined(variant.supports.op, ", "), other->op->name);
    fail("--kernel {}={}: is of no op of this model, as assay run -v lists them; '*' stands for any text", o.glob,
         o.variant);
  }
}

TableTarget table_target(const DeviceInfo& device, int64_t method) {
  TableTarget target{device.backend, device.id + ", " + device.name, {}, device.properties, method};
  for (const IsaLevel& level : device.isa) target.isa.push_back(level.name);
  const auto says_threads = [](const auto& property) { return property.first == kThreadsUsed; };
  if (std::none_of(target.properties.begin(), target.properties.end(), says_threads))
    target.properties.emplace_back(kThreadsUsed, std::to_string(device.threads));
  return target;
}

KernelChooser::KernelChooser(const DeviceInfo& device, std::vector<const Variant*> variants, const TableDevice* table,
                             std::vector<KernelOverride> overrides, size_t shipped)
    : device_(device),
      variants_(std::move(variants)),
      table_(table),
      overrides_(std::move(overrides)),
      shipped_(std::min(shipped, variants_.size())) {
  for (const KernelOverride& o : overrides_) find_variant(variants_, o.variant, "--kernel " + o.glob);
}

KernelChoice KernelChooser::choose(const Spec& spec, std::optional<Accuracy> accuracy) const {
  if (const auto asked = from_overrides(spec, accuracy)) return *asked;
  if (const auto listed = from_table(spec, accuracy)) return *listed;
  if (const Variant* variant = from_manifests(spec, accuracy)) return chosen(*variant, "no_entry");
  std::string why;
  for (const Variant* variant : variants_)
    if (variant->supports.is_of(*spec.op) && variant->role == Role::kernel) {
      const std::string reason = cannot(*variant, spec, accuracy);
      why += fmt::format("; {}: {}", variant->id(), reason.empty() ? why_not_by_itself(*variant) : reason);
    }
  fail("nothing computes {} on {}{}", spec.math_line(), device_.id, why.empty() ? ": no kernel is of this op" : why);
}

/// Why not; "" if it can.
std::string KernelChooser::cannot(const Variant& variant, const Spec& spec, std::optional<Accuracy> accuracy) const {
  if (variant.role != Role::kernel) return "it only measures";
  if (accuracy && variant.accuracy != *accuracy)
    return fmt::format("is of class {}, this weight's other kernel of class {}", accuracy_name(variant.accuracy),
                       accuracy_name(*accuracy));
  if (!choose_isa(variant, device_)) return "needs instructions that this processor does not have";
  return unsupported_reason(variant, spec);
}

std::optional<KernelChoice> KernelChooser::from_overrides(const Spec& spec, std::optional<Accuracy> accuracy) const {
  for (auto o = overrides_.rbegin(); o != overrides_.rend(); ++o) {  // the last one said counts
    if (!is_meant(*o, spec)) continue;
    const Variant& variant = find_variant(variants_, o->variant, "--kernel " + o->glob);
    if (!variant.supports.is_of(*spec.op)) continue;
    if (const std::string why = cannot(variant, spec, accuracy); !why.empty())
      fail("--kernel {}={}: cannot compute {}: {}", o->glob, o->variant, spec.math_line(), why);
    return chosen(variant, "override");
  }
  return std::nullopt;
}

std::optional<KernelChoice> KernelChooser::from_table(const Spec& spec, std::optional<Accuracy> accuracy) const {
  const TableEntry* entry = table_ ? find_entry(*table_, spec.math) : nullptr;
  if (!entry) return std::nullopt;
  std::vector<std::string> names{entry->variant};
  names.insert(names.end(), entry->fallback.begin(), entry->fallback.end());
  for (size_t i = 0; i < names.size(); ++i) {
    const Variant& variant = find_variant(variants_, names[i], "the table");
    if (cannot(variant, spec, accuracy).empty()) return chosen(variant, i == 0 ? "table" : "table_fallback");
  }
  return std::nullopt;
}

/// Why an engine takes it only where it is named; "" if it does so by itself. Kernels with threads of their own would
/// meet the engine's on the same processors.
std::string KernelChooser::why_not_by_itself(const Variant& variant) const {
  if (variant.is_mutant) return "is wrong on purpose";
  if (is_dropped_in(&variant)) return "is of a folder of --kernels: taken where --kernel or a table names it";
  if (variant.threading == Threading::own) return "has threads of its own";
  return variant.disabled_reason(device_.kind);
}

bool KernelChooser::is_dropped_in(const Variant* variant) const {
  return std::find(variants_.begin() + int64_t(shipped_), variants_.end(), variant) != variants_.end();
}

bool KernelChooser::names_dropped_in() const {
  std::set<std::string> named;
  for (const KernelOverride& o : overrides_) named.insert(o.variant);
  for (size_t i = 0; table_ && i < table_->entries.size(); ++i) {
    named.insert(table_->entries[i].variant);
    named.insert(table_->entries[i].fallback.begin(), table_->entries[i].fallback.end());
  }
  return std::any_of(variants_.begin() + int64_t(shipped_), variants_.end(),
                     [&](const Variant* variant) { return named.count(variant->id()) != 0; });
}

/// The most accurate, then the widest instructions, then the manifest's order; plain loops last.
const Variant* KernelChooser::from_manifests(const Spec& spec, std::optional<Accuracy> accuracy) const {
  const auto rank = [&](const Variant& v) {
    return std::tuple(v.baseline, v.accuracy, -(choose_isa(v, device_) - device_.isa.data()));
  };
  const Variant* best = nullptr;
  for (const Variant* variant : variants_) {
    if (!why_not_by_itself(*variant).empty() || !cannot(*variant, spec, accuracy).empty()) continue;
    if (!best || rank(*variant) < rank(*best)) best = variant;
  }
  return best;
}

KernelChoice KernelChooser::chosen(const Variant& variant, const char* reason) const {
  return {&variant, choose_isa(variant, device_), reason};
}

void KernelShelf::build(const std::vector<KernelChoice>& choices, const std::function<void(const std::string&)>& note) {
  std::vector<BuildRequest> missing;
  for (const KernelChoice& choice : choices) {
    const bool is_asked = std::any_of(missing.begin(), missing.end(),
                                      [&](const BuildRequest& request) { return request.variant == choice.variant; });
    if (!is_asked && !kernels_.count(choice.variant)) missing.push_back({choice.variant, choice.isa});
  }
  if (missing.empty()) return;
  const auto told = [&](const BuildRequest& request, const BuiltModule& module, size_t done, size_t total) {
    if (!module.from_cache) note(fmt::format("compiled {} ({} of {})", request.variant->id(), done, total));
  };
  const int jobs = int(std::max(1u, std::thread::hardware_concurrency()));
  const std::vector<BuiltModule> built = cache_.build_all(missing, jobs, told, interrupted);
  if (interrupted()) throw Interrupted("interrupted while kernels were compiled");
  for (size_t i = 0; i < built.size(); ++i) {
    if (!built[i].error.empty()) fail("{} cannot be built: {}", missing[i].variant->id(), built[i].error);
    kernels_[missing[i].variant] = device_.load(*missing[i].variant, built[i]);
  }
}

LoadedKernel& KernelShelf::kernel(const Variant& variant) const {
  const auto found = kernels_.find(&variant);
  ASSAY_CHECK(found != kernels_.end());
  return *found->second;
}

}  // namespace assay

// Which variants are measured on which specs, and why the other pairs are not.
#include "probe/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

struct ShapeTerm {
  std::string field;
  int64_t least, most;
};

/// Of every op.
std::vector<std::string> size_names() {
  std::vector<std::string> names;
  for (const Op* op : all_ops())
    for (const OpSize& size : op->sizes)
      if (std::find(names.begin(), names.end(), size.name) == names.end()) names.emplace_back(size.name);
  return names;
}

std::vector<ShapeTerm> parse_shape(const std::string& text) {
  std::vector<ShapeTerm> terms;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string term = text.substr(begin, end - begin);
    const size_t equals = term.find('='), dots = term.find("..");
    const auto number = [&](const std::string& digits) {
      int64_t value = 0;
      const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc() || rest != digits.data() + digits.size() || value < 1)
        fail("--shape {}: \"{}\" is not a number from 1; write n=9728 or k=800..900", text, digits);
      return value;
    };
    if (equals == std::string::npos)
      fail("--shape {}: write field=value or field=first..last, e.g. n=9728,k=896", text);
    const std::string field = term.substr(0, equals);
    static const std::vector<std::string> kFields = size_names();
    if (std::find(kFields.begin(), kFields.end(), field) == kFields.end())
      fail("--shape {}: no field \"{}\"; there are {}", text, field, joined(kFields, ", "));
    const int64_t least = number(term.substr(equals + 1, dots == std::string::npos ? dots : dots - equals - 1));
    const int64_t most = dots == std::string::npos ? least : number(term.substr(dots + 2));
    if (most < least) fail("--shape {}: {} ends before it begins; write {}={}..{}", text, term, field, most, least);
    terms.push_back({field, least, most});
    begin = end + 1;
  }
  return terms;
}

bool shape_matches(const std::vector<ShapeTerm>& terms, const Spec& spec) {
  return std::all_of(terms.begin(), terms.end(), [&](const ShapeTerm& term) {
    const int64_t value = spec.size(term.field);
    return value >= term.least && value <= term.most;
  });
}

std::vector<Spec> select_specs(const std::vector<Spec>& specs, const Selection& selection) {
  std::vector<std::vector<ShapeTerm>> shapes;
  for (const std::string& text : selection.shapes) shapes.push_back(parse_shape(text));
  for (const std::string& glob : selection.ops) {
    std::vector<std::string> known;
    bool any = false;
    for (const Spec& spec : specs) {
      known.push_back(spec.op_name);
      any |= glob_matches(glob, spec.op_name);
    }
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    if (!any) fail("--op {}: matches none of {}{}", glob, joined(known, ", "), did_you_mean(glob, known));
  }
  std::vector<Spec> selected;
  for (const Spec& spec : specs) {
    const bool op =
        selection.ops.empty() || std::any_of(selection.ops.begin(), selection.ops.end(),
                                             [&](const auto& glob) { return glob_matches(glob, spec.op_name); });
    const bool shape = shapes.empty() ||
                       std::any_of(shapes.begin(), shapes.end(), [&](const auto& s) { return shape_matches(s, spec); });
    if (op && shape) selected.push_back(spec);
  }
  if (selected.empty())
    fail("no spec matches --shape {}; leave it out to see all with --dry-run", joined(selection.shapes, " or "));
  return selected;
}

/// Whether a glob names the variant, or there are no globs.
bool is_meant(const Variant& variant, const Selection& selection) {
  return selection.variants.empty() ||
         std::any_of(selection.variants.begin(), selection.variants.end(),
                     [&](const std::string& glob) { return glob_matches(glob, variant.id()); });
}

/// Whether the user's globs take the variant; a disabled one only by its exact name.
bool is_selected(const Variant& variant, bool enabled, const Selection& selection) {
  const std::string id = variant.id();
  if (selection.variants.empty()) return enabled || selection.disabled_too;
  return std::any_of(selection.variants.begin(), selection.variants.end(),
                     [&](const std::string& glob) { return enabled ? glob_matches(glob, id) : glob == id; });
}

std::string arch_text(int arch) { return fmt::format("{}.{}", arch / 10, arch % 10); }

std::string over_launch_limit(const Geometry& g, const DeviceInfo& device) {
  const DeviceLimits& most = device.limits;
  const auto over = [&](int64_t needed, int64_t limit, const char* what) {
    return limit > 0 && needed > limit ? fmt::format("needs {} {}, {} has {}", needed, what, device.id, limit)
                                       : std::string();
  };
  for (const auto& [block, grid] : {std::pair(g.block, g.grid), std::pair(g.prepare_block, g.prepare_grid)}) {
    if (auto text = over(block[0] * block[1] * block[2], most.block_threads, "threads a block"); !text.empty())
      return text;
    if (auto text = over(std::max(grid[1], grid[2]), most.block_threads > 0 ? 65535 : 0, "blocks in y or z");
        !text.empty())
      return text;
  }
  if (auto text = over(g.shared_bytes, most.shared_bytes, "bytes of shared memory"); !text.empty()) return text;
  return over(g.cluster, most.cluster_blocks, "blocks a cluster");
}

/// What a case needs of the device's memory at most: inputs, their repacked form in f32, and as much again for the
/// rest.
std::string over_limit(const Spec& spec, const Variant& variant, const DeviceInfo& device) {
  const int64_t weights = spec.weight_bytes(), repacked = variant.prepares ? spec.weight_values() * 4 : 0;
  const int64_t needed = weights + repacked + spec.bytes(Use::varied) + 2 * spec.bytes(Use::output);
  if (needed > device.memory_bytes) return fmt::format("needs {} MB of memory, {}", needed >> 20, device.memory_text());
  return variant.launch ? over_launch_limit(variant.geometry(launch_sizes(*spec.op, spec.tensors, device)), device)
                        : "";
}

/// The processor generation that the variant needs and the device has not, or the library that is missing; "" if
/// neither.
std::string unsuited(const Variant& variant, const DeviceInfo& device) {
  const int arch = device.limits.arch;
  if (arch < variant.arch.least || arch > variant.arch.most)
    return fmt::format("needs compute capability {}{}, {} has {}", arch_text(variant.arch.least),
                       arch > variant.arch.most ? " to " + arch_text(variant.arch.most) : "", device.id,
                       arch_text(arch));
  for (const std::string& library : {variant.vendor, variant.library})
    if (!library.empty() &&
        std::none_of(device.vendors.begin(), device.vendors.end(), [&](const auto& v) { return v.first == library; }))
      return fmt::format("the library {} is not here", library);
  return "";
}

// A baseline is a plain loop. On Zen 4 it was seen to reach 5 to 6.5 GFLOP/s a thread (f16, m=8, n=k=1024). Others may
// be slower; at this rate a guess that is wrong still ends soon.
constexpr double kPlainLoopFlops = 4e9;  // a second and thread
constexpr double kLongestLaunch = 1;     // s; a case launches some dozens of times

/// A launch of seconds says nothing that nobody knew; "" where it is none. Of kernels of another kind no rate is
/// known before they are measured.
std::string too_long(const Spec& spec, const Variant& variant, const DeviceInfo& device) {
  if (!variant.baseline || variant.launch) return "";
  const double seconds = double(spec.flops) / (kPlainLoopFlops * device.threads);
  if (seconds <= kLongestLaunch) return "";
  return fmt::format("too_long: one launch takes about {:.0f} s, at {:.0f} GFLOP/s a thread as plain loops have",
                     std::ceil(seconds), kPlainLoopFlops / 1e9);
}

std::string lacks_isa(const Variant& variant, const DeviceInfo& device) {
  return fmt::format("unsupported: needs {}; this processor has {}", joined(variant.isa, " or "),
                     device.isa.back().name);
}

}  // namespace

int64_t Plan::cases() const {
  int64_t count = 0;
  for (const PlannedSpec& spec : specs) count += int64_t(spec.cases.size());
  return count;
}

std::vector<Spec> with_dtype(const std::vector<Spec>& specs, const std::string& dtype) {
  const ProductTypes types = product_types_of_option(dtype);
  std::vector<Spec> result;
  std::set<std::string> seen;
  for (const Spec& spec : specs) {
    if (is_quantized(types.weights) && spec.size("batch") > 1) continue;  // what is batched is the KV cache, no weights
    SpecFields fields = spec.fields;
    for (auto& [name, value] : fields) {
      if (name == "dtA" || name == "dtB" || name == "dtD") value = types.of(name);
    }
    try {
      Spec changed = make_spec(fields, "--dtype " + dtype);
      if (seen.insert(changed.math_line()).second) result.push_back(std::move(changed));
    } catch (const Error&) {  // a type that this spec cannot have
    }
  }
  return result;
}

Plan make_plan(const std::vector<Spec>& specs, const std::vector<const Variant*>& variants, const DeviceInfo& device,
               const Selection& selection) {
  std::vector<std::string> ids;
  for (const Variant* variant : variants)
    if (variant->role == Role::kernel) ids.push_back(variant->id());
  std::set<std::string> known(ids.begin(), ids.end());
  for (const Variant* variant : variants)
    if (variant->role == Role::kernel) known.insert(variant->family + "/*");
  for (const std::string& glob : selection.variants)
    if (std::none_of(ids.begin(), ids.end(), [&](const std::string& id) { return glob_matches(glob, id); }))
      fail("--variant {}: matches none of the {} variants{}", glob, ids.size(),
           did_you_mean(glob, {known.begin(), known.end()}));

  std::vector<Spec> wanted = select_specs(specs, selection);
  Plan plan;
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> skipped;
  std::set<std::string> seen;
  for (const Spec& spec : wanted) {
    if (!seen.insert(spec.math_line()).second) continue;
    PlannedSpec planned{spec, {}};
    for (const Variant* variant : variants) {
      if (variant->role != Role::kernel || !variant->supports.is_of(*spec.op)) continue;
      const auto skip = [&](const std::string& reason) { ++skipped[{variant->id(), spec.op_name, reason}]; };
      const IsaLevel* isa = choose_isa(*variant, device);
      const std::string disabled = variant->disabled_reason(device.kind);
      if (!is_selected(*variant, disabled.empty(), selection)) {
        if (!disabled.empty() && is_meant(*variant, selection))
          skip(isa ? "disabled: " + disabled : lacks_isa(*variant, device));
        continue;
      }
      if (variant->accuracy > selection.accuracy) {
        skip(fmt::format("accuracy: {}, asked for {}", accuracy_name(variant->accuracy),
                         accuracy_name(selection.accuracy)));
        continue;
      }
      if (const std::string reason = unsupported_reason(*variant, spec); !reason.empty()) {
        skip("unsupported: " + reason);
        continue;
      }
      if (const std::string reason = unsuited(*variant, device); !reason.empty()) {
        skip("unsupported: " + reason);
        continue;
      }
      if (!isa) {
        skip(lacks_isa(*variant, device));
        continue;
      }
      if (const std::string reason = too_long(spec, *variant, device); !reason.empty()) {
        skip(reason);
        continue;
      }
      planned.cases.push_back({variant, isa, over_limit(spec, *variant, device)});
    }
    plan.specs.push_back(std::move(planned));
  }
  for (const auto& [what, count] : skipped)
    plan.skips.push_back({std::get<0>(what), std::get<1>(what), std::get<2>(what), count});
  return plan;
}

}  // namespace assay

// Instruction sets of CPUs as sets of features.
#include "kernel/isa.h"

#include <algorithm>

namespace assay {
namespace {

/// A feature that others only extend: the first part of a set's name.
bool is_base(const IsaFeature& feature) {
  return feature.name == "avx2" || feature.name == "avx512" || feature.needs.empty();
}

const IsaFeature* find(std::string_view name) {
  for (const IsaFeature& feature : isa_features())
    if (feature.name == name) return &feature;
  return nullptr;
}

std::vector<std::string> flags_of(const IsaFeature& base) {
  std::vector<std::string> flags;
  if (const IsaFeature* below = find(base.needs)) flags = flags_of(*below);
  flags.insert(flags.end(), base.flags.begin(), base.flags.end());
  return flags;
}

}  // namespace

const std::vector<IsaFeature>& isa_features() {
  static const std::vector<IsaFeature> features = {
#if defined(__aarch64__)
    {"dotprod", "", {"-march=armv8.2-a+dotprod"}, {"asimddp"}},
    {"i8mm", "dotprod", {"-march=armv8.6-a+i8mm"}, {"i8mm"}},
#else
    {"avx2", "", {"-mavx2", "-mfma", "-mf16c"}, {"avx2", "fma", "f16c"}},
    {"avxvnni", "avx2", {"-mavxvnni"}, {"avx_vnni"}},
    {"avx512",
     "avx2",
     {"-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"},
     {"avx512f", "avx512bw", "avx512dq", "avx512vl"}},
    {"vnni", "avx512", {"-mavx512vnni"}, {"avx512_vnni"}},
    {"bf16", "avx512", {"-mavx512bf16"}, {"avx512_bf16"}},
    {"fp16", "avx512", {"-mavx512fp16"}, {"avx512_fp16"}},
    {"amx", "avx512", {"-mamx-tile", "-mamx-int8", "-mamx-bf16"}, {"amx_tile", "amx_int8", "amx_bf16"}},
#endif
  };
  return features;
}

std::vector<IsaLevel> isa_levels(const std::function<bool(const IsaFeature&)>& has) {
  std::vector<IsaLevel> levels{{"generic", {}}};
  std::vector<std::string_view> bases;
  for (const IsaFeature& base : isa_features()) {
    const bool stands = base.needs.empty() || std::find(bases.begin(), bases.end(), base.needs) != bases.end();
    if (!is_base(base) || !stands || !has(base)) continue;
    bases.push_back(base.name);
    std::vector<const IsaFeature*> extras;
    for (const IsaFeature& extra : isa_features())
      if (extra.needs == base.name && !is_base(extra) && has(extra)) extras.push_back(&extra);
    std::vector<IsaLevel> sets;
    for (size_t chosen = 0; chosen < size_t(1) << extras.size(); ++chosen) {
      IsaLevel& level = sets.emplace_back(IsaLevel{std::string(base.name), flags_of(base)});
      for (size_t i = 0; i < extras.size(); ++i) {
        if (!(chosen >> i & 1)) continue;
        level.name += "+" + std::string(extras[i]->name);
        level.flags.insert(level.flags.end(), extras[i]->flags.begin(), extras[i]->flags.end());
      }
    }
    std::stable_sort(sets.begin(), sets.end(),
                     [](const IsaLevel& a, const IsaLevel& b) { return a.flags.size() < b.flags.size(); });
    levels.insert(levels.end(), sets.begin(), sets.end());
  }
  return levels;
}

const std::vector<std::string>& isa_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const IsaLevel& level : isa_levels([](const IsaFeature&) { return true; })) result.push_back(level.name);
    return result;
  }();
  return names;
}

}  // namespace assay

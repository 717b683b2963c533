// What a dispatch table's entries name, held against the variants that there are.

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"
#include "kernel/dispatch_table.h"
#include "spec/op.h"

namespace assay {
namespace {

const Variant* variant_of(const std::vector<const Variant*>& variants, const std::string& id) {
  const auto found = std::find_if(variants.begin(), variants.end(), [&](const Variant* v) { return v->id() == id; });
  return found == variants.end() ? nullptr : *found;
}

std::string no_such_variant(const std::vector<const Variant*>& variants, const std::string& id) {
  std::vector<std::string> names;
  std::set<std::string> families;
  for (const Variant* variant : variants) {
    names.push_back(variant->id());
    if (variant->role == Role::kernel) families.insert(variant->family);
  }
  const std::string family = id.substr(0, id.find('/'));
  if (!families.count(family)) {
    const std::string near = did_you_mean(id, names);
    return fmt::format("there is no variant {}{}", id,
                       near.empty() ? "; families are " + joined(families, ", ") : near);
  }
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(family + "/"); });
  if (names.size() > 12) names.resize(12), names.emplace_back("…");
  return fmt::format("there is no variant {}; {} has {}", id, family, joined(names, ", "));
}

}  // namespace

const Variant& find_variant(const std::vector<const Variant*>& variants, const std::string& id,
                            const std::string& where) {
  if (const Variant* variant = variant_of(variants, id)) return *variant;
  fail("{}: {}", where, no_such_variant(variants, id));
}

std::string entry_problem(const TableEntry& entry, const std::vector<const Variant*>& variants,
                          const SourceOf& source_of) {
  std::vector<std::string> names{entry.variant};
  names.insert(names.end(), entry.fallback.begin(), entry.fallback.end());
  for (const std::string& name : names) {
    const Variant* variant = variant_of(variants, name);
    if (!variant) return no_such_variant(variants, name);
    if (variant->role != Role::kernel) return fmt::format("{} only measures, it computes nothing", name);
    if (!variant->supports.op.empty() && !variant->supports.is_of(*find_op(entry.bucket.op())))
      return fmt::format("{} does not compute {}", name, entry.bucket.op());
  }
  for (const std::string& name : entry.evidence.ties)
    if (!variant_of(variants, name)) return "its evidence names a tie: " + no_such_variant(variants, name);
  const Variant& variant = *variant_of(variants, entry.variant);
  if (variant.accuracy != entry.accuracy)
    return fmt::format("{} is of class {}, the entry says {}", entry.variant, accuracy_name(variant.accuracy),
                       accuracy_name(entry.accuracy));
  if (variant.storage != entry.storage)
    return fmt::format("{} reads weights stored as \"{}\", the entry says \"{}\"", entry.variant, variant.storage,
                       entry.storage);
  if (!entry.source.empty() && source_of && source_of(variant) != entry.source)
    return fmt::format("has expired: {} was measured with another source; run assay tune again", entry.variant);
  return "";
}

void check_entries(const DispatchTable& table, const TableDevice& device, const std::vector<const Variant*>& variants,
                   const SourceOf& source_of) {
  for (const TableEntry& entry : device.entries)
    if (const std::string problem = entry_problem(entry, variants, source_of); !problem.empty())
      fail("{}: entry for {}: {}", table.file, entry.bucket.line(), problem);
}

}  // namespace assay

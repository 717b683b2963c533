// A table's section for a device.
#include "tune/table_section.h"

#include <algorithm>

#include "spec/completion.h"

namespace assay {
namespace {

/// What computes it where the chosen one cannot: the default, and what the default table falls back to.
std::vector<std::string> fallbacks(const std::string& chosen, const Variant* usual, const TableEntry* entry) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (name != chosen && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  if (usual) add(usual->id());
  if (entry) {
    add(entry->variant);
    for (const std::string& name : entry->fallback) add(name);
  }
  return names;
}

class Section {
 public:
  explicit Section(const SectionRequest& request) : request_(request) {
    section_.backend = request.defaults->backend;
    section_.properties = request.properties;
    section_.method = request.method;
  }

  void add(const TunedOp& tuned) {
    if (!tuned.after.decode) return;
    const Spec& spec = tuned.op.spec;
    const std::string m = *find_field(spec.math, "m");
    TableEntry entry = entry_of(bucket_of(spec, m), *tuned.after.decode, tuned.before.decode, spec);
    if (!tuned.result.empty()) entry.evidence = {tuned.result, tuned.after_us, tuned.margin_percent, tuned.ties};
    put(std::move(entry));
    if (tuned.op.prompt && spec.op->is_product && m == "1" && tuned.after.prompt)
      put(entry_of(bucket_of(spec, "2.."), *tuned.after.prompt, tuned.before.prompt, *tuned.op.prompt));
  }

  /// What was measured earlier, of weights that nothing was said about.
  void add_earlier(const TableDevice& device) {
    const size_t own = section_.entries.size();
    for (const TableEntry& entry : device.entries) {
      const auto end = section_.entries.begin() + std::ptrdiff_t(own);
      const auto shares = [&](const TableEntry& e) { return !e.bucket.shared_with(entry.bucket, "m").empty(); };
      if (!entry.source.empty() && std::none_of(section_.entries.begin(), end, shares)) put(entry);
    }
  }
  /// Those that no entry so far makes superfluous.
  void add_all(const TableDevice& device) {
    for (const TableEntry& entry : device.entries) put(entry);
  }

  TableDevice take() { return std::move(section_); }

 private:
  TableEntry entry_of(const std::string& bucket, const Variant& chosen, const Variant* usual, const Spec& spec) const {
    TableEntry entry{SpecBucket(bucket, "a tuned entry"), chosen.id(), chosen.storage, chosen.accuracy, {}, {}, ""};
    entry.fallback = fallbacks(chosen.id(), usual, find_entry(*request_.defaults, spec.math));
    if (request_.source_of) entry.source = request_.source_of(chosen);
    return entry;
  }
  void put(TableEntry entry) {
    const auto covers = [&](const TableEntry& earlier) { return earlier.bucket.covers(entry.bucket); };
    if (std::none_of(section_.entries.begin(), section_.entries.end(), covers))
      section_.entries.push_back(std::move(entry));
  }

  const SectionRequest& request_;
  TableDevice section_;
};

}  // namespace

TableDevice make_section(const std::vector<TunedOp>& step, const SectionRequest& request) {
  Section section(request);
  // The first entry that takes a spec counts: those that name more come first.
  std::vector<const TunedOp*> order;
  for (const TunedOp& tuned : step) order.push_back(&tuned);
  const auto fields = [](const TunedOp* tuned) { return parse_spec_fields(bucket_of(tuned->op.spec, "1")).size(); };
  std::stable_sort(order.begin(), order.end(),
                   [&](const TunedOp* a, const TunedOp* b) { return fields(a) > fields(b); });
  for (const TunedOp* tuned : order) section.add(*tuned);
  if (request.earlier) section.add_earlier(*request.earlier);
  section.add_all(*request.defaults);
  return section.take();
}

DispatchTable table_of(TableDevice section, const std::string& made_by, const std::string& file) {
  DispatchTable table{file, made_by, {}};
  table.devices.push_back(std::move(section));
  return table;
}

}  // namespace assay

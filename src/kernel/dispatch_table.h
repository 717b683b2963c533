// The dispatch table: a file that says which variant computes which specs on which device, and on what evidence.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/manifest.h"
#include "kernel/spec_bucket.h"

namespace assay {

/// Why an entry is what it is. All of it may be empty: a default that nobody measured here.
struct TableEvidence {
  std::string result;         // key of the winner's result in a store
  double us = 0;              // its median there; 0: not said
  double margin_percent = 0;  // over the next that does not tie
  std::vector<std::string> ties;
};

struct TableEntry {
  SpecBucket bucket;
  std::string variant, storage;  // family/name; storage: what the weights are repacked to, "" as they lie
  Accuracy accuracy = Accuracy::exact;
  std::vector<std::string> fallback;  // in this order, where the variant cannot compute a spec of the bucket here
  TableEvidence evidence;
  std::string source;  // hash of the variant's source when it was measured; "": not bound to one
};

/// A model's step with the section's kernels: foretold before it ran, and as it ran, in ms a token; 0: not said.
struct TableStep {
  std::string model;                                                                // its file's name
  int64_t depth = 0;                                                                // tokens in the cache
  double floor_ms = 0, predicted_ms = 0, achieved_ms = 0, low_ms = 0, high_ms = 0;  // low, high: of what was achieved
  double default_predicted_ms = 0, default_achieved_ms = 0;                         // with the default's kernels
};

/// What a device must be for its entries to hold. Fields that are empty hold for all.
struct TableDevice {
  std::string backend, isa;                                     // isa: an instruction set that the device has
  std::vector<std::pair<std::string, std::string>> properties;  // as DeviceInfo has them; one that differs: expired
  int64_t method = 0;                                           // of measuring (kMethodVersion); 0: any
  std::vector<TableEntry> entries;
  std::vector<TableStep> steps;
};

/// The property that says with how many threads entries were measured: every target has it.
inline constexpr char kThreadsUsed[] = "threads used";

/// The device at hand, in a table's terms.
struct TableTarget {
  std::string backend, name;
  std::vector<std::string> isa;  // best last
  std::vector<std::pair<std::string, std::string>> properties;
  int64_t method = 0;
};

/// Why the section's entries do not hold for the target: another backend, another device, or expired, and what differs;
/// "" if they do.
std::string why_not_for(const TableDevice& device, const TableTarget& target);
/// "cpu with avx512, AMD EPYC": what a section is for.
std::string describe(const TableDevice& device);

struct DispatchTable {
  std::string file, made_by;
  std::vector<TableDevice> devices;

  /// Those for the target: with properties before those without, then the best instruction set. Error with what the
  /// table is for where there are none, or where all that could be are of another device or have expired: what differs
  /// is said.
  const TableDevice& device_for(const TableTarget& target) const;
};

/// Error "FILE at /pointer: …" for bad JSON, unknown keys, an unusable bucket, two entries for one bucket, an entry
/// that never counts, evidence that cannot be, two sections for one device, and entries that mix accuracy classes for
/// one weight between sizes of m.
DispatchTable parse_table(const std::string& text, const std::string& file);
DispatchTable load_table(const std::filesystem::path& file);
std::string table_text(const DispatchTable& table);

/// The first whose bucket takes it, or nullptr.
const TableEntry* find_entry(const TableDevice& device, const SpecFields& math);

/// Asked for the hash of a variant's source here; "" where it cannot be built.
using SourceOf = std::function<std::string(const Variant&)>;

/// Why an entry does not hold: it names a variant that is none of these, another storage or another accuracy class than
/// its manifest, or was measured with another source; "" if it does. Says what exists.
std::string entry_problem(const TableEntry& entry, const std::vector<const Variant*>& variants,
                          const SourceOf& source_of = {});

/// Error "FILE: entry for BUCKET: …" with the first entry's problem.
void check_entries(const DispatchTable& table, const TableDevice& device, const std::vector<const Variant*>& variants,
                   const SourceOf& source_of = {});

/// The variant of that name, or Error "WHERE: …" with near names and what families there are.
const Variant& find_variant(const std::vector<const Variant*>& variants, const std::string& id,
                            const std::string& where);

}  // namespace assay

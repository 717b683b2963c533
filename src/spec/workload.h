// Workloads: the specs that one model runs per token, read from specs/*.json with their sources and completion rules.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "spec/spec.h"

namespace assay {

/// What a source's device took for a line: shown with that device's name, never as a percentage of ours.
struct Observation {
  std::string backend, device;
  double avg_ms = 0;
  int64_t count = 0;  // 0: the source has no count
};

/// One line of a source, as it stands there.
struct SourceLine {
  std::string source;  // id of the source: "seed-000"
  int64_t line_number = 0;
  std::string text;                // the spec line as the source has it
  std::vector<std::string> rules;  // "dtA=f16: why" for each completed field
  std::vector<Observation> observations;
  double calls_per_token = 0;  // 0 where the source counts nothing
};

/// One spec of a workload: lines with equal maths stand together and are counted once.
struct WorkloadEntry {
  Spec spec;                   // completed
  double calls_per_token = 0;  // the largest single source's sum over its lines of this spec
  std::string family;          // the family that prices it, or ""
  std::vector<SourceLine> sources;
};

/// A range of specs that differ in one dimension, each called alike; only some lengths were seen.
struct WorkloadFamily {
  std::string name;    // "attention_scores"
  Spec prototype;      // with the varied field at the range's first value
  std::string varied;  // "n", "k" or "length"
  int64_t first = 0, last = 0;
  double calls_per_token_each = 0;
  std::string why;  // why the range is what it is
};

struct QuarantinedLine {
  SourceLine source;
  std::string reason;
};

/// A document that lines were taken from.
struct WorkloadSource {
  std::string id, title, device;
  int64_t tokens = 0;  // that its counts go over; 0 where it counts nothing
};

struct Workload {
  std::string name;
  std::string description;
  bool on_request = false;  // left out where no workload is named
  std::vector<WorkloadSource> sources;
  std::vector<WorkloadEntry> entries;
  std::vector<WorkloadFamily> families;
  std::vector<QuarantinedLine> quarantined;
};

/// Reads one workload file. A line that lacks a field after the rules is quarantined. Error with file and JSON pointer
/// on unknown keys, wrong types, and lines or rules that the grammar refuses.
Workload load_workload(const std::filesystem::path& file);

/// The same from the text of a file; errors name it `file`.
Workload parse_workload(const std::string& text, const std::string& file);

/// Every specs/*.json below `folder`, by file name.
std::vector<Workload> load_workloads(const std::filesystem::path& folder);

/// The family's member of length `value`.
Spec family_member(const WorkloadFamily& family, int64_t value);

}  // namespace assay

// Workload files: completing the source lines by rule, merging equal maths, attaching families.
#include "spec/workload.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "spec/completion.h"

namespace assay {
namespace {
/// What the grammar refuses in a file's line is the file's fault: it carries the pointer.
Spec spec_of(const SpecFields& fields, const JsonReader& text) {
  return make_spec(fields, fmt::format("{} at {}", text.file(), text.pointer()));
}

SpecFields fields_of(const JsonReader& text) {
  return parse_spec_fields(text.string(), fmt::format("{} at {}", text.file(), text.pointer()));
}

std::string filled_string(const JsonReader& reader) {
  std::string text = reader.string();
  if (text.empty()) reader.error("must not be empty");
  return text;
}

/// "2280/95" or "24": calls as the source counted them over its tokens.
double read_calls(const JsonReader& reader) {
  const std::string text = reader.string();
  const char* const end = text.data() + text.size();
  int64_t calls = 0, tokens = 1;
  auto [at, error] = std::from_chars(text.data(), end, calls);
  bool good = error == std::errc() && calls >= 1;
  if (good && at != end) {
    good = *at == '/';
    const auto denominator = std::from_chars(at + 1, end, tokens);
    good = good && denominator.ec == std::errc() && denominator.ptr == end && tokens >= 1;
  }
  if (!good) reader.error(fmt::format("\"{}\" is no count of calls per token; write \"CALLS/TOKENS\"", text));
  return double(calls) / double(tokens);
}

SpecFields read_rule_fields(const JsonReader& reader) {
  SpecFields fields;
  for (const auto& [key, value] : reader.members()) {
    const auto& known = spec_field_names();
    if (std::find(known.begin(), known.end(), key) == known.end())
      value.error(fmt::format("no field of a spec is named \"{}\"{}", key, did_you_mean(key, known)));
    fields.emplace_back(key, filled_string(value));
  }
  return fields;
}

CompletionRule read_rule(const JsonReader& reader) {
  reader.only_keys({"when", "set", "why"});
  CompletionRule rule{{}, read_rule_fields(reader.at("set")), filled_string(reader.at("why"))};
  if (reader.has("when")) rule.when = read_rule_fields(reader.at("when"));
  if (rule.set.empty()) reader.at("set").error("a rule must set a field");
  return rule;
}

SourceLine read_source_line(const JsonReader& reader, const WorkloadSource& source) {
  reader.only_keys({"line", "text", "calls_per_token", "observed"});
  SourceLine line;
  line.source = source.id;
  line.line_number = reader.at("line").integer();
  if (line.line_number < 1) reader.at("line").error("lines count from 1");
  line.text = reader.at("text").string();
  if (reader.has("calls_per_token")) line.calls_per_token = read_calls(reader.at("calls_per_token"));
  if (line.calls_per_token > 0 && source.tokens == 0)
    reader.at("calls_per_token").error("its source says no \"tokens\" to count over");
  for (const JsonReader& item : reader.at("observed").items()) {
    item.only_keys({"backend", "avg_ms", "count"});
    Observation seen{filled_string(item.at("backend")), source.device, item.at("avg_ms").number(), 0};
    if (!(seen.avg_ms > 0)) item.at("avg_ms").error("a time is above 0");
    if (item.has("count")) seen.count = item.at("count").integer();
    if (seen.count < 0) item.at("count").error("a count is at least 0");
    line.observations.push_back(seen);
  }
  return line;
}

/// Lines grouped by their maths, in the order in which each was first seen.
class EntryMerger {
 public:
  explicit EntryMerger(std::vector<WorkloadEntry>& entries) : entries_(entries) {}

  void add(const Spec& spec, const SourceLine& line) {
    const auto [place, is_new] = index_.try_emplace(spec.math_line(), entries_.size());
    if (is_new) entries_.emplace_back().spec = spec;
    WorkloadEntry& entry = entries_[place->second];
    const bool first_that_counts = line.calls_per_token > 0 && entry.calls_per_token == 0;
    if (first_that_counts) entry.spec = spec;
    entry.sources.push_back(line);

    // Two sources that count the same model's calls confirm each other; they do not add up.
    std::map<std::string, double> calls;
    for (const SourceLine& source : entry.sources) calls[source.source] += source.calls_per_token;
    for (const auto& [source, sum] : calls) entry.calls_per_token = std::max(entry.calls_per_token, sum);
  }

 private:
  std::vector<WorkloadEntry>& entries_;
  std::map<std::string, size_t> index_;
};

void read_source(const JsonReader& reader, Workload& workload, EntryMerger& merger) {
  reader.only_keys({"id", "title", "device", "tokens", "rules", "lines"});
  WorkloadSource source{filled_string(reader.at("id")), filled_string(reader.at("title")),
                        filled_string(reader.at("device")), 0};
  for (const WorkloadSource& other : workload.sources)
    if (other.id == source.id) reader.at("id").error(fmt::format("a second source named \"{}\"", source.id));
  if (reader.has("tokens")) {
    source.tokens = reader.at("tokens").integer();
    if (source.tokens < 1) reader.at("tokens").error("must be at least 1; leave it out where nothing is counted");
  }
  std::vector<CompletionRule> rules;
  for (const JsonReader& rule : reader.at("rules").items()) rules.push_back(read_rule(rule));
  for (const JsonReader& item : reader.at("lines").items()) {
    SourceLine line = read_source_line(item, source);
    const SpecFields fields = complete_fields(fields_of(item.at("text")), rules, line.rules);
    const auto missing = missing_fields(fields);
    if (missing.empty()) {
      Spec spec = spec_of(fields, item.at("text"));
      spec.completion = line.rules;
      merger.add(spec, line);
      continue;
    }
    std::string reason = "no rule of the source gives";
    for (const std::string& field : missing) reason += (field == missing.front() ? " " : ", ") + field;
    workload.quarantined.push_back({line, reason});
  }
  workload.sources.push_back(source);
}

WorkloadFamily read_family(const JsonReader& reader) {
  reader.only_keys({"name", "text", "calls_per_token_each", "why"});
  WorkloadFamily family;
  family.name = filled_string(reader.at("name"));
  family.why = filled_string(reader.at("why"));
  family.calls_per_token_each = read_calls(reader.at("calls_per_token_each"));
  const JsonReader text = reader.at("text");
  const SpecFields fields = fields_of(text);
  for (const auto& [key, value] : fields) {
    if (value.find("..") == std::string::npos) continue;
    if (!family.varied.empty()) text.error(fmt::format("one range a family, not {} and {}", family.varied, key));
    family.varied = key;
  }
  if (family.varied.empty()) text.error("a family needs a range, such as n=1..95");
  const auto members = expand_ranges(fields, fmt::format("{} at {}", text.file(), text.pointer()));
  family.prototype = spec_of(members.front(), text);
  const Spec last = spec_of(members.back(), text);
  const auto length = [&](const SpecFields& member) { return std::stoll(*find_field(member, family.varied)); };
  family.first = length(family.prototype.fields);
  family.last = length(last.fields);
  if (family.last - family.first + 1 != int64_t(members.size())) text.error("a family's range has no step");
  return family;
}

bool fits(const WorkloadFamily& family, const Spec& spec) {
  const int64_t length = spec.size(family.varied);
  if (length < family.first || length > family.last) return false;
  return family_member(family, length).math_line() == spec.math_line();
}

void read_families(const JsonReader& reader, Workload& workload) {
  std::set<std::string> names;
  for (const JsonReader& item : reader.items()) {
    const WorkloadFamily family = read_family(item);
    if (!names.insert(family.name).second)
      item.at("name").error(fmt::format("a second family named \"{}\"", family.name));
    for (WorkloadEntry& entry : workload.entries) {
      if (!fits(family, entry.spec)) continue;
      if (!entry.family.empty())
        item.at("text").error(fmt::format("{} is in family \"{}\" already: it would be priced twice",
                                          entry.spec.math_line(), entry.family));
      entry.family = family.name;
    }
    workload.families.push_back(family);
  }
}
}  // namespace

Workload parse_workload(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonReader root(json, file);
  root.only_keys({"name", "description", "on_request", "sources", "families"});
  Workload workload;
  workload.name = filled_string(root.at("name"));
  workload.description = filled_string(root.at("description"));
  workload.on_request = root.boolean_or("on_request", false);
  EntryMerger merger(workload.entries);
  for (const JsonReader& source : root.at("sources").items()) read_source(source, workload, merger);
  if (root.has("families")) read_families(root.at("families"), workload);
  return workload;
}

Workload load_workload(const std::filesystem::path& file) { return parse_workload(read_file(file), file.string()); }

std::vector<Workload> load_workloads(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator item(folder, error), end; !error && item != end; item.increment(error))
    if (item->path().extension() == ".json") files.push_back(item->path());
  if (error) fail("{}: cannot list the workloads: {}", folder.string(), error.message());
  if (files.empty()) fail("{}: no workload here; a workload is a NAME.json as specs/README.md says", folder.string());
  std::sort(files.begin(), files.end());
  std::vector<Workload> workloads;
  std::map<std::string, std::string> file_of;
  for (const auto& file : files) {
    workloads.push_back(load_workload(file));
    const auto [other, is_new] = file_of.try_emplace(workloads.back().name, file.string());
    if (!is_new) fail("{}: a workload named \"{}\" is in {} already", file.string(), other->first, other->second);
  }
  return workloads;
}

Spec family_member(const WorkloadFamily& family, int64_t value) {
  SpecFields fields = family.prototype.fields;
  for (auto& [key, text] : fields)
    if (key == family.varied) text = std::to_string(value);
  return make_spec(fields, fmt::format("family {}", family.name));
}

}  // namespace assay

// Choosing the hot lines, finding the families, writing both in the format that load_workload() reads.
#include "analysis/trace_workload.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

constexpr size_t kLeastMembers = 8;

/// Lines of one maths, hottest first; families and calls are theirs together.
struct Maths {
  const Spec* spec = nullptr;
  std::vector<const Shape*> lines;
  uint64_t calls = 0;
  double time_us = 0;
  int family = -1;
  bool written = false;
};

struct Family {
  std::string name, varied;
  int64_t first = 0, last = 0;
  uint64_t calls = 0;  // of each length
  std::vector<size_t> members;
};

std::vector<Maths> group_by_maths(const ShapeReport& report) {
  std::vector<Maths> all;
  std::map<std::string, size_t> places;
  for (const Shape& shape : report.shapes) {
    if (!shape.spec) continue;
    const auto [at, is_new] = places.try_emplace(shape.spec->math_line(), all.size());
    if (is_new) all.emplace_back().spec = &*shape.spec;
    Maths& maths = all[at->second];
    maths.lines.push_back(&shape);
    maths.calls += shape.calls;
    maths.time_us += shape.total_us;
  }
  return all;
}

/// The maths without one size: equal for the members of a family.
std::string without_size(const Spec& spec, const std::string& varied) {
  SpecFields fields = parse_spec_fields(spec.math_line());
  for (auto& [key, value] : fields)
    if (key == varied) value = "*";
  return print_spec_fields(fields);
}

/// Runs of consecutive lengths that were called alike: an attention product at every context length.
std::vector<Family> find_families(std::vector<Maths>& all) {
  std::vector<Family> families;
  std::map<std::string, int> names;
  for (const char* varied : {"n", "k", "length"}) {
    const auto length = [&](size_t i) { return all[i].spec->size(varied); };
    std::map<std::string, std::vector<size_t>> groups;
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i].family < 0 && all[i].spec->segments.empty()) groups[without_size(*all[i].spec, varied)].push_back(i);
    for (auto& [key, members] : groups) {
      std::sort(members.begin(), members.end(), [&](size_t a, size_t b) { return length(a) < length(b); });
      for (size_t begin = 0, end; begin < members.size(); begin = end) {
        for (end = begin + 1; end < members.size() && length(members[end]) == length(members[end - 1]) + 1 &&
                              all[members[end]].calls == all[members[begin]].calls;)
          ++end;
        if (end - begin < kLeastMembers) continue;
        const Spec& spec = *all[members[begin]].spec;
        std::string name = fmt::format("{}_{}{}", spec.op_name, varied,
                                       spec.size("batch") > 1 ? fmt::format("_b{}", spec.size("batch")) : "");
        if (const int count = names[name]++) name += fmt::format("_{}", count + 1);
        Family family{name, varied, length(members[begin]), length(members[end - 1]), all[members[begin]].calls, {}};
        for (size_t i = begin; i < end; ++i) {
          all[members[i]].family = int(families.size());
          family.members.push_back(members[i]);
        }
        families.push_back(std::move(family));
      }
    }
  }
  return families;
}

std::string calls_text(uint64_t calls, uint64_t tokens) { return fmt::format("{}/{}", calls, tokens); }

Json fields_json(const SpecFields& fields) {
  Json json = Json::object();
  for (const auto& [key, value] : fields) json[key] = value;
  return json;
}

/// The rules that completed a line or give it something.
Json rules_json(const ShapeReport& report, const std::vector<const Shape*>& shapes) {
  Json json = Json::array();
  for (const CompletionRule& rule : report.rules) {
    const bool is_used = std::any_of(shapes.begin(), shapes.end(), [&](const Shape* shape) {
      std::vector<std::string> applied;
      complete_fields(parse_spec_fields(shape->text), {rule}, applied);
      return !applied.empty();
    });
    if (!is_used) continue;
    Json one = Json::object();
    if (!rule.when.empty()) one["when"] = fields_json(rule.when);
    one["set"] = fields_json(rule.set);
    one["why"] = rule.why;
    json.push_back(std::move(one));
  }
  return json;
}

Json line_json(const Shape& shape, uint64_t tokens) {
  Json observed = Json::array();
  for (const ShapeBackend& on : shape.backends) {
    if (!(on.op.avg_ms > 0) || on.backend.empty()) continue;
    observed.push_back({{"backend", on.backend}, {"avg_ms", on.op.avg_ms}, {"count", on.op.count}});
  }
  Json json = {{"line", shape.first_line + 1}, {"text", shape.text}};
  if (tokens) json["calls_per_token"] = calls_text(shape.calls, tokens);
  json["observed"] = std::move(observed);
  return json;
}

/// The family's line: that of its first member, completed, with the range.
Json family_json(const Family& family, const std::vector<Maths>& all, uint64_t tokens) {
  SpecFields fields = all[family.members.front()].spec->fields;
  for (auto& [key, value] : fields)
    if (key == family.varied) value = fmt::format("{}..{}", family.first, family.last);
  return {{"name", family.name},
          {"text", print_spec_fields(fields)},
          {"calls_per_token_each", calls_text(family.calls, tokens)},
          {"why", fmt::format("the trace calls each length from {} to {} {} times in {} tokens", family.first,
                              family.last, family.calls, tokens)}};
}

/// Hot maths as they are; of a family's cold members the first, the middle and the last, between which prices are
/// linear.
void choose(std::vector<Maths>& all, const std::vector<Family>& families, double total_us, double least_percent) {
  for (Maths& maths : all) maths.written = maths.time_us * 100 >= least_percent * total_us;
  for (const Family& family : families)
    for (const size_t at : {size_t(0), (family.members.size() - 1) / 2, family.members.size() - 1})
      all[family.members[at]].written = true;
}

std::string name_of_path(const std::string& trace) {
  std::filesystem::path path(trace == "-" ? "stdin" : trace);
  for (const char* extension : {".gz", ".zst", ".jsonl", ".json"})
    if (path.extension() == extension) path = path.stem();
  std::string name = path.filename().string();
  return name.empty() ? "trace" : name;
}

}  // namespace

TraceWorkload trace_workload(const ShapeReport& report, const TraceWorkloadOptions& options) {
  std::vector<Maths> all = group_by_maths(report);
  if (all.empty()) {
    const std::string unknown =
        report.shapes.empty() ? "" : fmt::format(" ({}: {})", report.shapes[0].text, report.shapes[0].unknown);
    fail("{}: {}{}", options.trace,
         report.shapes.empty() ? "no event describes a matmul, so there is nothing to probe"
                               : "no matmul shape is complete; --dtype gives the types that lines lack",
         unknown);
  }
  const std::vector<Family> families = report.per_token() ? find_families(all) : std::vector<Family>();
  choose(all, families, report.total_us, options.least_percent);

  TraceWorkload workload;
  std::set<const Shape*> chosen;
  for (const Maths& maths : all)
    if (maths.written)
      chosen.insert(maths.lines.begin(), maths.lines.end());
    else if (maths.family >= 0)
      workload.members += maths.lines.size();
  double left_out_us = 0;
  std::vector<const Shape*> lines;  // hottest first
  for (const Shape& shape : report.shapes)
    if (chosen.count(&shape)) lines.push_back(&shape);
  for (const Shape& shape : report.shapes)
    if (!shape.spec) ++workload.left_out, left_out_us += shape.total_us;
  for (const Maths& maths : all)
    if (!maths.written && maths.family < 0) workload.left_out += maths.lines.size(), left_out_us += maths.time_us;
  if (lines.empty())
    fail("{}: no shape has {:g} % of the shapes' time; a lower --hot takes more", options.trace, options.least_percent);
  workload.lines = lines.size();
  workload.families = families.size();
  workload.left_out_percent = report.total_us > 0 ? 100 * left_out_us / report.total_us : 0;

  const std::string name = options.name.empty() ? name_of_path(options.trace) : options.name;
  Json source = {{"id", name},
                 {"title", fmt::format("assay analyze {}", options.trace)},
                 {"device", options.device.empty() ? "the trace names no device" : options.device}};
  if (report.tokens) source["tokens"] = report.tokens;
  source["rules"] = rules_json(report, lines);
  source["lines"] = Json::array();
  for (const Shape* line : lines) source["lines"].push_back(line_json(*line, report.tokens));
  Json json = {{"name", name}};
  json["description"] = fmt::format(
      "What a traced run called: shapes of at least {:g} % of the shapes' time, families whole. Left out: {} shapes "
      "with {:.1f} % of it.",
      options.least_percent, workload.left_out, workload.left_out_percent);
  json["sources"] = Json::array({std::move(source)});
  if (!families.empty()) {
    json["families"] = Json::array();
    for (const Family& family : families) json["families"].push_back(family_json(family, all, report.tokens));
  }
  workload.json = json.dump(1) + "\n";
  return workload;
}

}  // namespace assay

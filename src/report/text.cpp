// The text summary: seed-000's lines first, then what assay knows beyond them.
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/joined.h"
#include "base/stages.h"
#include "base/terminal.h"
#include "report/rows.h"

namespace assay {
namespace {

/// Milliseconds as the seeds print them: three decimals, trailing zeros dropped.
std::string ms_text(double us) {
  std::string text = fmt::format("{:.3f}", us / 1e3);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + "ms";
}

/// CPU kernels take 3 to 300 µs, so milliseconds with three decimals say too little.
std::string us_text(double us) { return us < 10 ? fmt::format("{:.2f}us", us) : fmt::format("{:.1f}us", us); }

Colour outcome_colour(Outcome outcome) {
  if (outcome == Outcome::pass) return Colour::green;
  return outcome == Outcome::noisy || outcome == Outcome::unsupported ? Colour::yellow : Colour::red;
}

/// "[vs orig 0.325ms on Apple laptop GPU]", and the percentage only where the same device took that time.
std::string original_text(const RankedSpec& spec, const RankedCase& ranked, const SweepReport& report) {
  if (!(spec.original_ms > 0)) return "";
  const bool ours = !spec.original_device.empty() &&
                    (spec.original_device == report.device || spec.original_device == report.device_text);
  if (!ours) {
    const std::string where = spec.original_device.empty() ? "" : " on " + one_line(spec.original_device);
    return fmt::format(" [vs orig {}{}]", ms_text(spec.original_ms * 1e3), where);
  }
  const std::string percent =
      ranked.host.count > 0 ? fmt::format(" ({:+.2f}%)", 100 * (ranked.host.mean / 1e3 / spec.original_ms - 1)) : "";
  return fmt::format(" [vs orig {}]{}", ms_text(spec.original_ms * 1e3), percent);
}

/// The fields that the seeds have: "avg_dev=… | avg_host=… [vs orig …] maxAbs=… maxRel=…".
std::string seed_fields(const RankedSpec& spec, const RankedCase& ranked, const SweepReport& report) {
  const TimeNames names = time_names(ranked.record.device);
  std::string text = fmt::format("avg_{}={}", names.device, ms_text(ranked.device.mean));
  if (ranked.host.count > 0) text += fmt::format(" | avg_{}={}", names.host, ms_text(ranked.host.mean));
  text += original_text(spec, ranked, report);
  if (ranked.record.errors.launches_checked > 0)
    text += fmt::format(" maxAbs={:.4e} maxRel={:.4e}", ranked.record.errors.max_abs, ranked.record.errors.max_rel);
  return text;
}

/// "40 registers, 1024 bytes of shared memory, 16 bytes spilled"; "" where the device cannot tell.
std::string resources_text(const CaseRecord& record) {
  if (record.registers == 0) return "";
  const std::string spilled = record.local_bytes > 0 ? fmt::format(", {} bytes spilled", record.local_bytes) : "";
  return fmt::format("{} registers, {} bytes of shared memory{}", record.registers, record.shared_bytes, spilled);
}

/// "12345 instructions, 6789 cycles, 1605632 bytes of memory a launch"; "" where nothing was counted.
std::string counts_text(const CaseRecord& record) {
  std::vector<std::string> parts;
  if (!std::isnan(record.instructions)) parts.push_back(fmt::format("{:.0f} instructions", record.instructions));
  if (!std::isnan(record.cycles)) parts.push_back(fmt::format("{:.0f} cycles", record.cycles));
  if (!std::isnan(record.dram_bytes)) parts.push_back(fmt::format("{:.0f} bytes from memory", record.dram_bytes));
  return parts.empty() ? "" : fmt::format("counted a launch: {}", joined(parts, ", "));
}

std::string case_line(const RankedSpec& spec, const RankedCase& ranked, const SweepReport& report, bool colour) {
  const CaseRecord& record = ranked.record;
  std::string tags;
  for (const std::string& tag : rank_tags(ranked, time_names(record.device)))
    tags += " " + paint("[" + tag + "]", tag.substr(0, 4) == "best" ? Colour::green : Colour::dim, colour);
  std::vector<std::string> fields;
  if (ranked.device.count > 0) {
    fields.push_back(seed_fields(spec, ranked, report));
    fields.push_back("median=" + us_text(ranked.device.median));
    fields.push_back(fmt::format("spread={:.1f}%", 100 * ranked.device.spread));
    if (ranked.gbps > 0) fields.push_back(fmt::format("{:.1f}GB/s", ranked.gbps));
    if (ranked.percent_of_ceiling > 0) fields.push_back(fmt::format("{:.1f}% of ceiling", ranked.percent_of_ceiling));
  }
  std::string outcome = paint(outcome_name(record.outcome), outcome_colour(record.outcome), colour);
  if (!record.detail.empty()) outcome += ": " + one_line(record.detail);
  fields.push_back(outcome);
  if (ranked.device.count == 0) fields.emplace_back("no samples");
  if (is_tie(ranked, spec)) fields.emplace_back("tie");
  for (const std::string& tag : record.tags) fields.push_back(one_line(tag));
  if (ranked.all_samples) fields.emplace_back("disturbed samples used");
  if (record.prepared_bytes > 0)
    fields.push_back(fmt::format("weights prepared once before: {:.2f} MB in {:.3f} ms",
                                 double(record.prepared_bytes) * 1e-6, record.prepare_us * 1e-3));
  if (const std::string resources = resources_text(record); !resources.empty()) fields.push_back(resources);
  if (const std::string counts = counts_text(record); !counts.empty()) fields.push_back(counts);
  if (ranked.best_of_class) fields.emplace_back("best of class");
  fields.push_back(fmt::format("class={}", accuracy_name(record.accuracy)));
  if (record.errors.launches_checked > 0 && !std::isnan(record.errors.bound_used))
    fields.push_back(fmt::format("err={:.2g} of bound", record.errors.bound_used));
  return fmt::format("   - {}{}: {}\n", record.variant, tags, joined(fields, " | "));
}

/// Floor and reachable time of a spec, and how near its best comes to them.
std::string limits_line(const RankedSpec& spec) {
  std::vector<std::string> fields;
  if (spec.floor_us > 0) fields.push_back("floor=" + us_text(spec.floor_us));
  if (spec.reachable_us > 0) fields.push_back("reachable=" + us_text(spec.reachable_us));
  if (spec.best >= 0) {
    const RankedCase& best = spec.cases[size_t(spec.best)];
    fields.push_back("best=" + us_text(best.device.median));
    if (spec.floor_us > 0) fields.push_back(fmt::format("{:.1f}% of floor", 100 * spec.floor_us / best.device.median));
    if (spec.reachable_us > 0)
      fields.push_back(fmt::format("{:.1f}% of reachable", 100 * spec.reachable_us / best.device.median));
    if (const int exact = spec.best_exact(); best.record.accuracy != Accuracy::exact && exact >= 0)
      fields.push_back(fmt::format("best exact={} ({})", us_text(spec.cases[size_t(exact)].device.median),
                                   spec.cases[size_t(exact)].record.variant));
    if (spec.decode_us > 0) fields.push_back("best in mode decode=" + us_text(spec.decode_us));
  } else {
    fields.emplace_back("no proved variant");
  }
  if (!spec.apart.empty()) fields.push_back("measured apart: " + one_line(spec.apart));
  return fmt::format("   = {}\n", joined(fields, " | "));
}

void add_spec(std::string& out, const RankedSpec& spec, const SweepReport& report, const ReportOptions& options) {
  const bool colour = options.colour;
  out += paint("Spec " + one_line(spec.spec_line) + ":", Colour::bold, colour) + "\n";
  if (options.width > 0)
    out += render_table(shown_columns(case_table(report, spec), {"spec"}), options.width, colour);
  else
    for (const RankedCase& ranked : spec.cases) out += case_line(spec, ranked, report, colour);
  out += limits_line(spec);
  if (!spec.quarantine.empty())
    out += "   ! " + paint("quarantined", Colour::red, colour) + ": " + one_line(spec.quarantine) + "\n";
}

void add_failures(std::string& out, const std::string& title, const std::vector<VariantFailures>& failures,
                  bool colour) {
  if (failures.empty()) return;
  out += "\n" + paint(title, Colour::bold, colour) + "\n";
  for (const VariantFailures& failure : failures)
    out += fmt::format(" - {}: {}\n", failure.variant, joined(failure.parts, ", "));
}

void add_list(std::string& out, const std::string& title, const std::vector<std::string>& lines, bool colour) {
  if (lines.empty()) return;
  out += "\n" + paint(title, Colour::bold, colour) + "\n";
  for (const std::string& line : lines) out += " - " + one_line(line) + "\n";
}

void add_workload(std::string& out, const WorkloadTable& workload, const ReportOptions& options) {
  out += "\n" + render_table(workload_rows(workload), options.width, options.colour);
  add_list(out, fmt::format("Missing from {} (no proved variant; in no sum):", workload.name), workload.missing,
           options.colour);
  add_list(out, fmt::format("Quarantined lines of {} (no rule completes them):", workload.name), workload.quarantined,
           options.colour);
  if (!options.verbose) return;
  std::vector<std::string> sources;
  for (const WorkloadRow& row : workload.rows)
    for (const std::string& source : row.sources) sources.push_back(short_spec(row.spec_line) + " <- " + source);
  add_list(out, fmt::format("Sources of {}:", workload.name), sources, options.colour);
}

/// From the longest on.
std::vector<std::string> stage_lines(const StageSeconds& seconds) {
  constexpr double kLeast = 0.05;
  std::vector<Stage> stages;
  for (size_t i = 0; i < seconds.size(); ++i)
    if (seconds[i] >= kLeast) stages.push_back(Stage(i));
  std::stable_sort(stages.begin(), stages.end(),
                   [&](Stage a, Stage b) { return seconds[size_t(a)] > seconds[size_t(b)]; });
  std::vector<std::string> lines;
  for (const Stage stage : stages)
    lines.push_back(fmt::format("{:.1f} s {}", seconds[size_t(stage)], stage_name(stage)));
  return lines;
}

std::string heading(const SweepReport& report, const CaseCounts& counts) {
  std::vector<std::string> fields = {fmt::format("Matmul benchmark summary (iterations={})", counts.fewest_samples)};
  if (counts.most_samples != counts.fewest_samples) fields.push_back(fmt::format("at most {}", counts.most_samples));
  for (const std::string* text : {&report.device, &report.device_text, &report.method})
    if (!text->empty()) fields.push_back(one_line(*text));
  if (report.read_gbps > 0) fields.push_back(fmt::format("read {:.1f}GB/s", report.read_gbps));
  if (report.copy_gbps > 0) fields.push_back(fmt::format("copy {:.1f}GB/s", report.copy_gbps));
  if (report.dispatch_us > 0) fields.push_back("dispatch " + us_text(report.dispatch_us));
  return joined(fields, " | ");
}

}  // namespace

std::string text_report(const SweepReport& report, const ReportOptions& options) {
  const CaseCounts counts = count_cases(report);
  std::string out = fmt::format("Benchmark {}. Processed {} total results with {} failures.",
                                report.interrupted ? "interrupted" : "completed", counts.cases, counts.failed);
  out += fmt::format(" | {} measured, {} from the store, {} planned | {:.1f}s", report.cases_measured,
                     report.cases_from_store, report.cases_planned, report.elapsed_s);
  const std::vector<std::string> others = other_counts(counts);
  if (!others.empty()) out += fmt::format(" | {}", joined(others, ", "));
  out += "\n";
  out += paint(heading(report, counts), Colour::bold, options.colour) + "\n";
  for (const RankedSpec& spec : report.specs) add_spec(out, spec, report, options);
  add_failures(out,
               "Variant failures:", options.width > 0 ? case_failures(report, is_no_pass) : variant_failures(report),
               options.colour);
  add_failures(out, "Unsupported when asked:", unsupported_cases(report), options.colour);
  std::vector<std::string> quarantined;
  for (const RankedSpec& spec : report.specs)
    if (!spec.quarantine.empty()) quarantined.push_back(spec.spec_line + ": " + spec.quarantine);
  add_list(out, "Quarantined specs:", quarantined, options.colour);
  for (const WorkloadTable& workload : report.workloads) add_workload(out, workload, options);
  if (options.verbose) add_list(out, "Where the time went:", stage_lines(report.stages), options.colour);
  if (!report.store_file.empty()) out += fmt::format("\nResults: {}\n", report.store_file);
  return options.width > 0 ? wrap_lines(out, options.width, 6) : out;
}

}  // namespace assay

// assay probe: options, the run, and the reports that were asked for.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/joined.h"
#include "base/stages.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/model_steps.h"
#include "cli/report_formats.h"
#include "cli/trace_input.h"
#include "probe/sweep.h"
#include "report/csv.h"
#include "report/json.h"
#include "report/markdown.h"
#include "report/progress.h"
#include "report/rows.h"
#include "report/screen.h"
#include "report/skips.h"
#include "report/t4.h"
#include "spec/completion.h"

namespace assay {
namespace {

struct ProbeOptions {
  std::string device = "cpu", mode = "decode", store = default_store().string();
  std::vector<std::string> workloads, spec_files, traces, spec_lines, kernels, models;
  StepOptions step;
  std::shared_ptr<ReportFormats> formats;
  Selection selection;
  SweepOptions sweep;
  int threads = 0;
  double footprint_mb = 0;
  std::string accuracy = "int8_activation";
  bool dry_run = false, build_only = false, quiet = false;
  ScreenOptions screen;
};

std::vector<Workload> choose_workloads(const ProbeOptions& options) {
  std::vector<Workload> loaded;
  for (const std::string& file : options.spec_files) loaded.push_back(load_workload(file));
  ShapeOptions shapes;  // one --dtype completes what a trace's lines lack, as it does with --spec
  if (options.selection.dtypes.size() == 1) shapes.dtype = options.selection.dtypes[0];
  for (const std::string& trace : options.traces)
    loaded.push_back(parse_workload(workload_of_trace(trace, shapes), trace));
  for (const std::string& model : options.models)
    for (Workload& w : model_workloads(model, options.step)) {
      if (!options.quiet) remark("{}: {}\n", one_line(w.name), one_line(w.description));
      loaded.push_back(std::move(w));
    }
  if (!options.spec_lines.empty() && options.workloads.empty()) return loaded;
  if (loaded.empty() || !options.workloads.empty())
    for (Workload& w : load_workloads(project_folder("specs"))) loaded.push_back(std::move(w));
  if (options.workloads.empty()) {
    std::erase_if(loaded, [](const Workload& w) { return w.on_request; });
    return loaded;
  }
  std::vector<Workload> chosen;
  std::vector<std::string> names;
  for (const Workload& w : loaded) names.push_back(w.name);
  for (const std::string& glob : options.workloads) {
    const size_t before = chosen.size();
    for (const Workload& w : loaded)
      if (glob_matches(glob, w.name)) chosen.push_back(w);
    if (chosen.size() == before)
      fail("--workload {}: not among {}{}", glob, joined(names, ", "), did_you_mean(glob, names));
  }
  return chosen;
}

/// A line of --spec: one without types is measured with those of each --dtype.
std::vector<Spec> specs_of_line(const std::string& line, const std::vector<std::string>& dtypes) {
  const SpecFields given = parse_spec_fields(line, "--spec");
  const auto lacks = [&](const char* name) { return find_field(given, name) == nullptr; };
  std::vector<SpecFields> typed;
  if (lacks("dtA") && lacks("dtB") && lacks("dtD"))
    for (const std::string& dtype : dtypes) {
      const ProductTypes types = product_types_of_option(dtype);
      typed.push_back(given);
      for (const char* name : {"dtA", "dtB", "dtD"}) typed.back().emplace_back(name, types.of(name));
    }
  if (typed.empty()) typed.push_back(given);
  std::vector<Spec> specs;
  for (const SpecFields& fields : typed)
    for (const SpecFields& one : expand_ranges(fields, "--spec")) specs.push_back(make_spec(one, "--spec"));
  return specs;
}

std::vector<Spec> all_specs(const ProbeOptions& options, const std::vector<Workload>& workloads) {
  std::vector<Spec> specs;
  for (const std::string& line : options.spec_lines)
    for (Spec& spec : specs_of_line(line, options.selection.dtypes)) specs.push_back(std::move(spec));
  for (const Workload& workload : workloads)
    for (const WorkloadEntry& entry : workload.entries) specs.push_back(entry.spec);
  if (!options.traces.empty() && options.selection.dtypes.size() == 1)
    return specs;  // it said what the trace's types are
  const std::vector<Spec> own = specs;
  for (const std::string& dtype : options.selection.dtypes)
    for (Spec& spec : with_dtype(own, dtype)) specs.push_back(std::move(spec));
  return specs;
}

Accuracy parse_accuracy_option(const std::string& name) {
  try {
    return parse_accuracy(name);
  } catch (const Error& e) {
    fail("--accuracy: {}", e.what());
  }
}

/// What was skipped, pair by pair; on a terminal a line a reason, if at all.
std::string skips_text(const Plan& plan, const ProbeOptions& options, size_t width) {
  if (options.screen.skips) return skip_report(plan.skips, width);
  std::string text = "Skipped:\n";
  if (width == 0)
    for (const SkipGroup& skip : plan.skips)
      text += fmt::format(" - {}: {} skipped {} ({})\n", skip.variant, skip.op_name, skip.count, skip.reason);
  else
    text += fmt::format(" {} reasons: --skips\n", skip_reasons(plan.skips).size());
  return text;
}

void print_plan(const Plan& plan, const Sweep& sweep, const ProbeOptions& options) {
  const size_t width = describe_terminal(stdout).width;
  std::string text;
  for (const PlannedSpec& spec : plan.specs) {
    text += fmt::format("Spec {}:\n", spec.spec.line());
    for (const PlannedCase& c : spec.cases)
      text += fmt::format("   - {} ({}{})\n", c.variant->id(), c.isa->name,
                          c.over_limit.empty() ? "" : "; device_limit: " + c.over_limit);
    if (spec.cases.empty()) text += "   no variant supports it\n";
  }
  text += "\n" + skips_text(plan, options, width);
  const size_t missing = sweep.missing();
  text +=
      fmt::format("\n{} specs, {} cases; {} in the store, {} to measure: about {}\n", plan.specs.size(), plan.cases(),
                  size_t(plan.cases()) - missing, missing, duration_text(std::ceil(sweep.expected_seconds())));
  put(stdout, wrap_lines(text, width, 6));
}

int build_only(Sweep& sweep, Progress& progress) {
  const std::vector<std::string> errors = sweep.build_only();
  progress.finish();
  if (interrupted()) {
    remark("assay: interrupted; what was built is kept, and the same command builds the rest\n");
    return 130;
  }
  for (const std::string& error : errors) show("{}\n", error);
  return errors.empty() ? 0 : 1;
}

/// A disabled variant that was named may fail: it is known to.
bool any_failure(const SweepReport& report, const std::vector<const Variant*>& variants, const DeviceInfo& device) {
  std::set<std::string> enabled;
  for (const Variant* variant : variants)
    if (variant->disabled_reason(device.kind).empty()) enabled.insert(variant->id());
  for (const RankedSpec& spec : report.specs)
    for (const RankedCase& c : spec.cases)
      if (enabled.count(c.record.variant) && is_failure(c.record.outcome)) return true;
  return std::any_of(report.specs.begin(), report.specs.end(),
                     [](const RankedSpec& s) { return !s.quarantine.empty(); });
}

/// Only the self-test may have its times told wrong.
void refuse_scaled_times(const Plan& plan) {
  for (const PlannedSpec& spec : plan.specs)
    for (const PlannedCase& of : spec.cases)
      if (of.variant->timer_scale != 1)
        fail(
            "--kernels: {}: its manifest's \"harness\" scales what is timed, which is for assay selftest alone; leave "
            "it out",
            of.variant->id());
}

/// A line for each variant of the user's folders that is meant and in no case. Who disables one knows why.
void remark_without_case(const std::vector<Manifest>& manifests, const DeviceInfo& device, const Plan& plan,
                         const Selection& selection) {
  std::set<std::string> planned;
  for (const PlannedSpec& spec : plan.specs)
    for (const PlannedCase& of : spec.cases) planned.insert(of.variant->id());
  for (size_t i = 1; i < manifests.size(); ++i)  // the first is the shipped kernels'
    for (const Variant& variant : manifests[i].variants) {
      const std::string id = variant.id();
      const bool is_meant =
          selection.variants.empty() || std::any_of(selection.variants.begin(), selection.variants.end(),
                                                    [&](const std::string& glob) { return glob_matches(glob, id); });
      if (planned.count(id) || !is_meant || variant.role != Role::kernel) continue;
      if (!variant.disabled_reason(device.kind).empty()) continue;
      const auto skip = std::find_if(plan.skips.begin(), plan.skips.end(),
                                     [&](const SkipGroup& group) { return group.variant == id; });
      remark("--kernels: {} is measured on no spec: {}\n", id,
             skip != plan.skips.end()
                 ? skip->reason
                 : fmt::format("none is of op {}; give one with --spec", joined(variant.supports.op, ", ")));
    }
}

int run_probe(ProbeOptions options) {
  const int64_t began = now_ns();
  if (options.dry_run && options.build_only)
    fail("--dry-run builds nothing, --build-only builds the plan: give one of the two");
  for (const std::string& dtype : options.selection.dtypes) product_types_of_option(dtype);
  options.sweep.mode = parse_mode(options.mode);
  options.selection.accuracy = parse_accuracy_option(options.accuracy);
  options.sweep.footprint = int64_t(options.footprint_mb * 1024 * 1024);
  const auto backends = make_backends();
  const OpenedDevice device = find_device(backends, options.device, options.threads);
  if (device.described && !options.dry_run && !options.build_only)
    fail("--device {}: a description, not a device; add --dry-run to see the plan for it, or --build-only",
         options.device);
  options.sweep.effort = Effort::of(device.info, options.sweep.thorough);
  if (options.sweep.counters)
    if (const std::string missing = device.backend->counters_missing(device.info); !missing.empty()) {
      options.sweep.counters = false;
      remark("--counters: nothing is counted: {}\n", missing);
    }
  const std::vector<Workload> workloads = choose_workloads(options);
  std::vector<Manifest> manifests = load_manifests(*device.backend, options.kernels);
  if (options.sweep.mode == Mode::chained) {
    if (!device.info.can_overlap())
      fail("--mode chained: launches of {} cannot overlap; choose an NVIDIA GPU of compute capability 9.0 or newer",
           device.info.id);
    for (Manifest& manifest : manifests) build_for_chains(manifest);
  }
  const std::vector<const Variant*> variants = all_variants(manifests);
  const Plan plan = make_plan(all_specs(options, workloads), variants, device.info, options.selection);
  refuse_scaled_times(plan);
  remark_without_case(manifests, device.info, plan, options.selection);

  options.sweep.environment = describe_environment(*device.backend, device.info);
  BuildCache cache = open_build_cache(*device.backend);
  // What measures nothing leaves nothing behind.
  const bool keeps = !options.dry_run && !options.build_only;
  std::error_code ignored;
  const bool readable = std::filesystem::exists(options.store, ignored);
  const auto store_of_run = keeps || readable
                                ? std::make_unique<Store>(checked_store(options.store),
                                                          keeps ? Store::Access::read_write : Store::Access::read_only)
                                : std::make_unique<Store>();
  Store& store = *store_of_run;

  const Terminal terminal = describe_terminal(stderr);
  Progress progress(stderr, terminal.live, size_t(plan.cases()), options.sweep.effort.visits - 1);
  SweepEvents events;
  if (!options.quiet) {
    events.on_case = [&](const Variant& v, const Spec& spec) { progress.start(v.name, v.family, spec.short_name()); };
    events.on_done = [&](size_t cases) { progress.advance(cases); };
    events.on_revisit = [&](int visit, const Spec& spec, size_t i, size_t n) {
      progress.again(visit, spec.short_name(), i, n);
    };
    events.on_build = [&](const Variant& v, size_t done, size_t total) { progress.build(v.id(), done, total); };
    events.note = [&](const std::string& line) { progress.note(line); };
  }
  Sweep sweep(*device.backend, device.info, variants, plan, cache, store, options.sweep, events);
  if (options.dry_run || options.build_only)
    options.formats->remark_unwritten(options.dry_run ? "--dry-run" : "--build-only");
  if (options.dry_run) {
    print_plan(plan, sweep, options);
    return 0;
  }
  const CatchInterrupt catch_interrupt;
  if (options.build_only) return build_only(sweep, progress);
  if (!options.quiet) progress.advance(size_t(plan.cases()) - sweep.missing());
  std::string trouble;
  try {
    sweep.run();
  } catch (const Error& e) {
    trouble = e.what();  // a full disk, say: what is done is still worth showing
  }
  progress.finish();

  SweepReport report = sweep.report(workloads);
  report.elapsed_s = double(now_ns() - began) * 1e-9;
  end_stage_now();
  report.stages = stage_seconds();
  options.formats->write({{"text", [&](const Terminal& out) { return probe_text(report, options.screen, out); }},
                          {"csv", [&](auto&) { return csv_report(report); }},
                          {"json", [&](auto&) { return json_report(report); }},
                          {"markdown", [&](auto&) { return markdown_report(report); }},
                          {"t4", [&](auto&) { return t4_json(report, variants); }}});
  if (!trouble.empty()) throw Error(trouble);
  if (interrupted()) return 130;
  return any_failure(report, variants, device.info) ? 1 : 0;
}

}  // namespace

CommandRun add_probe(Options options, CommandFiles& files) {
  const auto o = std::make_shared<ProbeOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "Each launch runs on poisoned buffers and is checked afterwards, samples of them element by element against a "
      "double-precision "
      "reference; only proved results are ranked. Results are kept in the store: a second run measures what is missing "
      "or was noisy, an "
      "edited kernel alone.\n\n"
      "Examples:\n"
      "  assay probe --dry-run                                    the plan and how long it takes\n"
      "  assay probe --workload '*q8' --thorough                  one workload, more samples\n"
      "  assay probe --spec 'op=matmul | batch=1 | m=1 | n=1024..4096..1024 | k=4096 | tA=0 | tB=1' --dtype f16\n"
      "  assay probe --from run.jsonl --dtype q8_0                what a traced run called\n"
      "  assay probe --model model.gguf --m 1,8 --context 1024    what that model computes\n"
      "  assay probe --kernels docs/examples/drop-in --variant 'my_gemv/*' --variant 'gemv_rowdot/*' --shape n=9728\n\n"
      "Exit codes: 0 fine; 1 an enabled variant failed; 2 an error, named on stderr; 130 Ctrl-C: what was measured is "
      "in "
      "the store.");
  const Options what = options.group("What to measure");
  what.add("--workload", o->workloads, "workloads by name or glob (default: those in specs/ but those on request)");
  files.add(Part::input, what.add("--specs", o->spec_files, "further workload files (JSON as in specs/README.md)"));
  files.add(Part::input,
            what.add("--from", o->traces,
                     "traces of runs: the hot shapes of each are a workload (as assay analyze --specs-out writes it)"));
  files.add(Part::input, what.add("--model", o->models,
                                  "model files (GGUF): a step of each is a workload, as assay specs shows it"));
  const std::vector<Option> step_options = add_step_options(what, o->step);
  files.add(Part::input, [o] { return files_of_kernels(o->kernels, o->device); });
  what.add("--spec", o->spec_lines,
           "one spec line; whole numbers may be ranges: n=16..96, or in steps length=64..4096..64");
  what.add("--variant", o->selection.variants,
           "globs on family/name (default: every enabled one; a disabled one runs when named in full)");
  what.add("--op", o->selection.ops, "globs on the spec's op name");
  what.add("--shape", o->selection.shapes, "n=9728 or k=800..900 or m=1,n=64: several terms must all hold").uncut();
  what.add("--dtype", o->selection.dtypes,
           "also measure the specs with these weights: f16, q4_0, … (specs/README.md); f32:q4_0 has F32 around them");
  what.add("--accuracy", o->accuracy,
           "the least accurate class of variants that is measured: exact, f16_activation, bf16_activation or "
           "int8_activation")
      .show_default();
  what.add("--kernels", o->kernels, "folders with drop-in kernels: manifest.json and sources (docs/drop-in-kernels.md)")
      .existing_folder();
  const Options how = options.group("How to measure");
  how.add("--device", o->device,
          "cpu, cuda:0 …: assay devices lists them; or a description of one, FILE.json, for --dry-run and --build-only")
      .show_default();
  how.add("--mode", o->mode,
          "decode: weights cold, the rest hot; cold: all cold, each launch alone; hot: all hot; batched: 20 dispatches "
          "a submission; chained: launches begin before the ones before them have ended, where their kernels can (GPU)")
      .show_default();
  how.add("--threads", o->threads, "use fewer than all allowed CPUs").whole(1, 1'000'000);
  how.add("--footprint", o->footprint_mb, "MB that cold weights rotate over (default: chosen from the ceilings)")
      .number(1, 65536);
  how.flag("--thorough", o->sweep.thorough, "many more rounds: ten times the time, narrower intervals");
  how.flag(
      "--counters", o->sweep.counters,
      "instructions, cycles and bytes from memory of a launch by the hardware's counters, where it lets them be read");
  how.flag("--fresh", o->sweep.fresh, "measure again what the store has");
  how.add("--host-gap-device", o->sweep.ranking.host_gap_device_ms,
          "[host-gap]: device time within so many ms of the best …")
      .show_default()
      .number(0, 1e6);
  how.add("--host-gap-host", o->sweep.ranking.host_gap_host_ms, "… and host time lower than the best's by so many ms")
      .show_default()
      .number(0, 1e6);
  const Options results = options.group("Results");
  files.add(Part::store,
            results.add("--store", o->store, "the file that keeps every result").show_default().type("FILE"));
  o->formats = std::make_shared<ReportFormats>(options, files,
                                               std::vector<std::string>{"text", "csv", "json", "markdown", "t4"});
  results.flag("--dry-run", o->dry_run, "show the plan, its skips and the expected time; measure nothing");
  results.flag("--build-only", o->build_only, "compile the plan's kernels and stop: a later probe only measures");
  results.flag("--full", o->screen.full,
               "on a terminal: a row a variant, where there would be one screen with the verdict (a pipe gets all)");
  results.flag("--skips", o->screen.skips, "also the pairs of spec and variant that were left out, a line a reason");
  results.flag("--verbose", o->screen.verbose,
               "as --full, where each line of a workload comes from, and where the time of the run went");
  results.flag("--quiet", o->quiet, "no progress");
  return [o, step_options] {
    if (o->models.empty()) refuse_given(step_options, "a model's step; add --model FILE");
    return run_probe(*o);
  };
}

}  // namespace assay

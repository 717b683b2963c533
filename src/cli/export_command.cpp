// assay export: winners of the store as a folder that another engine builds without assay.

#include <ctime>
#include <memory>

#include "base/error.h"
#include "base/joined.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/model_steps.h"
#include "cli/version.h"
#include "probe/sweep.h"
#include "tune/export_folder.h"
#include "tune/export_text.h"
#include "tune/exporter.h"

namespace assay {
namespace {

struct ExportOptions {
  std::vector<std::string> specs, workloads, spec_files, models, kernels;
  std::string out, device = "cpu", mode = "decode", store = default_store().string(), accuracy = "int8_activation";
  std::string prefix;
  StepOptions step;
  int threads = 0;
  double footprint_mb = 0;
};

std::vector<Workload> choose_workloads(const ExportOptions& options) {
  std::vector<Workload> chosen, shipped;
  for (const std::string& file : options.spec_files) chosen.push_back(load_workload(file));
  for (const std::string& model : options.models)
    for (Workload& w : model_workloads(model, options.step)) chosen.push_back(std::move(w));
  if (!options.workloads.empty()) shipped = load_workloads(project_folder("specs"));
  std::vector<std::string> names;
  for (const Workload& w : shipped) names.push_back(w.name);
  for (const std::string& glob : options.workloads) {
    const size_t before = chosen.size();
    for (const Workload& w : shipped)
      if (glob_matches(glob, w.name)) chosen.push_back(w);
    if (chosen.size() == before)
      fail("--workload {}: not among {}{}", glob, joined(names, ", "), did_you_mean(glob, names));
  }
  return chosen;
}

std::vector<Spec> choose_specs(const ExportOptions& options) {
  std::vector<Spec> specs;
  for (const std::string& line : options.specs)
    for (const SpecFields& fields : expand_ranges(parse_spec_fields(line, "SPEC"), "SPEC"))
      specs.push_back(make_spec(fields, "SPEC"));
  for (const Workload& workload : choose_workloads(options))
    for (const WorkloadEntry& entry : workload.entries) specs.push_back(entry.spec);
  if (specs.empty()) fail("nothing to export: name a SPEC, or --workload, --specs or --model");
  return specs;
}

/// The command whose results are looked for.
std::string probe_command(const ExportOptions& o) {
  std::string text = "assay probe";
  const auto add = [&](const char* option, const std::vector<std::string>& values) {
    for (const std::string& value : values) text += fmt::format(" {} '{}'", option, value);
  };
  add("--spec", o.specs);
  add("--workload", o.workloads);
  add("--specs", o.spec_files);
  add("--model", o.models);
  if (!o.models.empty() && o.step.tokens != "1") text += " --m " + o.step.tokens;
  if (!o.step.contexts.empty()) text += " --context " + o.step.contexts;
  if (!o.models.empty() && o.step.activations != "f16") text += " --activations " + o.step.activations;
  add("--kernels", o.kernels);
  if (o.device != "cpu") text += " --device " + o.device;
  if (o.mode != "decode") text += " --mode " + o.mode;
  if (o.threads > 0) text += fmt::format(" --threads {}", o.threads);
  if (o.footprint_mb > 0) text += fmt::format(" --footprint {}", o.footprint_mb);
  if (o.store != default_store().string()) text += fmt::format(" --store '{}'", o.store);
  return text;
}

/// "assay 0.1.0 (9f3e…)" of an environment's first line, "assay: 0.1.0 (9f3e…)".
std::string program_of(const Store& store, const CaseRecord& record) {
  const auto environment = store.environment(record.environment);
  if (!environment || !environment->text.starts_with("assay: ")) return "assay";
  return "assay " + environment->text.substr(7, environment->text.find('\n') - 7);
}

int run_export(const ExportOptions& options) {
  check_export_folder(options.out);
  Selection selection;
  try {
    selection.accuracy = parse_accuracy(options.accuracy);
  } catch (const Error& e) {
    fail("--accuracy: {}", e.what());
  }
  SweepOptions sweep_options;
  sweep_options.mode = parse_mode(options.mode);
  sweep_options.footprint = int64_t(options.footprint_mb * 1024 * 1024);
  const auto backends = make_backends();
  const OpenedDevice device = find_device(backends, options.device, options.threads);
  const std::vector<Manifest> manifests = load_manifests(*device.backend, options.kernels);
  const std::vector<const Variant*> variants = all_variants(manifests);
  const Plan plan = make_plan(choose_specs(options), variants, device.info, selection);
  std::error_code ignored;
  const bool has_store = std::filesystem::exists(options.store, ignored);
  const auto store = has_store ? std::make_unique<Store>(checked_store(options.store), Store::Access::read_only)
                               : std::make_unique<Store>();
  BuildCache cache = open_build_cache(*device.backend);
  Sweep sweep(*device.backend, device.info, variants, plan, cache, *store, sweep_options, {});
  SweepReport report = sweep.report({});
  if (!has_store) report.store_file = options.store + " (it is not there)";
  const Winners winners = choose_winners(report, plan, probe_command(options));

  ExportRequest request;
  request.prefix = options.prefix.empty() ? "fast_" + device.backend->name() : options.prefix;
  request.device = device.info;
  request.module_flags = device.backend->compiler().module_flags;
  request.kernels = project_folder("kernels") / device.backend->name();
  request.templates = project_folder("kernels") / "export";
  request.program = fmt::format("assay {} ({})", program_version(), program_commit());
  request.date = date_text(std::time(nullptr));
  request.measured_by = [&](const CaseRecord& record) { return program_of(*store, record); };
  ExportedFiles files = make_export(request, winners);
  const size_t count = files.size() + 1;
  write_export(options.out, std::move(files), about_export(request, winners));

  for (const Winner& w : winners.all) {
    show("{}: {}, {:.2f} us, {:.1f} % of the floor\n", w.spec.short_name_with_layout(), w.variant->id(), w.median_us,
         w.percent_of_floor);
    for (const std::string& note : w.notes) show("  {}\n", note);
  }
  for (const std::string& line : winners.left_out) remark("not exported: {}\n", line);
  show("{} files in {}; check them: make -C {} test\n", count, options.out, options.out);
  return 0;
}

}  // namespace

CommandRun add_export(Options options, CommandFiles& files) {
  const auto o = std::make_shared<ExportOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "The fastest proved kernels of this device's results, as source with a C header that chooses by shape, test "
      "vectors and a Makefile; docs/export.md explains it. A vendor's library stays where it is: the best kernel of "
      "assay's own is exported, and a note says how far behind it is.\n"
      "Example: assay probe --workload qwen2.5-0.5b-f16 && assay export --workload qwen2.5-0.5b-f16 --out fast\n"
      "         make -C fast test\n\n"
      "Exit codes: 0 fine; 2 there are no results, or the folder cannot be written.");
  const Options what = options.group("What to export");
  what.add("SPEC", o->specs, "spec lines, as assay probe --spec takes them").type("").uncut();
  what.add("--workload", o->workloads, "workloads by name or glob");
  files.add(Part::input, what.add("--specs", o->spec_files, "workload files"));
  files.add(Part::input, what.add("--model", o->models, "model files (GGUF): the specs of a step of each"));
  const std::vector<Option> step_options = add_step_options(what, o->step);
  what.add("--accuracy", o->accuracy,
           "the least accurate class: exact, f16_activation, bf16_activation or int8_activation")
      .show_default();
  const Options results = options.group("Whose results");
  results.add("--device", o->device, "the device that was measured: cpu, cuda:0 …; or a description of one, FILE.json")
      .show_default();
  results.add("--mode", o->mode, "as the probe had it").show_default();
  results.add("--threads", o->threads, "as the probe had it").whole(1, 1'000'000);
  results.add("--footprint", o->footprint_mb, "MB, as the probe had it").number(1, 65536);
  results.add("--kernels", o->kernels, "folders with drop-in kernels, as the probe had them").existing_folder();
  files.add(Part::input, [o] { return files_of_kernels(o->kernels, o->device); });
  files.add(Part::store,
            results.add("--store", o->store, "the file that keeps every result").show_default().type("FILE"));
  const Options where = options.group("Where to");
  where.add("--out", o->out, "the folder: new, empty, or an earlier export, which is replaced").required().type("DIR");
  where.add("--prefix", o->prefix, "what C names begin with (default: fast_cpu, fast_cuda)").filled().type("NAME");
  return [o, step_options] {
    if (o->models.empty()) refuse_given(step_options, "a model's step; add --model FILE");
    return run_export(*o);
  };
}

}  // namespace assay

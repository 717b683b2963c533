// assay replay: a whole decode step as one program.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/interruption.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "cli/number_option.h"
#include "cli/report_formats.h"
#include "cli/table_files.h"
#include "engine/session.h"
#include "measure/case_key.h"
#include "model/forward_pass.h"
#include "model/inspection.h"
#include "probe/sweep.h"
#include "spec/workload.h"
#include "tune/replay.h"

namespace assay {
namespace {

constexpr int64_t kMostLaunches = 1 << 20;  // of a submission

struct ReplayOptions {
  std::string what, device = "cpu", table, batches = "1,0", store = default_store().string(), cache_type = "f32";
  std::vector<std::string> kernels, overrides;
  int64_t depth = 128;
  int threads = 0, rounds = 10;
  bool quiet = false;
  std::shared_ptr<ReportFormats> formats;
};

/// Adds a launch of a spec that may be there already.
void add_launch(ReplayStep& step, const Spec& spec, const std::string& role) {
  const std::string line = spec.math_line();
  auto place =
      std::find_if(step.ops.begin(), step.ops.end(), [&](const ReplayOp& op) { return op.spec.math_line() == line; });
  if (place == step.ops.end()) place = step.ops.insert(place, ReplayOp{spec, role, {}, 0});
  ++place->calls;
  step.launches.push_back(size_t(place - step.ops.begin()));
}

ReplayStep step_of_model(const ReplayOptions& o, const KernelChooser& chooser) {
  const Gguf file{std::filesystem::path(o.what)};
  if (const std::string why_not = inspect(file).why_not; !why_not.empty()) fail("{}: {}", file.name(), why_not);
  const ModelConfig config = read_model_config(file);
  if (const int64_t most = config.most_positions(); most > 0 && o.depth >= most)
    fail("--depth {}: the context of {} holds {}, and a token is decoded behind it; give a smaller one", o.depth,
         o.what, most);
  ReplayStep step;
  PassRequest pass;
  pass.capacity = cache_capacity(o.depth + 1, config.most_positions());
  pass.cache = cache_type_of(o.cache_type, config, o.what);
  pass.fuses_swiglu = fuses_swiglu(file, config, pass, chooser);
  for (const PassOp& op : forward_pass(file, config, pass)) {
    SpecFields fields = parse_spec_fields(op.line, file.name());
    for (auto& [key, value] : fields)
      if (key == "length") value = std::to_string(o.depth + 1);
    add_launch(step, make_spec(fields, file.name()), op.role);
    step.operands.push_back(op.operands);
  }
  return step;
}

/// Which op each launch is of. Where an op's calls stand in its layer: evenly apart, as far behind the layer's begin as
/// the op in the list.
std::vector<size_t> order_of_calls(const std::vector<std::pair<const Spec*, int64_t>>& calls) {
  std::vector<int64_t> counts;
  for (const auto& [spec, count] : calls)
    if (count > 1) counts.push_back(count);
  std::sort(counts.begin(), counts.end());
  const double layers = counts.empty() ? 1 : double(counts[counts.size() / 2]);
  std::vector<std::pair<double, size_t>> places;
  bool in_layers = false;
  for (size_t op = 0; op < calls.size(); ++op) {
    const int64_t count = calls[op].second;
    in_layers |= count > 1;
    const double of_layer = std::max(1.0, std::floor(double(count) / layers)),
                 apart = double(op) / double(calls.size());
    for (int64_t call = 0; call < count; ++call)
      places.emplace_back(count == 1 ? (in_layers ? 2 * layers : -1) : (double(call) + apart) / of_layer, op);
  }
  std::stable_sort(places.begin(), places.end());
  std::vector<size_t> order;
  for (const auto& [place, op] : places) order.push_back(op);
  return order;
}

/// A workload has no order: its ops take turns, as those of layers do; what is called once stands before or behind
/// them, as it is listed. Of a family its middle length stands for all.
ReplayStep step_of_workload(const Workload& workload) {
  std::vector<std::pair<const Spec*, int64_t>> calls;
  std::vector<Spec> members;
  members.reserve(workload.families.size());
  for (const WorkloadEntry& entry : workload.entries)
    if (entry.family.empty())
      calls.emplace_back(&entry.spec, std::max<int64_t>(1, std::llround(entry.calls_per_token)));
  for (const WorkloadFamily& family : workload.families) {
    members.push_back(family_member(family, (family.first + family.last) / 2));
    const double all = family.calls_per_token_each * double(family.last - family.first + 1);
    calls.emplace_back(&members.back(), std::max<int64_t>(1, std::llround(all)));
  }
  ReplayStep step;
  for (const size_t call : order_of_calls(calls)) add_launch(step, *calls[call].first, calls[call].first->op_name);
  if (step.launches.empty()) fail("{}: has no op to replay", workload.name);
  return step;
}

ReplayStep step_of(const ReplayOptions& o, const KernelChooser& chooser) {
  std::error_code ignored;
  if (o.what.ends_with(".gguf")) return step_of_model(o, chooser);
  if (std::filesystem::is_regular_file(o.what, ignored)) {
    if (o.what.ends_with(".json")) return step_of_workload(load_workload(o.what));
    return step_of_model(o, chooser);
  }
  std::vector<std::string> names;
  for (const Workload& workload : load_workloads(project_folder("specs"))) {
    if (workload.name == o.what) return step_of_workload(workload);
    names.push_back(workload.name);
  }
  fail("{}: neither a model file (GGUF), a workload file (JSON) nor a shipped workload{}", o.what,
       did_you_mean(o.what, names));
}

/// What the store's results of this device say is fastest, for devices that no table is for: in mode chained where it
/// has been measured so.
void choose_from_store(ReplayStep& step, const ReplayOptions& o, const OpenedDevice& device,
                       const std::vector<const Variant*>& variants, const std::vector<const Variant*>& unchained,
                       BuildCache& cache, const KernelChooser& chooser) {
  std::vector<Spec> specs;
  for (const ReplayOp& op : step.ops) specs.push_back(op.spec);
  std::error_code ignored;
  const auto store = std::filesystem::exists(o.store, ignored)
                         ? std::make_unique<Store>(checked_store(o.store), Store::Access::read_only)
                         : std::make_unique<Store>();
  const auto take_best_of = [&](Mode mode, const std::vector<const Variant*>& measured) {
    SweepOptions options;
    options.mode = mode;
    Sweep sweep(*device.backend, device.info, measured, make_plan(specs, measured, device.info, {}), cache, *store,
                options, {});
    const SweepReport report = sweep.report({});
    for (ReplayOp& op : step.ops)
      for (const RankedSpec& ranked : report.specs)
        if (!op.choice.variant && ranked.math_line == op.spec.math_line() && ranked.best >= 0) {
          const Variant& best = find_variant(variants, ranked.cases[size_t(ranked.best)].record.variant, "the store");
          op.choice = {&best, choose_isa(best, device.info), std::string("store, ") + std::string(mode_name(mode))};
        }
  };
  if (device.info.can_overlap()) take_best_of(Mode::chained, variants);
  take_best_of(Mode::decode, unchained);
  for (ReplayOp& op : step.ops)
    if (!op.choice.variant) op.choice = chooser.choose(op.spec);
}

/// A launch that does nothing, built to wait as those of a chain do.
Variant empty_variant(const std::vector<const Variant*>& variants) {
  for (const Variant* variant : variants)
    if (variant->family == "peak_dispatch") {
      Variant empty = *variant;
      empty.compile_flags.emplace_back(kChainedFlag);
      return empty;
    }
  return {};
}

int run_replay(const ReplayOptions& o) {
  const auto backends = make_backends();
  OpenedDevice device = find_device(backends, o.device, o.threads);
  if (o.threads == 0 && device.info.cores > 0) device = find_device(backends, o.device, device.info.cores);
  if (device.described) fail("--device {}: a description, not a device: nothing can run there", o.device);
  const std::vector<Manifest> usual = load_manifests(*device.backend, o.kernels);
  std::vector<Manifest> manifests = usual;
  for (Manifest& manifest : manifests)
    if (device.info.can_overlap()) build_for_chains(manifest);
  const std::vector<const Variant*> variants = all_variants(manifests);
  BuildCache cache = open_build_cache(*device.backend);
  std::vector<KernelOverride> overrides;
  for (const std::string& text : o.overrides) overrides.push_back(parse_kernel_override(text));
  std::error_code ignored;
  std::optional<ChosenTable> table;
  if (!o.table.empty() || std::filesystem::exists(shipped_table(device.info), ignored))
    table = choose_table(o.table, device.info, variants, cache);
  const KernelChooser chooser(device.info, variants, table ? table->entries : nullptr, overrides,
                              manifests.front().variants.size());
  ReplayStep step = step_of(o, chooser);
  std::vector<const Spec*> specs;
  for (const ReplayOp& op : step.ops) specs.push_back(&op.spec);
  check_overrides(overrides, specs, variants);
  if (table || !overrides.empty())
    for (ReplayOp& op : step.ops) op.choice = chooser.choose(op.spec);
  else
    choose_from_store(step, o, device, variants, all_variants(usual), cache, chooser);

  ReplayRequest request{device.backend, &device.info, &cache, {}, {}, {}};
  const Variant empty = empty_variant(variants);
  if (!empty.family.empty()) request.empty = {&empty, choose_isa(empty, device.info), ""};
  request.batches = *parse_number_list(o.batches, 0, kMostLaunches);
  const bool live = describe_terminal(stderr).live && !o.quiet;
  request.note = [&](const std::string& line) {
    if (live) put(stderr, "\r\x1b[K" + one_line(line));
  };
  const CatchInterrupt catch_interrupt;
  Replay replay(step, request);
  replay.measure(o.rounds);
  const std::vector<ReplayBatch>& batches = replay.batches();
  if (live) put(stderr, "\r\x1b[K");
  if (batches.empty() || batches[0].ms.empty()) {
    if (!interrupted()) fail("{}: nothing was measured", o.what);
    remark("assay: interrupted before the first round\n");
    return 130;
  }
  const std::string title =
      fmt::format("{} on {}, {} threads: {} launches{}", o.what, device.info.name, device.info.threads,
                  step.launches.size(), table ? "; table " + table->text() : "");
  o.formats->write(
      {{"text", [&](const Terminal& out) { return replay_text(step, batches, title, out.width, out.colour); }},
       {"json", [&](auto&) { return replay_json(step, batches, device.info.name); }}});
  if (!interrupted()) return 0;
  remark("assay: interrupted\n");
  return 130;
}

}  // namespace

CommandRun add_replay(Options options, CommandFiles& files) {
  const auto o = std::make_shared<ReplayOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "Every op of a step gets weights of its own, so that all are cold as in a model; values are drawn. The step runs "
      "as "
      "one program, with fewer launches a submission, and each op alone in a chain of its calls, in shuffled rounds. "
      "What "
      "the step takes beyond the sum of its ops is what they do to each other; what many submissions take beyond one "
      "is "
      "what submitting costs. On CUDA a submission is a graph; where launches can overlap the step runs as a chain as "
      "well, by the device's clock, and `in context` is what it is faster without an op.\n"
      "Kernels: those of the table (--table, else as run finds it); on a device without one the best of the store, of "
      "`probe --mode chained` first.\n"
      "Example: assay replay model.gguf --batch 1,8,0\n"
      "         assay replay qwen2.5-0.5b-step-f16 --device cuda:0\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C, with the rounds so far.");
  options.add("WHAT", o->what, "a model (GGUF), a workload file, or a shipped workload's name").required().type("");
  files.add(Part::input, [o] {
    std::error_code ignored;
    const bool is_file = o->what.empty() || std::filesystem::exists(o->what, ignored);
    return is_file ? std::vector<NamedFile>{{"WHAT", o->what}} : std::vector<NamedFile>();
  });
  options.add("--device", o->device, "cpu, cuda:0 …").show_default();
  options.add("-t,--threads", o->threads, "threads (default: one a core)").whole(1, 4096).type("N");
  options.add("--batch", o->batches, "launches a submission, commas between; 0: all of the step")
      .show_default()
      .whole_numbers(0, kMostLaunches)
      .type("LIST");
  options.add("--depth", o->depth, "of a model: tokens in the KV cache").show_default().whole(1, 1 << 20);
  options.add("--cache-type", o->cache_type, "of a model's KV cache: f32, f16 or q8_0").show_default();
  options.add("--rounds", o->rounds, "samples of each").show_default().whole(1, 10'000).type("N");
  files.add(Part::input, options.add("--table", o->table, "which kernels compute what").type("FILE"));
  options.add("--kernel", o->overrides, "the kernel of specs, 'GLOB=FAMILY/NAME', as assay run has it")
      .one_at_a_time()
      .uncut()
      .type("RULE");
  options.add("--kernels", o->kernels, "folders with drop-in kernels").existing_folder();
  files.add(Part::input, [o] { return files_of_kernels(o->kernels); });
  options.flag("--quiet", o->quiet, "no progress");
  files.add(Part::store,
            options.add("--store", o->store, "whose results choose where no table does").show_default().type("FILE"));
  o->formats = std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "json"});
  return [o] { return run_replay(*o); };
}

}  // namespace assay

// assay selftest: kernels that are wrong on purpose, and honest ones, each with the outcome that it deserves.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/scratch_folder.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/report_formats.h"
#include "probe/expectations.h"
#include "probe/sweep.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/progress.h"
#include "report/table.h"
#include "report/table_json.h"

namespace assay {
namespace {

constexpr double kWatchdogS =
    3;  // what hangs costs so long; where a busy machine made it too short, kPatientS is asked next
constexpr double kPatientS = 20;
constexpr int kAttempts = 6;  // at a spec, while time alone keeps a kernel from what it deserves …
constexpr double kBudgetS = 1, kPatientBudgetS = 3;  // … for which the later ones take longer
// Beside other work launches take longer; a mutant may be wrong in one of thousands.
constexpr double kWholeSweepS = 15;
constexpr double kLateMs = 2'000;  // beside other work: a mutant may be wrong after thousands of launches
constexpr int kLeastRounds = 12;   // of 8 launches each, however busy the machine: some mutants are wrong in one of 64
// … in time, however long the best takes: beside other work a turn may take a thousand times as long as a quiet one.
constexpr double kLetNobodyGo = 1e6, kLetGoOnGpu = 3;  // … whose times are a GPU's own
// Weights smaller than this have hundreds of copies in as many bytes. What a probe fills, hundreds of MB, would take
// each spec a second; only where times must show what a kernel did are the weights larger, and lie in memory as a
// probe's do.
constexpr int64_t kSmallWeights = int64_t(16) << 20;
// Of all kernels of a spec of small weights together: what is wrong by little only a sum over many launches shows.
constexpr int kTurns = 100;

/// All of them at once: no core waits for the last module of each spec, and what they include first is compiled once.
void build_modules(BuildCache& cache, const DeviceInfo& device, const Trials& trials, const Expectations& expectations,
                   const std::vector<const Variant*>& usual, const std::vector<const Variant*>& chained,
                   Progress& progress) {
  std::vector<BuildRequest> requests;
  for (const auto& [name, spec] : expectations.specs) {
    Selection selection;
    selection.variants = trials.needed(name);
    if (selection.variants.empty()) continue;
    const Plan plan = make_plan({spec}, expectations.chained.count(name) > 0 ? chained : usual, device, selection);
    for (const PlannedSpec& planned : plan.specs)
      for (const PlannedCase& c : planned.cases)
        if (c.over_limit.empty()) requests.push_back({c.variant, c.isa});
  }
  const auto told = [&](const BuildRequest& request, const BuiltModule& module, size_t done, size_t total) {
    if (!module.from_cache) progress.build(request.variant->id(), done, total);
  };
  cache.build_all(requests, int(std::max(1u, std::thread::hardware_concurrency())), told, interrupted);
}

struct SelftestOptions {
  std::string device = "cpu";
  std::shared_ptr<ReportFormats> formats;
};

int run_selftest(const SelftestOptions& options) {
  const int64_t began = now_ns();
  const auto backends = make_backends();
  const OpenedDevice device = find_device(backends, options.device, 0);
  if (device.described) fail("--device {}: a description, not a device: kernels must run here", options.device);
  const std::string backend = device.backend->name();
  const std::string folder = project_folder(backend == "cpu" ? "tests/mutants" : "tests/mutants/" + backend).string();
  const Expectations expectations =
      load_expectations(folder + "/expected.json", device.info.can_overlap(), device.info.threads);
  const std::vector<Manifest> manifests = load_manifests(*device.backend, {folder});
  std::vector<Manifest> chained_manifests = manifests;
  for (Manifest& manifest : chained_manifests) build_for_chains(manifest);
  const std::vector<const Variant*> usual = all_variants(manifests), chained = all_variants(chained_manifests);
  BuildCache cache = open_build_cache(*device.backend);

  // A store of its own: nothing wrong on purpose may lie among results.
  const ScratchFolder folder_of_store("assay-selftest");
  const std::filesystem::path store_file = folder_of_store.path() / "results.sqlite";
  SweepOptions sweep_options;
  sweep_options.environment = describe_environment(*device.backend, device.info);
  sweep_options.effort.screen_ratio = sweep_options.effort.contender_ratio =
      device.info.one_worker ? kLetGoOnGpu : kLetNobodyGo;
  sweep_options.effort.rounds = 60;
  sweep_options.effort.visits = 1;
  sweep_options.effort.turn_least_launches = sweep_options.effort.turn_launches;
  sweep_options.effort.whole_sweep_s = sweep_options.effort.every_number_s = kWholeSweepS;
  sweep_options.effort.late_ms = kLateMs;
  sweep_options.effort.proves_all = true;
  sweep_options.fresh = true;

  const Terminal terminal = describe_terminal(stderr);
  Progress progress(stderr, terminal.live, expectations.all.size());
  SweepEvents events;
  events.on_case = [&](const Variant& v, const Spec& spec) { progress.start(v.name, v.family, spec.short_name()); };
  events.on_done = [&](size_t cases) { progress.advance(cases); };
  if (!terminal.live) events.on_case = nullptr;
  events.note = [&](const std::string& line) { progress.note(line); };

  const CatchInterrupt catch_interrupt;
  Trials trials(expectations);
  build_modules(cache, device.info, trials, expectations, usual, chained, progress);
  {
    Store store(store_file);
    for (const auto& [name, spec] : expectations.specs) {
      const bool is_chained = expectations.chained.count(name) > 0;
      const std::vector<const Variant*>& variants = is_chained ? chained : usual;
      sweep_options.mode = is_chained ? Mode::chained : Mode::decode;
      const bool is_small = !device.info.one_worker && spec.weight_bytes() < kSmallWeights;
      sweep_options.footprint = is_small ? kSmallWeights : 0;
      for (int attempt = 0; attempt < kAttempts && !interrupted(); ++attempt) {
        Selection selection;
        selection.variants = trials.needed(name);
        if (selection.variants.empty()) break;
        const int rounds = is_small ? kTurns / int(selection.variants.size()) : 0;
        sweep_options.effort.least_rounds = sweep_options.effort.noisy_rounds = std::max(rounds, kLeastRounds);
        sweep_options.effort.watchdog_s = sweep_options.effort.setup_watchdog_s = attempt > 0 ? kPatientS : kWatchdogS;
        sweep_options.effort.spec_budget_s = attempt > 0 ? kPatientBudgetS : kBudgetS;
        Sweep sweep(*device.backend, device.info, variants, make_plan({spec}, variants, device.info, selection), cache,
                    store, sweep_options, events);
        sweep.run();
        const SweepReport report = sweep.report({});
        trials.add_attempt(name, report.specs.empty() ? RankedSpec() : report.specs[0]);
      }
      if (interrupted()) break;
    }
  }
  progress.finish();
  if (interrupted()) {
    remark("assay: interrupted\n");
    return 130;
  }

  Table table;
  table.columns = {{"what", "kernel that", Column::Format::text, 9, 20},
                   {"spec", "spec", Column::Format::text, 4, 0},
                   {"outcome", "outcome", Column::Format::text, 9, 0},
                   {"verdict", "", Column::Format::text, 9, 0},
                   {"detail", "because", Column::Format::text, 5, 30}};
  size_t failures = 0;
  for (const Trial& trial : trials.all()) {
    failures += !trial.is_fine();
    const std::string verdict = trial.desert == Desert::exact      ? "ok"
                                : trial.desert == Desert::unranked ? "ok, too noisy to rank"
                                                                   : "NOT OK: " + trial.problem;
    table.rows.push_back({trial.expected.why, trial.expected.spec, trial.outcome, verdict, one_line(trial.detail)});
  }
  const std::string sum =
      fmt::format("{} of {} kernels got what they deserve ({:.1f} s)\n", expectations.all.size() - failures,
                  expectations.all.size(), double(now_ns() - began) * 1e-9);
  const Json json = {{"schema", "assay-selftest"},
                     {"version", 1},
                     {"device", device.info.id},
                     {"failures", failures},
                     {"kernels", to_json(table)}};
  options.formats->write(
      {{"text", [&](const Terminal& out) { return render_table(table, out.width, out.colour) + "\n" + sum; }},
       {"csv", [&](auto&) { return csv_table(table); }},
       {"json", [&](auto&) { return json_line(json); }},
       {"markdown",
        [&](auto&) { return "# assay selftest: " + device.info.id + "\n\n" + markdown_table(table) + "\n" + sum; }}});
  return failures == 0 ? 0 : 1;
}

}  // namespace

CommandRun add_selftest(Options options, CommandFiles& files) {
  const auto o = std::make_shared<SelftestOptions>();
  options.footer(
      "Shows on your machine that the checks find what they are there to find. Takes about a minute; on a busy machine "
      "longer: what only times can show, or had no time, is tried up to six times.\n"
      "Example: assay selftest --device cpu:0 --csv selftest.csv\n\n"
      "Exit codes: 0 each kernel got what it deserves; 1 a wrong one got away or an honest one was accused; 2 an "
      "error, "
      "named on stderr; 130 Ctrl-C.");
  options.add("--device", o->device, "the device to test on").show_default();
  files.add(CommandFiles::Part::input, [] { return files_below("the mutant", project_folder("tests/mutants")); });
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  return [o] { return run_selftest(*o); };
}

}  // namespace assay

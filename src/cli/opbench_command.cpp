// assay opbench: the options, and the table of operations in the form asked for.
#include <algorithm>
#include <memory>
#include <set>

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/disturbance.h"
#include "backend/cpu/team.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/private_folder.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/report_formats.h"
#include "measure/worker_process.h"
#include "opbench/opbench.h"
#include "report/csv.h"
#include "report/opbench_report.h"
#include "report/progress.h"
#include "report/rows.h"

namespace assay {
namespace {

struct OpbenchCommand {
  std::vector<std::string> operations, rows, frameworks, own_rows;
  std::string method = "rounds", store = (state_folder() / "opbench.sqlite").string();
  int threads = 0;
  bool dry_run = false, classic = false, fresh = false, quiet = false, smoke = false;
  std::shared_ptr<ReportFormats> formats;
};

// What a CI run needs to see: each kind of code, small.
const char* const kSmokeRows[] = {"Argmax / dim=8x64x32 axi=1",
                                  "BCE / dim=4096 dim=4096",
                                  "Concat / dim=64x48 dim=64x16 axi=1",
                                  "Conv1d / dim=4x40x6 dim=8x3x6",
                                  "Conv2d / dim=2x12x13x3 dim=8x3x3x3",
                                  "Gather / dim=16x20 dim=70",
                                  "LeakyReLU / dim=8x33",
                                  "Linear / dim=4x17x32 dim=32x40 dim=40",
                                  "MatMul / dim=5x9x24 dim=5x24x33",
                                  "PReLU / dim=3x50 dim=1",
                                  "ReLU / dim=8x33",
                                  "Scatter / dim=64x16 dim=1000",
                                  "ScatterSum / dim=64x16 dim=1000",
                                  "ScatterMax / dim=64x16 dim=1000",
                                  "SeLU / dim=8x33",
                                  "Sigmoid / dim=8x33",
                                  "Softmax / dim=16x100 axi=-1",
                                  "Softplus / dim=8x33",
                                  "Sort / dim=4x37x20 axi=1",
                                  "Sum / dim=6x20x9 axi=2",
                                  "SumAll / dim=5000",
                                  "LayerNorm / dim=8x96 axi=-1",
                                  "Attention / dim=1x2x24x64 dim=1x2x24x64 dim=1x2x24x64"};

constexpr size_t kMostListed = 30;

/// Globs; one that matches nothing is an error with what is near, else with all names where these are few.
void check_globs(const char* option, const std::vector<std::string>& globs, const std::vector<std::string>& known) {
  for (const std::string& glob : globs) {
    if (std::any_of(known.begin(), known.end(), [&](const std::string& name) { return glob_matches(glob, name); }))
      continue;
    std::string names = did_you_mean(glob, known);
    if (names.empty() && known.size() <= kMostListed) names = "; there are " + joined(known, ", ");
    fail("{} {}: nothing is named so{}", option, glob.empty() ? "''" : glob, names);
  }
}

bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
  return globs.empty() ||
         std::any_of(globs.begin(), globs.end(), [&](const std::string& g) { return glob_matches(g, name); });
}

OperationRow own_row(const std::string& name) {
  try {
    return parse_operation_row(name);
  } catch (const Error& e) {
    fail("--row {}", e.what());
  }
}

std::vector<OperationRow> chosen_rows(const OpbenchCommand& options) {
  std::vector<OperationRow> all;
  std::set<std::string> given;
  for (const std::string& name : options.own_rows)
    if (given.insert(name).second) all.push_back(own_row(name));
  if (options.smoke)
    for (const char* name : kSmokeRows) all.push_back(parse_operation_row(name));
  if (all.empty()) all = operation_rows();
  std::vector<std::string> operations, shapes;
  for (const OperationMeaning& meaning : operation_meanings()) operations.push_back(meaning.name);
  for (const OperationRow& row : all) shapes.push_back(row.name.substr(row.name.find(" / ") + 3));
  const std::set<std::string> different(shapes.begin(), shapes.end());
  check_globs("--op", options.operations, operations);
  check_globs("--shape", options.rows, {different.begin(), different.end()});
  std::vector<OperationRow> chosen;
  for (size_t i = 0; i < all.size(); ++i)
    if (matches_any(options.operations, all[i].group) && matches_any(options.rows, shapes[i])) chosen.push_back(all[i]);
  if (chosen.empty()) fail("no row has both an operation of --op and sizes of --shape");
  return chosen;
}

std::vector<std::string> best_isa(const DeviceInfo& device) {
  std::vector<std::string> levels;
  for (const IsaLevel& level : device.isa) levels.push_back(level.name);
  return levels;
}

std::filesystem::path modules_folder() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path("opbench") : program.parent_path() / "opbench";
}

/// Without a choice: what is here, then the names of the rest.
std::vector<FrameworkModule> chosen_frameworks(const OpbenchCommand& options, const DeviceInfo& device) {
  std::vector<std::string> names;
  for (const FrameworkInfo& info : known_frameworks()) names.push_back(info.name);
  check_globs("--framework", options.frameworks, names);
  std::vector<FrameworkModule> chosen;
  for (const FrameworkInfo& info : known_frameworks())
    if (matches_any(options.frameworks, info.name))
      chosen.push_back(find_framework(info, modules_folder(), best_isa(device), device.threads));
  return chosen;
}

void check_any_is_here(const OpbenchCommand& options, const std::vector<FrameworkModule>& frameworks) {
  std::string missing;
  for (const FrameworkModule& module : frameworks) {
    if (module.missing.empty()) return;
    missing += fmt::format("{}{}: not here: {}", missing.empty() ? "" : "; ", module.info->name, module.missing);
  }
  if (options.frameworks.empty())
    fail(
        "no framework is built in {}; make opbench builds those that this machine can have (docs/opbench.md), and "
        "--framework NAME says what one lacks",
        modules_folder().string());
  fail("{}", missing);
}

OwnedTeam make_team(int threads) {
  const auto team = std::make_shared<Team>(allowed_cpus(threads));
  const auto start = [](void* state, void (*work)(int, int, void*), void* argument) {
    struct Task {
      void (*work)(int, int, void*);
      void* argument;
    } task{work, argument};
    static_cast<Team*>(state)->run(
        [](const assay_thread* thread, void* given) {
          const Task& each = *static_cast<Task*>(given);
          each.work(int(thread->index), int(thread->count), each.argument);
        },
        &task);
  };
  return {ThreadTeam{int(team->size()), team.get(), start}, team};
}

/// Frameworks make threads as they like: those that are there when a sample begins are watched.
DisturbanceWatch make_watch() {
  const auto disturbance = std::make_shared<Disturbance>();
  return {[disturbance] {
            if (thread_ids().size() != disturbance->threads_watched()) disturbance->watch_threads();
            disturbance->begin();
          },
          [disturbance] { return disturbance->end_ns(); }};
}

int exit_code(const Opbench& bench) {
  if (interrupted()) return 130;
  for (const OpbenchRow& row : bench.rows())
    for (const OpbenchCell& cell : row.cells)
      if (cell.record && is_failure(cell.record->outcome)) return 1;
  return 0;
}

/// The f32 peak of the CPU; 0 where it is not known and no row is worth measuring it.
double peak_of(const Backend& backend, const OpbenchOptions& options) {
  const auto on_cpu = [](const FrameworkModule& f) { return f.missing.empty() && f.info->device == "cpu"; };
  if (!options.takes_lock || std::none_of(options.frameworks.begin(), options.frameworks.end(), on_cpu)) return 0;
  const bool needs =
      std::any_of(options.rows.begin(), options.rows.end(), [](const auto& row) { return row.is_compute_bound(); });
  if (!needs && !std::filesystem::exists(default_store())) return 0;
  Store store(checked_store(default_store()));
  const std::optional<Ceilings> ceilings =
      needs ? device_ceilings(backend, options.device, store) : known_device_ceilings(backend, options.device, store);
  if (ceilings)
    for (const NamedPeak& peak : ceilings->peaks)
      if (peak.name == "f32") return peak.gflops;
  return 0;
}

/// A folder for ceilings that cannot be written is no reason not to measure.
double peak_or_remark(const Backend& backend, const OpbenchOptions& options) {
  try {
    return peak_of(backend, options);
  } catch (const Error& e) {
    if (interrupted()) throw;
    remark("the f32 peak is not known, so no row is held against it: {}\n", one_line(e.what()));
    return 0;
  }
}

int interrupted_early() {
  remark("interrupted before the first cell\n");
  return 130;
}

int run_opbench(const OpbenchCommand& command) {
  if (command.method != "rounds" && command.method != "seed")
    fail("--method {}: not among rounds, seed{}", command.method, did_you_mean(command.method, {"rounds", "seed"}));
  const CatchInterrupt catch_interrupt;
  OpbenchOptions options;
  options.rows = chosen_rows(command);
  const auto backends = make_backends();
  const OpenedDevice found = find_device(backends, "cpu", command.threads);
  options.device = found.info;
  options.frameworks = chosen_frameworks(command, options.device);
  if (interrupted()) return interrupted_early();
  for (const FrameworkInfo& info : ceiling_frameworks())
    if (std::any_of(options.frameworks.begin(), options.frameworks.end(),
                    [&](const auto& f) { return f.missing.empty() && f.info->device == info.device; }))
      options.ceilings.push_back(
          find_framework(info, modules_folder(), best_isa(options.device), options.device.threads));
  options.method = command.method == "seed" ? OpbenchMethod::seed : OpbenchMethod::rounds;
  options.fresh = command.fresh;
  options.takes_lock = !command.smoke;
  const int threads = options.device.threads;
  options.makers = {[threads] { return make_team(threads); }, command.smoke ? WatchMaker() : make_watch};
  options.environment = describe_environment(*found.backend, options.device);
  check_any_is_here(command, options.frameworks);

  if (command.store == (state_folder() / "opbench.sqlite").string()) make_own_folder(state_folder());
  std::error_code ignored;
  const auto store = command.dry_run && !std::filesystem::exists(command.store, ignored)
                         ? std::make_unique<Store>()
                         : std::make_unique<Store>(command.store);
  if (!command.dry_run) options.peak_gflops = peak_or_remark(*found.backend, options);
  OpbenchEvents events;
  if (!command.quiet) {
    events.on_row = [](const OperationRow& row, size_t number, size_t of) {
      remark("{}/{} {}\n", number, of, row.name);
    };
    events.note = [](const std::string& line) { remark("{}\n", line); };
  }
  const OpbenchMethod method = options.method;
  if (!command.quiet)
    events.on_cell = [method](const OpbenchCell& cell) {
      remark(
          "  {:<12} {}\n", cell.framework->info->name,
          cell.passes() ? fmt::format("{:.3f} ms", cell.us(method) * 1e-3) : cell.word() + ": " + cell.record->detail);
    };
  Opbench bench(std::move(options), *store, std::move(events));
  if (command.dry_run) {
    const Terminal out = describe_terminal(stdout);
    command.formats->remark_unwritten("--dry-run");
    show("{}", opbench_plan(bench, out.width, out.colour));
    return 0;
  }
  std::string trouble;
  try {
    bench.run();
  } catch (const Error& e) {
    trouble = e.what();  // a full disk, say: what is done is still worth showing
  }
  if (interrupted())
    remark("interrupted: {} not measured; the same command{} goes on there\n",
           bench.missing() == 1 ? "1 cell is" : fmt::format("{} cells are", bench.missing()),
           command.fresh ? " without --fresh" : "");
  const auto text = [&](const Terminal& out) {
    return command.classic ? opbench_classic(bench) : opbench_text(bench, out.width, out.colour);
  };
  command.formats->write({{"text", text},
                          {"csv", [&](auto&) { return csv_table(opbench_cells(bench)); }},
                          {"json", [&](auto&) { return opbench_json(bench); }},
                          {"markdown", [&](auto&) { return opbench_markdown(bench); }}});
  if (!trouble.empty()) throw Error(trouble);
  return exit_code(bench);
}

}  // namespace

CommandRun add_opbench(Options options, CommandFiles& files) {
  const auto o = std::make_shared<OpbenchCommand>();
  options.footer(
      "Every cell, an operation by a framework, is compared with a float64 reference on the very inputs that are "
      "timed. A\n"
      "cell that is wrong, lacks the operation or crashes shows that, and no time. docs/opbench.md says what each "
      "operation\n"
      "means and how it is timed.\n\n"
      "Examples:\n"
      "  assay opbench --dry-run                              rows, frameworks, memory and time; nothing is measured\n"
      "  assay opbench --op Softmax --op 'Scatter*'           some operations\n"
      "  assay opbench --framework assay_cpu --framework torch_cpu\n"
      "  assay opbench --row 'MatMul / dim=8x512x64 dim=64x32'  sizes of your own\n"
      "  assay opbench --method seed --classic                timed and printed as the table of seed 004 was\n"
      "  assay compare before.sqlite after.sqlite             two stores of opbench (--store FILE)\n\n"
      "make opbench installs LibTorch (Debian's libtorch-dev, 163 packages) and builds torch_cpu; nothing else needs "
      "it.\n\n"
      "Exit codes: 0 fine; 1 a cell is wrong or impossible, crashed, hung or failed; 2 an error, named on stderr; 130 "
      "Ctrl-C.");
  const Options what = options.group("What to measure");
  what.add("--op", o->operations, "globs on the operation's name: Softmax, 'Scatter*'");
  what.add("--shape", o->rows, "globs on the sizes: 'dim=64x128x1024*'");
  what.add("--framework", o->frameworks, "globs on the framework's name: assay_cpu, 'torch_*'");
  what.add("--row", o->own_rows, "rows of your own instead of the table's, as they read there").filled().uncut();
  what.flag("--smoke", o->smoke,
            "one small row of each operation, to see that all is right: it waits for no other measurement, its times "
            "say little");
  const Options how = options.group("How to measure");
  how.add("--method", o->method,
          "rounds: fresh inputs, shuffled turns, the median; seed: as seed 004 did, 5 x 10 calls, the first 10 "
          "dropped, the mean")
      .show_default();
  how.add("--threads", o->threads, "use fewer than all allowed CPUs").whole(1, 1'000'000);
  how.flag("--fresh", o->fresh, "measure again what the store has");
  const Options results = options.group("Results");
  files.add(CommandFiles::Part::store,
            results.add("--store", o->store, "the file that keeps every result").show_default().type("FILE"));
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  results.flag("--classic", o->classic, "the text is the seed's two tables, in its format");
  results.flag("--dry-run", o->dry_run, "show the plan and the frameworks; measure nothing");
  results.flag("--quiet", o->quiet, "no progress");
  return [o] { return run_opbench(*o); };
}

}  // namespace assay

// assay tune: from a model to a dispatch table that is proved in context.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/private_folder.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "cli/number_option.h"
#include "cli/table_files.h"
#include "cli/version.h"
#include "measure/case_key.h"
#include "measure/worker_process.h"
#include "report/progress.h"
#include "tune/tuner.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

struct TuneOptions {
  std::string model, device = "cpu", budget = "60s", threads, accuracy, out, store = default_store().string();
  std::string cache_type = "f32";
  std::vector<std::string> kernels;
  int64_t depth = 128;
  int turns = 10;
  double mix = 4;
  bool prefill = false, fresh = false, no_proof = false, quiet = false;
};

/// "60s", "5m", "90".
double seconds_of(const std::string& text) {
  std::string number = text;
  double unit = 1;
  if (text.ends_with("s") || text.ends_with("m")) number.pop_back(), unit = text.back() == 'm' ? 60 : 1;
  const auto value = parse_number<double>(number);
  if (!value || !(*value > 0) || *value * unit > 1e6) fail("--budget {}: write 60s, 5m, or a number of seconds", text);
  return *value * unit;
}

constexpr int64_t kMostThreads = 4096;
constexpr int64_t kProvedTokens = 16;  // of a run of the proof

std::vector<int64_t> thread_list(const std::string& text) {
  return text.empty() ? std::vector<int64_t>{0} : *parse_number_list(text, 1, kMostThreads);
}

/// The live lines of a tuning, or lines where nothing is redrawn.
class TuneProgress {
 public:
  explicit TuneProgress(bool quiet) : quiet_(quiet), live_(describe_terminal(stderr).live) {}
  ~TuneProgress() { clear(); }

  TuneEvents events() {
    TuneEvents e;
    e.width = describe_terminal(stdout).width;
    e.say = [this](const std::string& text) {
      clear();
      put(stdout, text);
      flush(stdout);
    };
    if (quiet_) return e;
    e.on_plan = [this](size_t cases, size_t missing) {
      remark("{} candidates, {} of them in the store\n", cases, cases - missing);
      progress_.emplace(stderr, live_, missing, 2);
    };
    e.sweep.on_case = [this](const Variant& v, const Spec& spec) {
      if (progress_) progress_->start(v.name, v.family, spec.short_name());
    };
    e.sweep.on_done = [this](size_t cases) {
      if (progress_) progress_->advance(cases);
    };
    e.sweep.on_build = [this](const Variant& v, size_t done, size_t total) {
      if (progress_) progress_->build(v.id(), done, total);
    };
    e.sweep.on_revisit = [this](int visit, const Spec& spec, size_t i, size_t n) {
      if (progress_) progress_->again(visit, spec.short_name(), i, n);
    };
    e.sweep.note = [this](const std::string& line) {
      if (progress_) progress_->note(line);
    };
    e.on_turn = [this](int turn, int turns, double left_s) {
      if (progress_) progress_->finish();
      const std::string text = fmt::format("Proof in context: run {} of {}{}", turn + 1, turns,
                                           left_s > 0 ? ", " + duration_text(left_s) + " left at most" : "");
      if (live_)
        put(stderr, "\r\x1b[K" + text), drawn_ = true;
      else if (turn == 0)
        remark("{}\n", text);
    };
    return e;
  }

 private:
  void clear() {
    if (progress_) progress_->finish();
    if (drawn_) put(stderr, "\r\x1b[K");
    drawn_ = false;
  }

  const bool quiet_, live_;
  bool drawn_ = false;
  std::optional<Progress> progress_;
};

/// This device's table so far, and its section for so many threads as far as that still holds.
struct OwnTable {
  /// What `is_asked_for` and is no table is somebody's; in a place of ours it is a table that was damaged, or
  /// anybody's.
  OwnTable(const fs::path& file, bool is_asked_for, const DeviceInfo& device,
           const std::vector<const Variant*>& variants, const BuildCache& cache) {
    table.file = file.string();
    std::error_code ignored;
    if (!fs::exists(file, ignored)) return;
    try {
      if (const std::string why = why_not_trusted(file); !is_asked_for && !why.empty())
        fail("{}: {}", file.string(), why);
      table = load_table(file);
    } catch (const Error& e) {
      if (is_asked_for) fail("--out {}; no table is put in its place: name another file, or remove it", e.what());
      damaged = file.string() + ".damaged";
      remark("assay: {}; a new one is made, and this one will be {}\n", e.what(), damaged);
      return;
    }
    for (const TableDevice& section : table.devices)
      if (section.properties == table_properties(device) && section.method == kMethodVersion) {
        earlier = section;
        std::erase_if(earlier->entries, [&](const TableEntry& entry) {
          return !entry_problem(entry, variants, sources_for(device, cache)).empty();
        });
      }
  }
  void put(TableDevice section, const std::string& made_by) {
    std::erase_if(table.devices, [&](const TableDevice& d) { return d.properties == section.properties; });
    table.devices.insert(table.devices.begin(), std::move(section));
    table.made_by = made_by;
    const std::string text = table_text(table);
    parse_table(text, table.file);  // what is written can be read
    std::error_code ignored;
    if (!damaged.empty()) fs::rename(table.file, std::exchange(damaged, ""), ignored);
    if (!fs::exists(table.file, ignored) || read_file(table.file) != text || !is_trusted_file(table.file))
      write_trusted_file(table.file, text);
  }

  std::string damaged;  // where one that cannot be read goes
  DispatchTable table;
  std::optional<TableDevice> earlier;
};

/// One number of threads. False if interrupted.
bool tune_threads(const TuneOptions& o, int64_t threads, TuneProgress& progress) {
  const auto backends = make_backends();
  if (threads == 0) threads = find_device(backends, o.device, 0).info.cores;
  const OpenedDevice device = find_device(backends, o.device, int(threads));
  const std::vector<Manifest> manifests = load_manifests(*device.backend, o.kernels);
  const std::vector<const Variant*> variants = all_variants(manifests);
  BuildCache cache = open_build_cache(*device.backend);
  const DispatchTable defaults = load_table(shipped_table(device.info));
  if (o.out.empty()) make_own_folder(state_folder());
  if (o.out.empty()) make_own_folder(tables_folder());
  const fs::path file = o.out.empty() ? own_table(device.info) : fs::path(o.out);
  OwnTable own(file, !o.out.empty(), device.info, variants, cache);
  Store store(checked_store(o.store));

  TuneRequest r;
  r.backend = device.backend;
  r.device = device.info;
  r.variants = variants;
  r.shipped = manifests.front().variants.size();
  r.cache = &cache;
  r.store = &store;
  r.model = o.model;
  r.defaults = &defaults;
  r.default_section = &defaults.device_for(table_target(device.info, kMethodVersion));
  r.earlier = own.earlier ? &*own.earlier : nullptr;
  r.properties = table_properties(device.info);
  try {
    if (!o.accuracy.empty()) r.accuracy = parse_accuracy(o.accuracy);
  } catch (const Error& e) {
    fail("--accuracy: {}", e.what());
  }
  r.budget_s = seconds_of(o.budget);
  r.mix = o.mix;
  r.prefill = o.prefill;
  r.fresh = o.fresh;
  r.proves = !o.no_proof;
  r.turns = o.turns;
  r.made_by = fmt::format("assay {} tune {}", program_commit(), fs::path(o.model).filename().string());
  r.environment = describe_environment(*device.backend, device.info);
  r.context = {fs::read_symlink("/proc/self/exe").string(),
               o.model,
               device.info.threads,
               o.depth,
               kProvedTokens,
               3,
               o.prefill ? int64_t(128) : int64_t(0),
               o.cache_type,
               o.kernels};
  show("{}: {} on {}, {} threads\n", o.model, o.prefill ? "decode and prompts" : "decode", device.info.name,
       device.info.threads);
  const int64_t began = now_ns();
  const TuneResult result = tune(r, progress.events());
  if (result.interrupted) {
    remark("assay: interrupted; what was measured is in {}, and the same command goes on from there\n",
           store.file().string());
    return false;
  }
  own.put(result.section, r.made_by);
  if (result.from_store)
    show("{}Nothing has changed since: this is the result of then. --fresh measures again.\n", result.text);
  show("{} in {:.1f} s: {} entries; run, chat and bench take it {}\n", file.string(), double(now_ns() - began) * 1e-9,
       result.section.entries.size(), o.out.empty() ? "by themselves" : "with --table");
  return true;
}

int run_tune(const TuneOptions& o) {
  if (o.device != "cpu" && !o.device.starts_with("cpu:")) {
    const auto backends = make_backends();
    const bool is_known = std::any_of(backends.begin(), backends.end(), [&](const auto& backend) {
      return o.device == backend->name() || o.device.starts_with(backend->name() + ":");
    });
    if (!is_known) find_device(backends, o.device, 0);  // says what there is
    fail(
        "--device {}: the engine runs on the CPU alone, so nothing can be proved there yet; assay probe --device {} "
        "ranks its kernels",
        o.device, o.device);
  }
  parse_cache_type(o.cache_type);
  if (is_standard_output(o.out)) fail("--out {}: what is found out goes to standard output; name a file", o.out);
  seconds_of(o.budget);
  // What cannot be read or run is said before anything is shown.
  const LoadedModel model{fs::path(o.model)};
  cache_type_of(o.cache_type, model.config(), o.model);
  if (const int64_t context = model.config().most_positions(); context > 0 && o.depth + kProvedTokens > context)
    fail("--depth {}: the context of {} holds {}, and {} tokens are decoded behind it; give a smaller one", o.depth,
         o.model, context, kProvedTokens);
  if (!o.out.empty()) check_writable(o.out);
  const CatchInterrupt catch_interrupt;
  TuneProgress progress(o.quiet);
  for (const int64_t threads : thread_list(o.threads))
    if (!tune_threads(o, threads, progress)) return 130;
  return 0;
}

}  // namespace

CommandRun add_tune(Options options, CommandFiles& files) {
  const auto o = std::make_shared<TuneOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "Every kernel that could compute an op of the model's step is tried, those that a manifest disables too: what "
      "was "
      "slow on one processor may win on this one. Each is proved as assay probe proves it before its time is believed; "
      "what was fast elsewhere (assay store merge) only comes first. Per weight the kernels for one token and for "
      "prompts are chosen together: one storage and one accuracy class serve both.\n"
      "Then the table is proved: assay bench runs with it and with the default in turns; an entry that is not faster "
      "where it runs is taken back. The prediction stands before the first run.\n"
      "docs/tune.md explains the lines. Example: assay tune model.gguf --budget 2m --prefill\n\n"
      "Exit codes: 0 the table is written; 2 an error, named on stderr; 130 Ctrl-C: the same command goes on.");
  files.add(Part::input, options.add("MODEL", o->model, "the model (GGUF)").required().type(""));
  options.add("--device", o->device, "the processor: cpu").show_default();
  options.add("--budget", o->budget, "how long it may take, roughly: 60s, 5m").show_default().type("TIME");
  options.add("-t,--threads", o->threads, "a section of the table for each (default: one thread a core)")
      .whole_numbers(1, kMostThreads)
      .type("LIST");
  options.flag("--prefill", o->prefill, "measure kernels for prompts, too; without it they stay as they are");
  const Option mix =
      options.add("--mix", o->mix, "with --prefill: prompt tokens for each decoded one").show_default().number(0, 1e6);
  options.add("--depth", o->depth, "tokens in the KV cache while it is proved").show_default().whole(1, 1 << 20);
  const Option turns =
      options.add("--turns", o->turns, "runs with each table in the proof").show_default().whole(5, 1000).type("N");
  options.add("--cache-type", o->cache_type, "of the KV cache, as run will have it: f32, f16 or q8_0").show_default();
  options
      .add("--accuracy", o->accuracy,
           "the least accurate class of kernels (default: of each weight, the default kernel's)")
      .filled();
  options.add("--kernels", o->kernels, "folders with drop-in kernels").existing_folder();
  files.add(Part::input, [o] { return files_of_kernels(o->kernels); });
  options.flag("--fresh", o->fresh, "measure again what the store has");
  options.flag("--no-proof", o->no_proof, "write the table as predicted, without running the model");
  options.flag("--quiet", o->quiet, "no progress");
  files.add(Part::store,
            options.add("--store", o->store, "the file that keeps every result").show_default().type("FILE"));
  files.add(Part::output,
            options.add("--out", o->out, "the table (default: where run finds it by itself)").type("FILE"));
  return [o, mix, turns] {
    if (!o->prefill) refuse_given({mix}, "prompts; add --prefill");
    if (o->no_proof) refuse_given({turns}, "the proof, which --no-proof leaves out");
    return run_tune(*o);
  };
}

}  // namespace assay

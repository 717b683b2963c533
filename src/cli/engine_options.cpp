// What every command that runs a model takes, and the engine that it opens with it.
#include "cli/engine_options.h"

#include <charconv>
#include <set>

#include "base/error.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/installation.h"
#include "cli/table_files.h"

namespace assay {

void add_engine_options(const Options& options, CommandFiles& files, EngineOptions& to, std::string* threads_list) {
  files.add(CommandFiles::Part::input, options.add("MODEL", to.model, "the model (GGUF)").required().type(""));
  const Options engine = options.group("Engine");
  const std::string threads = "threads (default: one a core that this process may use)";
  if (threads_list)
    engine.add("-t,--threads", *threads_list, threads + "; several: commas between")
        .whole_numbers(1, 4096)
        .type("LIST");
  else
    engine.add("-t,--threads", to.threads, threads).whole(1, 4096).type("N");
  engine.add("-c,--context", to.context, "tokens that fit (default: what the model was made for)")
      .whole(1, int64_t(1) << 30)
      .type("N");
  engine.add("--chunk", to.chunk, "tokens of a prompt computed at once (default: as the kernels like it)")
      .whole(1, 4096)
      .type("N");
  engine
      .add("--cache-type", to.cache_type,
           "of the KV cache: f32; f16: half of it, but rounded; q8_0: a quarter, in blocks of 32")
      .show_default()
      .type("TYPE");
  files.add(CommandFiles::Part::input, engine
                                           .add("--table", to.table,
                                                "which kernels compute what (default: the newest that assay tune made "
                                                "for this device, else the shipped one)")
                                           .type("FILE"));
  engine.add("--kernel", to.kernels, "the kernel of specs: an op, or a pattern of their line, 'GLOB=FAMILY/NAME'")
      .one_at_a_time()
      .uncut()
      .type("RULE");
  engine.add("--kernels", to.kernel_folders, "a folder with more kernels and their manifest.json")
      .one_at_a_time()
      .type("FOLDER");
  files.add(CommandFiles::Part::input, [&to] { return files_of_kernels(to.kernel_folders); });
  engine.flag("-v,--verbose", to.verbose, "say which table and kernels are used, on stderr");
}

void add_sampling_options(const Options& options, SamplingText& to) {
  const Options s = options.group("Sampling");
  s.add("-n,--max-tokens", to.max_tokens, "tokens of an answer at most (default: until the context is full)")
      .whole(0, int64_t(1) << 30)
      .type("N");
  s.add("--temperature", to.sampling.temperature, "0: always the most probable token").show_default().number(0, 100);
  s.add("--top-k", to.sampling.top_k, "of the so many most probable; 0: all").show_default().whole(0, 1 << 24);
  s.add("--top-p", to.sampling.top_p, "of the fewest that are so probable together").show_default().number(0, 1);
  s.add("--min-p", to.sampling.min_p, "of those that have such a part of the best one's probability")
      .show_default()
      .number(0, 1);
  s.add("--repetition-penalty", to.sampling.repetition_penalty, "makes recent tokens less probable; 1: no")
      .show_default()
      .number(0.01, 100);
  s.add("--penalty-window", to.sampling.penalty_window, "tokens that are recent").show_default().whole(0, 1 << 30);
  s.add("--seed", to.sampling.seed, "the same seed gives the same text").show_default().whole(0, INT64_MAX);
  s.add("--stop", to.stops, "a text that ends the answer and is not shown").one_at_a_time().uncut().type("TEXT");
}

/// In the order in which they need each other.
struct OpenedEngine::Parts {
  LoadedModel model;
  std::vector<std::unique_ptr<Backend>> backends;
  OpenedDevice found;
  std::vector<Manifest> manifests;
  BuildCache cache;
  ChosenTable table;
  std::unique_ptr<Device> device;
  std::unique_ptr<KernelChooser> chooser;
  std::unique_ptr<KernelShelf> shelf;
  std::unique_ptr<StepBinder> binder;
  std::unique_ptr<Session> session;
};

namespace {

OpenedDevice find_cpu(const std::vector<std::unique_ptr<Backend>>& backends, int64_t threads) {
  if (threads == 0) threads = find_device(backends, "cpu", 0).info.cores;
  return find_device(backends, "cpu", int(threads));
}

std::vector<KernelOverride> overrides_of(const std::vector<std::string>& texts) {
  std::vector<KernelOverride> overrides;
  for (const std::string& text : texts) overrides.push_back(parse_kernel_override(text));
  return overrides;
}

void tell(const std::string& line) { remark("assay: {}\n", line); }

/// A table of one's own that does not hold is worth a line to everybody: the speed is not what tune promised.
void tell_table(const ChosenTable& table, const DeviceInfo& device, bool verbose) {
  if (verbose) tell(fmt::format("table {}; {}, {} threads", table.text(), device.name, device.threads));
  const PassedOver* const told = table.to_be_told();
  for (const PassedOver& other : table.passed_over)
    if (verbose || &other == told)
      tell(fmt::format("table {} is not used: {}; run assay tune", one_line(other.file), one_line(other.why)));
}

}  // namespace

Dtype parse_cache_type(const std::string& text) {
  const auto type = parse_dtype(text);
  if (!type || (*type != Dtype::f16 && *type != Dtype::f32 && *type != Dtype::q8_0))
    fail("--cache-type {}: choose f32, f16 or q8_0", text);
  return *type;
}

Dtype cache_type_of(const std::string& text, const ModelConfig& config, const std::string& model) {
  const Dtype type = parse_cache_type(text);
  if (const int64_t block = dtype_facts(type).block_values; config.key_size % block != 0)
    fail("--cache-type {}: {} has heads of {} values, and blocks have {}; choose f32 or f16", text, model,
         config.key_size, block);
  return type;
}

OpenedEngine::OpenedEngine(const EngineOptions& o) {
  parse_cache_type(o.cache_type);
  std::vector<std::unique_ptr<Backend>> backends = make_backends();
  OpenedDevice found = find_cpu(backends, o.threads);
  const Backend& backend = *found.backend;
  for (const std::string& folder : o.kernel_folders)
    if (folder.empty()) fail("--kernels: an empty name is no folder");
  std::vector<Manifest> manifests = load_manifests(backend, o.kernel_folders);
  const std::vector<const Variant*> variants =
      all_variants(manifests);  // a moved vector's elements stay where they are
  BuildCache cache = open_build_cache(backend);
  ChosenTable table = choose_table(o.table, found.info, variants, cache);
  parts_.reset(new Parts{LoadedModel(o.model), std::move(backends), std::move(found), std::move(manifests),
                         std::move(cache), std::move(table), nullptr, nullptr, nullptr, nullptr, nullptr});
  Parts& p = *parts_;
  const Dtype cache_type = cache_type_of(o.cache_type, p.model.config(), o.model);
  const DeviceInfo& device = p.found.info;
  table_text_ = p.table.text();
  tell_table(p.table, device, o.verbose);
  p.device = backend.open(device);
  p.chooser = std::make_unique<KernelChooser>(device, variants, p.table.entries, overrides_of(o.kernels),
                                              p.manifests.front().variants.size());
  if (!o.kernel_folders.empty() && !p.chooser->names_dropped_in())
    tell("no kernel of --kernels is used: only those are that --kernel 'OP=FAMILY/NAME' or a table names");
  p.shelf = std::make_unique<KernelShelf>(*p.device, p.cache);
  p.binder = std::make_unique<StepBinder>(p.model, *p.device, *p.chooser, *p.shelf, [](const std::string& line) {
    if (describe_terminal(stderr).interactive) tell(line);
  });
  p.session =
      std::make_unique<Session>(p.model, *p.device, *p.binder, SessionOptions{o.context, o.chunk, cache_type, o.picks});
  if (const int64_t made_for = p.model.config().context; made_for > 0 && o.context > made_for)
    tell(fmt::format("--context {}: the model was made for {}; what it says beyond them is worth little", o.context,
                     made_for));
  std::vector<const Spec*> specs;
  for (const BoundOp& bound : p.session->one_token().ops) specs.push_back(&bound.spec);
  check_overrides(overrides_of(o.kernels), specs, variants);
  if (!o.verbose) return;
  std::set<std::string> told;
  for (const BoundOp& bound : p.session->one_token().ops)
    if (const std::string line = bound.spec.math_line(); told.insert(line).second)
      tell(fmt::format("{}: {} ({}, {})", line, bound.choice.variant->id(), bound.choice.isa->name,
                       bound.choice.reason));
}

OpenedEngine::~OpenedEngine() = default;
LoadedModel& OpenedEngine::model() { return parts_->model; }
Session& OpenedEngine::session() { return *parts_->session; }
const DeviceInfo& OpenedEngine::device() const { return parts_->found.info; }

void put_answer(std::string_view text) {
  static const bool is_terminal = describe_terminal(stdout).interactive;
  put(stdout, is_terminal ? printable(text, /*keeps_tabs=*/true) : std::string(text));
  flush(stdout);
}

std::vector<Token> parse_token_numbers(std::string_view text, const std::string& name) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<Token> tokens;
  for (size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;
       at = text.find_first_not_of(kBlanks, at)) {
    const std::string_view word = text.substr(at, text.find_first_of(kBlanks, at) - at);
    Token token = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error != std::errc() || end != word.data() + word.size())
      fail("{}: byte {}: \"{}\" is no token; give numbers with blanks between, as assay tokenize prints them", name, at,
           cut_end(one_line(word), 40));
    tokens.push_back(token);
    at += word.size();
  }
  return tokens;
}

}  // namespace assay

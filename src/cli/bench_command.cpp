// assay bench: a model's speed on prompts and in decoding, beside what memory allows.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/interruption.h"
#include "base/json.h"
#include "base/random.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "cli/installation.h"
#include "cli/number_option.h"
#include "cli/report_formats.h"
#include "engine/op_watch.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/table.h"
#include "stats/summary.h"

namespace assay {
namespace {

struct BenchOptions {
  EngineOptions engine;
  std::string prompts = "128", generated = "32", depths = "0", threads;
  int64_t repetitions = 5;
  bool ops = false, repeats = false;
  std::shared_ptr<ReportFormats> formats;
};

struct BenchRow {
  std::string test;
  int64_t threads = 0, tokens = 0, depth = 0, bytes_per_token = 0;  // bytes: of weights and cache that a token reads
  // Of each repetition. token_ms: of a token, the mean of its tokens' middle half, where it decodes.
  std::vector<double> seconds = {}, token_ms = {};
  std::optional<OpTimes> ops = {};  // of the tokens of all repetitions, or of their prompts
};

constexpr int64_t kMostTokens = 1 << 24, kMostThreads = 4096;
constexpr int64_t kComputed = 128;  // of the tokens before a test, where the rest repeats them

/// Of an option that was judged when it was parsed.
std::vector<int64_t> token_counts(const std::string& list) { return *parse_number_list(list, 0, kMostTokens); }

class Bench {
 public:
  Bench(const BenchOptions& options, int64_t threads, std::vector<BenchRow>& rows)
      : options_(options), engine_(with_threads(options.engine, threads)), rows_(rows) {
    engine_.session().stopped = [] { return interrupted(); };
    if (options.ops) watch_.watch(engine_.session());
  }

  void measure() {
    for (const int64_t depth : token_counts(options_.depths)) {
      for (const int64_t tokens : token_counts(options_.prompts))
        if (tokens > 0)
          repeat(BenchRow{fmt::format("prompt {}", tokens), engine_.device().threads, tokens, depth}, true);
      for (const int64_t tokens : token_counts(options_.generated))
        if (tokens > 0)
          repeat(BenchRow{fmt::format("decode {}", tokens), engine_.device().threads, tokens, depth}, false);
    }
  }
  const DeviceInfo& device() const { return engine_.device(); }
  std::string model_text() { return engine_.model().file().name(); }
  int64_t weight_bytes() { return step_bytes(engine_.model().file(), engine_.model().config()).total(); }

 private:
  static EngineOptions with_threads(EngineOptions engine, int64_t threads) {
    engine.threads = threads;
    return engine;
  }

  Token drawn() { return Token(random_bits(drawn_++) % uint64_t(engine_.model().config().vocabulary)); }

  void fill(int64_t count) {
    std::vector<Token> tokens;
    for (int64_t i = 0; i < count; ++i) tokens.push_back(drawn());
    if (count > 0) engine_.session().append(tokens);
  }

  /// What a test finds in the cache.
  void deepen(int64_t count) {
    const int64_t computed =
        options_.repeats ? std::clamp<int64_t>(kComputed - engine_.session().position(), 0, count) : count;
    fill(computed);
    if (count > computed && !interrupted()) engine_.session().repeat(count - computed);
  }

  /// One run more than is counted: kernels are compiled and pages faulted in the first. One that is interrupted does
  /// not count, and those before it do.
  void repeat(BenchRow row, bool is_prompt) {
    Session& session = engine_.session();
    const ModelConfig& c = engine_.model().config();
    if (row.depth + row.tokens > session.context())
      fail("{} at depth {}: the context holds {}; give a {}", row.test, row.depth, session.context(),
           session.context() == c.window ? "shorter test: the model's attention sees no more" : "larger --context");
    row.bytes_per_token = weight_bytes() + (row.depth + row.tokens / 2) * c.cache_values() * 2;
    for (int64_t i = 0; i <= options_.repetitions && !interrupted(); ++i) {
      session.truncate(std::min(session.position(), row.depth));
      deepen(row.depth - session.position());
      watch_.skip();
      std::vector<double> step_ms;
      const int64_t began = now_ns();
      for (int64_t step = 0, last = began; step < (is_prompt ? 1 : row.tokens) && !interrupted(); ++step) {
        fill(is_prompt ? row.tokens : 1);
        step_ms.push_back(double(now_ns() - last) * 1e-6), last = now_ns();
        if (options_.ops && i > 0 && !interrupted()) watch_.end_step(step_ms.back());
      }
      if (i == 0 || interrupted()) continue;
      row.seconds.push_back(double(now_ns() - began) * 1e-9);
      if (!is_prompt) row.token_ms.push_back(step_time(step_ms).mean);
    }
    if (options_.ops) row.ops = watch_.take();
    if (!row.seconds.empty()) rows_.push_back(std::move(row));
  }

  const BenchOptions& options_;
  OpenedEngine engine_;
  std::vector<BenchRow>& rows_;
  OpWatch watch_;
  uint64_t drawn_ = 1;
};

double deviation(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / double(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return values.size() > 1 ? std::sqrt(squares / double(values.size() - 1)) : 0;
}

/// GB/s that what a token of this row reads can reach, in a cache where it fits into one; 0: not known.
double ceiling_of(const BenchRow& row, const std::optional<Ceilings>& ceilings) {
  return ceilings ? ceilings->read_gbps(row.bytes_per_token) : 0;
}

Table bench_table(const std::vector<BenchRow>& rows, const std::string& title,
                  const std::optional<Ceilings>& ceilings) {
  using F = Column::Format;
  Table table{title,
              {{"test", "test", F::text, 9},
               {"depth", "depth", F::whole, 5},
               {"threads", "threads", F::whole, 6},
               {"tokens_per_s", "tokens/s", F::fixed2, 9},
               {"deviation", "±", F::fixed2, 8},
               {"ms_per_token", "ms/token", F::fixed3, 7},
               {"gbps", "GB/s", F::fixed1, 7},
               {"ceiling_percent", "% of ceiling", F::fixed1, 7}},
              {},
              {},
              {}};
  for (const BenchRow& row : rows) {
    std::vector<double> rates;
    const bool decodes = row.test.starts_with("decode");
    for (const double seconds : row.seconds) rates.push_back(double(row.tokens) / seconds);
    const double token_s = percentile(row.seconds, 50) / double(row.tokens);
    const double read = double(row.bytes_per_token) / token_s * 1e-9, ceiling = ceiling_of(row, ceilings);
    table.rows.push_back({row.test, double(row.depth), double(row.threads), 1 / token_s, deviation(rates),
                          1e3 * token_s, decodes ? Cell(read) : Cell(),
                          decodes && ceiling > 0 ? Cell(100 * read / ceiling) : Cell()});
  }
  table.notes.push_back("tokens/s and ms/token: of the median repetition; ±: the deviation of all their rates");
  table.notes.push_back("GB/s: weights and KV cache that a token must read, whatever is read twice");
  table.notes.push_back(
      ceilings ? fmt::format("ceiling: what assay devices measured for so many bytes; {:.1f} GB/s of memory",
                             ceilings->memory_gbps())
               : "no ceiling is known of this device: assay devices measures it");
  return table;
}

std::string bench_json(const std::vector<BenchRow>& rows, const std::string& model,
                       const std::optional<Ceilings>& ceilings) {
  Json json = {{"model", model}, {"ceiling_gbps", ceilings ? ceilings->memory_gbps() : 0}, {"rows", Json::array()}};
  for (const BenchRow& row : rows) {
    json["rows"].push_back({{"test", row.test},
                            {"tokens", row.tokens},
                            {"depth", row.depth},
                            {"threads", row.threads},
                            {"bytes_per_token", row.bytes_per_token},
                            {"ceiling_gbps", ceiling_of(row, ceilings)},
                            {"seconds", row.seconds}});
    if (!row.token_ms.empty()) json["rows"].back()["token_ms"] = row.token_ms;
    if (!row.ops) continue;
    Json& to = json["rows"].back();
    to["step"] = {{"ms", row.ops->step.mean},
                  {"low_ms", row.ops->step.low},
                  {"high_ms", row.ops->step.high},
                  {"between_ops_ms", row.ops->between_ms}};
    for (const OpTime& op : row.ops->ops)
      to["ops"].push_back(
          {{"spec", op.line}, {"variant", op.variant}, {"calls", op.calls}, {"us", op.us}, {"ms", op.ms}});
  }
  return json.dump(2) + "\n";
}

/// What the ops of a test take where they run: of a token, or of a prompt.
Table op_table(const BenchRow& row) {
  using F = Column::Format;
  const bool decodes = row.test.starts_with("decode");
  Table table{fmt::format("{} at depth {}, {} threads: its ops", row.test, row.depth, row.threads),
              {{"spec", "op", F::text, 9, 24},
               {"variant", "kernel", F::text, 8, 16},
               {"calls", decodes ? "calls/token" : "calls", F::fixed1, 5},
               {"us", "us", F::fixed2, 9},
               {"ms", decodes ? "ms/token" : "ms", F::fixed3, 8}},
              {},
              {},
              {}};
  for (const OpTime& op : row.ops->ops) table.rows.push_back({op.line, op.variant, op.calls, op.us, op.ms});
  table.rows.push_back({"between ops", "", Cell(), Cell(), row.ops->between_ms});
  const StepTime& step = row.ops->step;
  table.sums = {"all", "", Cell(), Cell(), step.mean};
  table.notes.push_back(fmt::format("means of the middle half of {}, which took {:.3f} ms ({:.3f} to {:.3f})",
                                    decodes ? "tokens" : "prompts", step.mean, step.low, step.high));
  table.notes.emplace_back(
      "an op: from the end of the one before it to its own; between ops: logits copied and judged");
  return table;
}

/// A store that cannot be read is told, and costs no result.
std::optional<Ceilings> known_ceilings(const DeviceInfo& device) try {
  std::error_code ignored;
  if (!std::filesystem::exists(default_store(), ignored)) return std::nullopt;
  const auto backends = make_backends();
  const OpenedDevice found = find_device(backends, device.id, 0);
  Store store(checked_store(default_store()), Store::Access::read_only);
  return known_device_ceilings(*found.backend, found.info, store);
} catch (const Error& e) {
  remark("assay: no ceiling is shown: {}\n", one_line(e.what()));
  return std::nullopt;
}

int run_bench(const BenchOptions& options) {
  const auto measures = [](const std::string& list) {
    const std::vector<int64_t> counts = token_counts(list);
    return std::any_of(counts.begin(), counts.end(), [](int64_t tokens) { return tokens > 0; });
  };
  if (!measures(options.prompts) && !measures(options.generated))
    fail("-p {} -n {}: nothing is left to measure; give a length of a prompt or tokens to decode", options.prompts,
         options.generated);
  std::vector<int64_t> threads{0};
  if (!options.threads.empty()) threads = *parse_number_list(options.threads, 1, kMostThreads);
  std::vector<BenchRow> rows;
  std::string title;
  std::optional<Ceilings> ceilings;
  std::optional<CatchInterrupt> catch_interrupt;  // as soon as there is something to show
  for (const int64_t count : threads) try {
      Bench bench(options, count, rows);
      if (!catch_interrupt) catch_interrupt.emplace();
      bench.measure();
      title = fmt::format("{}: {:.1f} MB a token, on {}", bench.model_text(), double(bench.weight_bytes()) * 1e-6,
                          bench.device().name);
      ceilings = known_ceilings(bench.device());
      if (interrupted()) break;
    } catch (const Error&) {
      if (rows.empty() || !interrupted()) throw;  // the next engine was not opened to its end
      break;
    }
  const Table table = bench_table(rows, title, ceilings);
  const auto text = [&](const Terminal& out) {
    std::string all = render_table(table, out.width, out.colour);
    for (const BenchRow& row : rows)
      if (row.ops) all += "\n" + render_table(op_table(row), out.width, out.colour);
    return all;
  };
  options.formats->write({{"text", text},
                          {"json", [&](auto&) { return bench_json(rows, options.engine.model, ceilings); }},
                          {"csv", [&](auto&) { return csv_table(table); }},
                          {"markdown", [&](auto&) { return markdown_table(table); }}});
  if (!interrupted()) return 0;
  remark("assay: interrupted\n");
  return 130;
}

}  // namespace

CommandRun add_bench(Options options, CommandFiles& files) {
  const auto o = std::make_shared<BenchOptions>();
  options.footer(
      "Tokens are drawn, nothing is sampled. Each test runs once more than is counted. A decoded token must read all\n"
      "weights and the KV cache: GB/s and the ceiling say how near that is to what memory gives.\n"
      "Example: assay bench model.gguf -p 128,512 -n 32 -d 0,1024 -t 1,2\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C, with what was measured before.");
  add_engine_options(options, files, o->engine, &o->threads);
  const Options tests = options.group("Tests");
  tests.add("-p,--prompt", o->prompts, "lengths of prompts, commas between; 0: none")
      .show_default()
      .whole_numbers(0, kMostTokens)
      .type("LIST");
  tests.add("-n,--generate", o->generated, "tokens decoded one by one; 0: none")
      .show_default()
      .whole_numbers(0, kMostTokens)
      .type("LIST");
  tests.add("-d,--depth", o->depths, "tokens that are in the KV cache before")
      .show_default()
      .whole_numbers(0, kMostTokens)
      .type("LIST");
  tests.add("-r,--repetitions", o->repetitions, "of each test").show_default().whole(1, 1000).type("N");
  tests.flag(
      "--repeat-fill", o->repeats,
      fmt::format("compute {} of the tokens before a test and repeat their rows of the cache: quicker", kComputed));
  tests.flag("--ops", o->ops, "also what each op takes where it runs (text and JSON)");
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "json", "csv", "markdown"});
  return [o] { return run_bench(*o); };
}

}  // namespace assay

// assay analyze: what traces of runs say.
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "report/accounting_report.h"
#include "trace/accounting.h"
#include "trace/classic.h"
#include "trace/reader.h"

namespace assay {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> traces;
  bool classic = false;
  ClassicOptions report;
};

/// Bad lines where they occur: what is no JSON on stdout, as the classic report has it, the rest on stderr.
class BadLinePrinter : public EventConsumer {
 public:
  explicit BadLinePrinter(std::string trace) : trace_(std::move(trace)) {}

  void consume(const Batch& batch, const StringTable&) override {
    for (const BadLine& bad : batch.bad_lines) {
      if (bad.kind == BadLine::Kind::not_json)
        fmt::print("Error parsing line {}: {}\n", bad.line, bad.message);
      else if (++wrong_shapes_ <= kNamed)
        fmt::print(stderr, "assay: {}: line {} (from 0) is left out: {}\n", trace_, bad.line, bad.message);
    }
  }
  void finish() const {
    if (wrong_shapes_ > kNamed) fmt::print(stderr, "assay: {}: {} more lines of a wrong shape are left out\n", trace_, wrong_shapes_ - kNamed);
  }

 private:
  static constexpr uint64_t kNamed = 100;  // a file of another kind would name each of its lines
  std::string trace_;
  uint64_t wrong_shapes_ = 0;
};

/// "Reading TRACE: 1.2 of 3.4 GB" on a terminal, once reading has taken two seconds.
class ReadingLine {
 public:
  explicit ReadingLine(const std::string& trace) : trace_(trace), terminal_(describe_terminal(stderr)) {
    struct stat status;
    if (stat(trace.c_str(), &status) == 0 && S_ISREG(status.st_mode)) total_ = static_cast<uint64_t>(status.st_size);
  }

  void show(uint64_t bytes) {
    if (!terminal_.live || now_ns() < next_ns_) return;
    next_ns_ = now_ns() + 100'000'000;
    const std::string of = total_ ? fmt::format(" of {:.2f}", double(total_) / 1e9) : "";
    const std::string line = fmt::format("Reading {}: {:.2f}{} GB", trace_, double(bytes) / 1e9, of);
    fmt::print(stderr, "\r\x1b[K{}", cut_middle(line, terminal_.width));
    std::fflush(stderr);
    shown_ = true;
  }
  void clear() const {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const std::string& trace_;
  Terminal terminal_;
  uint64_t total_ = 0;
  int64_t next_ns_ = now_ns() + 2'000'000'000;
  bool shown_ = false;
};

/// 0, or 2 if the trace could not be read to its end: the report then covers what came before.
int analyze(const std::string& trace, const AnalyzeOptions& options) {
  std::unique_ptr<ByteSource> bytes = open_byte_source(trace);
  fmt::print("{}", classic_header(trace));
  StringTable strings;
  ClassicCounts counts;
  TimeAccounting accounting;
  BadLinePrinter bad_lines(trace);
  ReadingLine reading(trace);
  ReadOptions read_options;
  read_options.progress = [&reading](uint64_t file_bytes) { reading.show(file_bytes); };
  std::vector<EventConsumer*> consumers = {&bad_lines, &counts};
  if (!options.classic) consumers.push_back(&accounting);
  const ReadTotals totals = read_trace(std::move(bytes), strings, consumers, read_options);
  reading.clear();
  bad_lines.finish();
  fmt::print("{}", classic_text(counts, strings, options.report));
  if (!options.classic) {
    Accounts accounts = accounting.finish(strings);
    accounts.anomalies.placeholders = find_placeholders(counts, strings);
    fmt::print("{}", accounting_text(accounts));
  }
  std::fflush(stdout);
  if (totals.cut_off.empty()) return 0;
  fmt::print(stderr, "assay: {}: the report covers the {} events before that\n", totals.cut_off, totals.events);
  return 2;
}

int run_analyze(const AnalyzeOptions& options) {
  int worst = 0;
  for (const std::string& trace : options.traces) worst = std::max(worst, analyze(trace, options));
  return worst;
}

constexpr char kFooter[] = R"(TRACE holds one JSON object a line (docs/trace-format.md), plain or as .gz or .zst; - is standard input. With several, each
gets its own report. A line that is not JSON is named on stdout where it occurs, one of a wrong shape on stderr; both are left
out, and the numbers of all other lines stay exact. Lines count from 0.

Examples:
  assay analyze run.jsonl
  assay analyze --kernel-filter swiglu run.jsonl.zst
  zcat run.jsonl.gz | assay analyze --classic -

Exit codes: 0 the report is whole, bad lines or not; 2 a trace could not be opened, or not be read to its end.)";

}  // namespace

CommandRun add_analyze(CLI::App& command) {
  const auto o = std::make_shared<AnalyzeOptions>();
  command.footer(kFooter);
  command.add_option("TRACE", o->traces, "traces to report on; - is standard input")->required();
  command.add_flag("--classic", o->classic, "the classic report and nothing else");
  command.add_option("--top", o->report.top, "rows shown of each section")->capture_default_str()->check(CLI::Range(0, 1'000'000'000));
  command.add_option("--kernel-top", o->report.kernel_top, "rows shown of \"Kernel aggregate (all parents)\"")->capture_default_str()->check(CLI::Range(0, 1'000'000'000));
  command.add_flag("--include-kernel-totals", o->report.include_kernel_totals, "show *_total and *cb_wait in that section, too");
  command.add_option("--kernel-filter", o->report.kernel_filter, "show kernels, backends and shapes whose names hold this text, in any case");
  return [o] { return run_analyze(*o); };
}

}  // namespace assay

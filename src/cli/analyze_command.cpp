// assay analyze: what traces of runs say.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <optional>

#include "analysis/trace_workload.h"
#include "base/error.h"
#include "base/json.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/number_option.h"
#include "cli/report_formats.h"
#include "cli/trace_ceiling.h"
#include "cli/trace_input.h"
#include "report/accounting_report.h"
#include "report/analysis_json.h"
#include "report/analysis_text.h"
#include "report/csv.h"
#include "report/perfetto.h"
#include "report/summary_text.h"

namespace assay {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> traces;
  bool classic = false, summary = false, full = false;
  ClassicOptions report;
  ShapeOptions shapes;
  std::string specs_out, device, diff, ceiling;
  std::shared_ptr<ReportFormats> formats;
  double hot_percent = TraceWorkloadOptions().least_percent;
  std::optional<double> threshold_percent;
  std::optional<int64_t> token;  // of the timeline

  bool classic_alone() const {
    return classic && specs_out.empty() && diff.empty() && !formats->wants("json") && !formats->wants("csv") &&
           !formats->wants("markdown") && !formats->wants("perfetto");
  }
  DiffThresholds thresholds() const {
    return threshold_percent ? DiffThresholds{*threshold_percent / 100, *threshold_percent / 100} : DiffThresholds{};
  }
};

/// The trace that all others are held against.
struct Before {
  TraceInput input;
  Accounts accounts;
  ShapeReport shapes;
  int exit_code = 0;
};

/// What all traces give together.
struct Reports {
  std::FILE* text =
      nullptr;  // where text goes as it comes about: standard output, or memory where a file wants it, too
  Json json = Json::array();
  Table rows;
  std::string markdown, perfetto;
  bool regressed = false;
};

/// Text gathered for a file.
class TextInMemory {
 public:
  ~TextInMemory() {
    if (stream_) std::fclose(stream_);
    std::free(bytes_);
  }
  std::FILE* stream() {
    if (!stream_) stream_ = open_memstream(&bytes_, &size_);
    ASSAY_CHECK(stream_ != nullptr);
    return stream_;
  }
  std::string text() const {
    if (!stream_) return "";
    std::fflush(stream_);
    return std::string(bytes_, size_);
  }

 private:
  std::FILE* stream_ = nullptr;
  char* bytes_ = nullptr;
  size_t size_ = 0;
};

/// 0, or 2 if the trace could not be read to its end or holds no event.
int whole(const std::string& trace, const TraceInput& input) {
  const ReadTotals& totals = input.totals;
  if (!totals.cut_off.empty())
    remark("assay: {}: the report covers the {} events before that\n", one_line(totals.cut_off), totals.events);
  else if (totals.events == 0)
    remark("assay: {}\n", one_line(no_event_message(trace, input)));
  return totals.cut_off.empty() && totals.events > 0 ? 0 : 2;
}

void write_specs(const std::string& trace, const ShapeReport& shapes, const AnalyzeOptions& options) {
  const TraceWorkload workload = trace_workload(shapes, {trace, "", options.device, options.hot_percent});
  write_output(options.specs_out, workload.json);
  remark(
      "assay: {}: {} lines and {} families that stand for {} more; left out: {} shapes with {:.1f} % of the "
      "shapes' time\n",
      options.specs_out == "-" ? "stdout" : options.specs_out, workload.lines, workload.families, workload.members,
      workload.left_out, workload.left_out_percent);
}

/// The classic sections are the original's, byte for byte; a terminal alone gets no byte that it would obey.
void put_classic(std::FILE* text, const std::string& sections) {
  put(text, describe_terminal(text).interactive ? printable(sections) : sections);
}

/// What follows the classic sections, or, as a summary, stands in their place.
void show(std::FILE* text, const TraceSummary& summary, const TraceDiff* diff, const AnalyzeOptions& options) {
  const Terminal out = text == stdout ? describe_terminal(stdout) : Terminal();
  const size_t narrow = options.summary && out.width == 0 ? 80 : out.width;
  AnalysisTextOptions shown{options.report.top, out.colour, narrow};
  if (!options.summary) {
    put(text, accounting_text(summary.accounts));
    put(text, shapes_text(summary.shapes, shown));
  } else if (!diff) {
    put(text, summary_text(summary, shown));
  } else {
    shown.top = 5;  // of a verdict
  }
  if (diff) put(text, diff_text(*diff, shown));
}

/// After the account is finished. Error where there is no such token.
std::string timeline_json(const std::string& trace, Timeline& timeline, const StringTable& strings,
                          const AnalyzeOptions& options) {
  timeline.finish();
  if (options.token && timeline.tokens().empty())
    fail("--token {}: {} has {} tokens with a place on the clock, counted from 0", *options.token, trace,
         timeline.tokens_seen());
  if (timeline.without_time() > 0)
    remark("assay: {}: {} timed events have no usable time stamp and are not in the timeline\n", one_line(trace),
           timeline.without_time());
  return perfetto_json(trace, timeline, strings);
}

/// Whether two names are of one file; what is in it is compared with itself then.
bool is_one_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  if (std::filesystem::equivalent(a, b, ignored)) return true;
  if (!std::filesystem::is_regular_file(a, ignored) || !std::filesystem::is_regular_file(b, ignored) ||
      std::filesystem::file_size(a, ignored) != std::filesystem::file_size(b, ignored))
    return false;
  std::ifstream one(a, std::ios::binary), other(b, std::ios::binary);
  return std::equal(std::istreambuf_iterator<char>(one), {}, std::istreambuf_iterator<char>(other));
}

int analyze(const std::string& trace, const AnalyzeOptions& options, const Before* before, Reports& reports) {
  std::unique_ptr<ByteSource> bytes = open_byte_source(trace);
  if (before && is_one_file(trace, options.diff))
    remark(
        "assay: --diff: {} and {} hold the same bytes: nothing differs, UNSURE below only says how little few times "
        "can tell\n",
        options.diff, trace);
  std::FILE* const text = reports.text;
  const bool has_sections = text && !options.summary;
  if (has_sections) put_classic(text, classic_header(trace));
  TraceInput input;
  std::optional<Timeline> timeline;
  if (options.formats->wants("perfetto"))
    timeline.emplace(input.accounting, options.token ? Timeline::Keep::one_token : Timeline::Keep::all,
                     static_cast<uint64_t>(options.token.value_or(0)));
  read_trace_input(trace, std::move(bytes), input, has_sections ? text : stderr, options.classic_alone(),
                   timeline ? &*timeline : nullptr);
  std::future<std::string> classic;
  const bool markdown = options.formats->wants("markdown");
  if (has_sections || markdown)
    classic = std::async(std::launch::async, [&] { return classic_text(input.counts, input.strings, options.report); });
  if (options.classic_alone()) {
    put_classic(text, classic.get());
    flush(text);
    return whole(trace, input);
  }
  const Accounts accounts = input.finish_accounts();  // meanwhile
  const ShapeReport shapes = input.shape_report(accounts, options.shapes);
  const std::string classic_sections = classic.valid() ? classic.get() : "";
  if (has_sections) put_classic(text, classic_sections);
  std::optional<TraceDiff> diff;
  if (before && input.totals.events > 0) {
    diff = diff_traces({before->input.counts, before->input.strings, before->shapes, &before->accounts},
                       {input.counts, input.strings, shapes, &accounts}, options.thresholds());
    diff->before = options.diff;
    diff->after = trace;
    reports.regressed |= diff->regressed();
  }
  if (text && !options.classic && (!options.summary || input.totals.events > 0))
    show(text, {trace, input.totals, input.counts, input.strings, accounts, shapes}, diff ? &*diff : nullptr, options);
  if (markdown)
    reports.markdown += analysis_markdown(trace, classic_sections + (options.classic ? "" : accounting_text(accounts)),
                                          shapes, diff ? &*diff : nullptr, {options.report.top});
  if (options.formats->wants("json")) {
    Json report = {{"trace", trace}};
    report["totals"] = to_json(input.totals);
    report["classic"] = classic_json(input.counts, input.strings);
    report["shapes"] = to_json(shapes);
    report["accounting"] = to_json(accounts);
    report["anomalies"] = to_json(accounts.anomalies);
    if (diff) report["diff"] = to_json(*diff);
    reports.json.push_back(std::move(report));
  }
  if (timeline) reports.perfetto = timeline_json(trace, *timeline, input.strings, options);
  if (options.formats->wants("csv")) {
    Table rows = analysis_table(trace, input.counts, input.strings, shapes);
    reports.rows.columns = std::move(rows.columns);
    std::move(rows.rows.begin(), rows.rows.end(), std::back_inserter(reports.rows.rows));
  }
  if (text) flush(text);
  const int exit_code = whole(trace, input);
  if (!options.specs_out.empty() && input.totals.events > 0) write_specs(trace, shapes, options);
  return exit_code;
}

int run_analyze(AnalyzeOptions options) {
  mallopt(
      M_TOP_PAD,
      8 << 20);  // the heap grows once or twice to tens of MB, not by 128 KB at a time, back and forth: 5 % of the time
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!options.specs_out.empty() && options.traces.size() > 1)
    fail("--specs-out takes one trace, not {}: a workload is one model's", options.traces.size());
  const bool perfetto = options.formats->wants("perfetto");
  if (perfetto && options.traces.size() > 1)
    fail("--format perfetto takes one trace, not {}: a timeline is one run's", options.traces.size());
  if (options.threshold_percent && options.diff.empty()) fail("--threshold: is of a comparison; add --diff OTHER");
  if (options.token && !perfetto) fail("--token: is of the timeline; add --format perfetto=FILE");
  shape_rules(options.shapes.dtype, {});  // a wrong --dtype or --ceiling is told before a long read
  options.shapes.ceiling_gbps = trace_ceiling(options.ceiling, options.device);
  std::optional<Before> before;
  if (!options.diff.empty()) {
    before.emplace();
    read_trace_input(options.diff, open_byte_source(options.diff), before->input, stderr);
    if (const std::string message = no_event_message(options.diff, before->input); !message.empty())
      fail("{}", message);
    before->exit_code = whole(options.diff, before->input);
    before->accounts = before->input.finish_accounts();
    before->shapes = before->input.shape_report(before->accounts, options.shapes);
  }
  int worst = before ? before->exit_code : 0;
  Reports reports;
  TextInMemory gathered;
  if (options.formats->wants("text")) reports.text = options.formats->text_is_filed() ? gathered.stream() : stdout;
  for (const std::string& trace : options.traces) try {
      worst = std::max(worst, analyze(trace, options, before ? &*before : nullptr, reports));
    } catch (const Error& e) {  // one of several costs its own report alone
      if (options.traces.size() == 1) throw;
      remark("assay: {}\n", one_line(e.what()));
      worst = 2;
    }
  options.formats->write({{"text", [&](auto&) { return gathered.text(); }},
                          {"csv", [&](auto&) { return csv_table(reports.rows); }},
                          {"json", [&](auto&) { return analysis_json(reports.json); }},
                          {"markdown", [&](auto&) { return reports.markdown; }},
                          {"perfetto", [&](auto&) { return reports.perfetto; }}},
                         reports.text == stdout ? ReportFormats::Text::shown_already : ReportFormats::Text::to_show);
  return std::max(worst, reports.regressed ? 1 : 0);
}

constexpr char kFooter[] =
    R"(TRACE holds one JSON object a line (docs/trace-format.md), plain or as .gz or .zst; - is standard input. With several, each gets its own report. A line that is not JSON is named on stdout where it occurs, one of a wrong shape on stderr; both are left out, and the numbers of all other lines stay exact. Lines count from 0. docs/analyze.md says how to read each section.

Examples:
  assay analyze run.jsonl                                    on a terminal one screen; --full for all
  assay analyze --dtype q8_0 --ceiling 400 run.jsonl         GB/s of each shape, and what could be won
  assay analyze --dtype q8_0 --ceiling cuda:0 run.jsonl      the same, for a run on this GPU
  assay analyze --dtype q8_0 --specs-out run.json run.jsonl  then: assay probe --specs run.json
  assay analyze --diff before.jsonl after.jsonl              names and shapes that became slower, exit 1 if any
  assay analyze --kernel-filter swiglu run.jsonl.zst
  assay analyze --format perfetto=run.json run.jsonl         then open run.json at ui.perfetto.dev
  zcat run.jsonl.gz | assay analyze --classic -

Exit codes: 0 the report is whole, bad lines or not; 1 --diff found a regression; 2 a trace could not be opened, not be read to its end, or holds no event (the others are reported all the same), or an option is wrong; 130 Ctrl-C.)";

}  // namespace

CommandRun add_analyze(Options options, CommandFiles& files) {
  const auto o = std::make_shared<AnalyzeOptions>();
  using Part = CommandFiles::Part;
  options.footer(kFooter);
  files.add(Part::input,
            options.add("TRACE", o->traces, "traces to report on; - is standard input").required().type(""));
  files.add(Part::store, [o]() -> std::vector<NamedFile> {
    if (o->ceiling.empty() || parse_number<double>(o->ceiling)) return {};
    return {{"the store of --ceiling", default_store().string()}};
  });
  const Options length = options.group("How much is shown");
  const Option summary = length.flag("--summary", o->summary,
                                     "one screen: ms per token, kernel types, shapes with most to win, anomalies (on a "
                                     "terminal the default, unless an option of the classic report is given)");
  const Option full = length.flag("--full", o->full, "all sections, the classic ones first (elsewhere the default)");
  full.excludes(summary);
  const Options classic = options.group("The classic report");
  classic.flag("--classic", o->classic, "the classic report and nothing else").excludes(summary).excludes(full);
  const std::vector<Option> of_classic = {
      classic.add("--top", o->report.top, "rows shown of each section")
          .show_default()
          .whole(0, 1'000'000'000)
          .type("N"),
      classic.add("--kernel-top", o->report.kernel_top, "rows shown of \"Kernel aggregate (all parents)\"")
          .show_default()
          .whole(0, 1'000'000'000)
          .type("N"),
      classic.flag("--include-kernel-totals", o->report.include_kernel_totals,
                   "show *_total and *cb_wait in that section, too"),
      classic
          .add("--kernel-filter", o->report.kernel_filter,
               "show kernels, backends and shapes whose names hold this text, in any case")
          .filled()
          .type("TEXT"),
  };
  const Options shapes = options.group("Shapes");
  std::vector<Option> of_shapes = {
      shapes
          .add("--dtype", o->shapes.dtype,
               "type of the model's weights, where lines name none: f16, q8_0, q4_0, …; f32:q8_0 has F32 around them")
          .filled()
          .type("TYPE"),
      shapes
          .add("--ceiling", o->ceiling,
               "GB/s that the traced device can read, or its name (cpu:0) where it is this machine's: gives % and what "
               "is to be won")
          .filled()
          .type("GB/s|DEVICE"),
      shapes.add("--tokens", o->shapes.tokens, "tokens of the trace, where it does not show them itself")
          .whole(1, int64_t(1) << 40)
          .type("N"),
  };
  files.add(Part::output,
            shapes
                .add("--specs-out", o->specs_out,
                     "write the hot shapes as a workload for assay probe --specs ('-': instead of the text)")
                .type("FILE"));
  const Option hot =
      shapes.add("--hot", o->hot_percent, "a shape is hot from this much of the shapes' time, in percent (0: all are)")
          .show_default()
          .number(0, 100)
          .type("PERCENT");
  of_shapes.push_back(shapes.add("--device-name", o->device, "what the trace ran on, for that file and for its ceiling")
                          .filled()
                          .type("NAME"));
  const Options results = options.group("Results");
  files.add(Part::input,
            results.add("--diff", o->diff, "hold each TRACE against this earlier one; exit 1 if anything became slower")
                .type("OTHER"));
  results
      .add("--threshold", o->threshold_percent,
           "with --diff: changes up to so many percent are none; without it 3 of a name or shape, 1 of walls and "
           "kernel types, whose evidence is pooled")
      .number(0, 1000)
      .type("PERCENT");
  results
      .add("--token", o->token, "with --format perfetto: this token alone, counted from 0 over prompt and decoded ones")
      .whole(0, int64_t(1) << 40)
      .type("N");
  o->formats = std::make_shared<ReportFormats>(options, files,
                                               std::vector<std::string>{"text", "csv", "json", "markdown", "perfetto"});
  return [o, of_classic, of_shapes, hot] {
    if (o->specs_out.empty()) refuse_given({hot}, "the hot shapes' file; add --specs-out FILE");
    if (o->classic_alone()) refuse_given(of_shapes, "shapes, which --classic alone does not show; leave it out");
    if (o->summary && !o->formats->wants("markdown"))
      refuse_given(of_classic, "the classic sections, which --summary does not show; leave one of the two out");
    const bool of_it = o->classic || std::any_of(of_classic.begin(), of_classic.end(),
                                                 [](Option option) { return option.is_given(); });
    const bool on_terminal = describe_terminal(stdout).interactive && !o->formats->text_is_filed();
    if (!o->full && !of_it && on_terminal) o->summary = true;
    return run_analyze(*o);
  };
}

}  // namespace assay

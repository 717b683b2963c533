// assay report: one page of stores, traces, tables and results of opbench, to be looked at.
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/page_input.h"
#include "cli/report_formats.h"
#include "cli/trace_ceiling.h"
#include "cli/trace_input.h"
#include "cli/version.h"
#include "report/json.h"
#include "report/page.h"

namespace assay {
namespace {

struct ReportOptions {
  std::vector<std::string> inputs, spec_files;
  std::string out, device, ceiling;
  ShapeOptions shapes;
  std::optional<int64_t> token;
  PageOptions page;
  bool quiet = false;
  std::function<void()> check_traces;  // where none is shown
};

/// Every workload that could price something; a checkout's and those of files.
std::vector<Workload> known_workloads(const ReportOptions& options) {
  std::vector<Workload> workloads;
  for (const std::string& file : options.spec_files) workloads.push_back(load_workload(file));
  for (Workload& w : load_workloads(project_folder("specs"))) workloads.push_back(std::move(w));
  return workloads;
}

std::vector<std::string> baseline_variants() {
  std::vector<std::string> ids;
  for (const auto& backend : make_backends())
    for (const Manifest& manifest : load_manifests(*backend, {}))
      for (const Variant& variant : manifest.variants)
        if (variant.baseline) ids.push_back(variant.id());
  return ids;
}

/// is_whole: set to false where the trace could not be read to its end.
Json trace_json(const PageInput& page_input, const ReportOptions& options, bool& is_whole) {
  const std::string& trace = page_input.file;
  TraceInput input;
  Timeline timeline(input.accounting, options.token ? Timeline::Keep::one_token : Timeline::Keep::typical,
                    static_cast<uint64_t>(options.token.value_or(0)));
  read_trace_input(trace, open_byte_source(trace), input, stderr, false, &timeline);
  if (!input.totals.cut_off.empty()) {
    is_whole = false;
    remark("assay: {}: the page covers the {} events before that\n", input.totals.cut_off, input.totals.events);
  }
  if (const std::string message = no_event_message(trace, input); !message.empty())
    fail("{}{}", message, page_input.packed_with.empty() ? "" : "; what is no trace has to be unpacked first");
  const Accounts accounts = input.finish_accounts();
  timeline.finish();
  if (options.token && timeline.tokens().empty())
    fail("--token {}: {} has {} tokens with a place on the clock, counted from 0", *options.token, trace,
         timeline.tokens_seen());
  return page_trace(trace, input.totals, input.counts, input.strings, accounts,
                    input.shape_report(accounts, options.shapes), timeline);
}

StoreSections store_sections(const PageInput& input, const std::vector<Workload>& workloads,
                             const std::vector<std::string>& baselines) {
  StoreSections made =
      input.kind == PageInput::Kind::store
          ? sections_of_store(Store(input.file, Store::Access::read_only), workloads, baselines)
          : sections_of_records(input.file, read_report_json(input.text, input.file), workloads, baselines);
  if (made.records.empty() && made.frameworks.empty())
    fail("{}: holds no case, so there is nothing to show; measure first: assay probe", input.file);
  for (const StoreSection& section : made.sections)
    if (section.unreadable > 0)
      remark("assay: {}: {} cases are of specs that this assay does not know, and are left out\n", input.file,
             section.unreadable);
  return made;
}

/// "assay report a.sqlite b.jsonl", as it may be typed again.
std::string command_line(const ReportOptions& options) {
  std::string text = "assay report";
  for (const std::string& input : options.inputs) text += " " + one_line(input);
  return text + " --out " + one_line(options.out);
}

int run_report(ReportOptions options) {
  if (options.inputs.empty()) {
    options.inputs = {default_store().string()};
    std::error_code ignored;
    if (!std::filesystem::exists(options.inputs[0], ignored))
      fail("{}: there are no results yet; run assay probe first, or name a file to show", options.inputs[0]);
  }
  shape_rules(options.shapes.dtype, {});  // a wrong --dtype is told before a long read
  options.shapes.ceiling_gbps = trace_ceiling(options.ceiling, options.device);
  const std::vector<Workload> workloads = known_workloads(options);
  const std::vector<std::string> baselines = baseline_variants();
  bool is_whole = true;
  std::vector<StoreSections> sources;
  Json traces = Json::array(), tables = Json::array(), opbench = Json::array();
  for (const std::string& file : options.inputs) {
    const PageInput input = page_input(file);
    switch (input.kind) {
      case PageInput::Kind::store:
      case PageInput::Kind::report: {
        StoreSections made = store_sections(input, workloads, baselines);
        if (Json rows = page_frameworks(made); !rows.is_null())
          opbench.push_back({{"file", file}, {"results", std::move(rows)}});
        if (!made.records.empty()) sources.push_back(std::move(made));
        break;
      }
      case PageInput::Kind::trace:
        traces.push_back(trace_json(input, options, is_whole));
        break;
      case PageInput::Kind::table:
        tables.push_back({{"file", file}, {"table", input.json}});
        break;
      case PageInput::Kind::opbench:
        opbench.push_back({{"file", file}, {"results", input.json}});
        break;
    }
  }
  if (options.token && traces.empty()) fail("--token {}: no trace is among the inputs", *options.token);
  if (traces.empty()) options.check_traces();
  Json data = {{"schema", "assay-page"}, {"version", 1}};
  data["made"] = {{"program", fmt::format("assay {} ({})", program_version(), program_commit())},
                  {"at", static_cast<int64_t>(std::time(nullptr))},
                  {"command", command_line(options)}};
  data["stores"] = page_sections(sources, options.page);
  data["traces"] = std::move(traces);
  data["tables"] = std::move(tables);
  data["opbench"] = std::move(opbench);
  const std::string page = html_page(data);
  write_output(options.out, page);
  if (!options.quiet && !is_standard_output(options.out))
    remark("assay: {}: {:.1f} MB; open it in a browser\n", one_line(options.out), double(page.size()) / 1e6);
  return is_whole ? 0 : 2;
}

constexpr char kFooter[] =
    R"(INPUT is any of: a store of assay probe (SQLite), its --json report, a trace of a run (docs/trace-format.md; .gz and .zst too), a dispatch table (docs/dispatch-table.md), results of opbench. What it is shows its content. Without any, the default store.

The page is one file: no network, nothing beside it. Two stores, or a store with results of two devices, are set side by side. docs/report.md says how to read each picture.

Examples:
  assay report --out report.html                          what this machine's store has
  assay report before.sqlite after.sqlite --out diff.html two stores side by side
  assay report results.sqlite run.jsonl --out report.html with the account of a run beside it

Exit codes: 0 fine; 2 an input cannot be read to its end (of such a trace the page shows what stands before that) or is none of these, or the page cannot be written.)";

}  // namespace

CommandRun add_report(Options options, CommandFiles& files) {
  const auto o = std::make_shared<ReportOptions>();
  using Part = CommandFiles::Part;
  options.footer(kFooter);
  options.add("INPUT", o->inputs, "stores, JSON reports, traces, tables, results of opbench").type("");
  files.add(Part::input, [o] {
    std::vector<NamedFile> inputs;
    for (const std::string& file : o->inputs) inputs.push_back({"INPUT", file});
    if (inputs.empty()) inputs.push_back({"the default store", default_store().string()});
    return inputs;
  });
  files.add(Part::output, options.add("--out", o->out, "the page ('-': standard output)").required().type("FILE"));
  options.flag("--quiet", o->quiet, "do not say how large the page is");
  const Options sweeps = options.group("Stores");
  files.add(Part::input,
            sweeps.add("--specs", o->spec_files, "workload files that price a token, beside the shipped ones"));
  sweeps.add("--most-samples", o->page.most_samples, "raw samples in the page; where there are more, all are binned")
      .show_default()
      .whole(0, 100'000'000)
      .type("N");
  const Options traces = options.group("Traces");
  std::vector<Option> of_traces;
  of_traces.push_back(
      traces
          .add("--dtype", o->shapes.dtype,
               "type of the model's weights, where lines name none: f16, q8_0, q4_0, …; f32:q8_0 has F32 around them")
          .filled()
          .type("TYPE"));
  of_traces.push_back(traces
                          .add("--ceiling", o->ceiling,
                               "GB/s that the traced device can read, or its name (cpu:0) where it is this machine's")
                          .filled()
                          .type("GB/s|DEVICE"));
  of_traces.push_back(traces.add("--device-name", o->device, "what the trace ran on").filled().type("NAME"));
  traces.add("--token", o->token, "whose kernels are shown in order, from 0 over all tokens (default: a typical one)")
      .whole(0, int64_t(1) << 40)
      .type("N");
  o->check_traces = [of_traces] { refuse_given(of_traces, "traces; none is among the inputs"); };
  return [o] { return run_report(*o); };
}

}  // namespace assay

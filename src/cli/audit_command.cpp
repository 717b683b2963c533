// assay audit: the options, and the judgement in the form asked for.
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/report_formats.h"
#include "report/audit_file_report.h"
#include "trace/byte_source.h"

namespace assay {
namespace {

struct AuditCommandOptions {
  std::string log;
  std::shared_ptr<ReportFormats> formats;
  AuditOptions audit;
  bool verbose = false;
};

int run_audit(const AuditCommandOptions& options) {
  product_types_of_option(options.audit.dtype);
  const ReportFormats& formats = *options.formats;
  const Terminal out = formats.text_is_filed() ? Terminal() : describe_terminal(stdout);
  AuditFileReport report(options.log, options.audit,
                         {formats.wants("json"),
                          formats.wants("csv"),
                          formats.wants("markdown"),
                          {options.verbose, out.colour, out.width}});
  ProbeLogReader reader(open_byte_source(options.log), options.log);
  while (auto log = reader.next()) report.add(std::move(*log));
  report.add_cut(reader.cut_off());
  formats.write({{"text", [&](auto&) { return report.text(); }},
                 {"csv", [&](auto&) { return report.csv(); }},
                 {"json", [&](auto&) { return report.json(); }},
                 {"markdown", [&](auto&) { return report.markdown(); }}});
  const AuditCounts& totals = report.totals();
  if (totals.misleading > 0) return 1;
  if (totals.nothing_checked > 0)
    fail("{}: nothing is checked{}: no row has a maxRel; make the harness compare its results and print it",
         options.log, totals.logs > 1 ? fmt::format(" in {} of its {} logs", totals.nothing_checked, totals.logs) : "");
  return 0;
}

}  // namespace

CommandRun add_audit(Options options, CommandFiles& files) {
  const auto o = std::make_shared<AuditCommandOptions>();
  options.footer(
      "Reads what a probe run printed, assay's or another harness's, and judges it by its own numbers:\n"
      "  wrong rows          maxRel above --max-rel, an error that is no number, or the log itself says wrong; a row "
      "of\n"
      "                      class int8_activation, f16_activation or bf16_activation is held to its own bound "
      "instead\n"
      "  crowns              [best-gpu] [best-cpu] (ours: [best-dev] [best-host]) that sit on wrong or impossible "
      "rows\n"
      "  impossible times    faster than the best bandwidth that a right row of the same log shows, rounding granted\n"
      "  unsolved specs      every row is wrong: suspect the reference or the harness, not the kernels\n"
      "  corrected ranking   what is first once wrong rows are out; host time per submission beside it\n"
      "A file may hold several logs, and be compressed (gzip, zstd): each is judged by itself.\n"
      "docs/audit.md explains each line. Example: assay audit probe.log --csv rows.csv\n\n"
      "Exit codes: 0 no crown sits on a wrong or impossible row; 1 one does; 2 there is no such log, or nothing in it "
      "is "
      "checked.");
  files.add(CommandFiles::Part::input, options.add("LOG", o->log, "the log ('-': standard input)").required().type(""));
  options.add("--max-rel", o->audit.max_rel, "a row is wrong above this maxRel = max |difference| / max(1, |a|, |b|)")
      .show_default()
      .number(0, 1e6)
      .type("NUMBER");
  options
      .add("--dtype", o->audit.dtype,
           "what the values of specs are that do not say (for their bytes): f16, q8_0, q4_0, …; f32:q8_0 has F32 "
           "around them")
      .show_default()
      .type("TYPE");
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  options.flag("--verbose", o->verbose, "show every row, as it ranks, and every line that no rule reads");
  return [o] { return run_audit(*o); };
}

}  // namespace assay

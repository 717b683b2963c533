// assay audit: the options, and the judgement in the form asked for.
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/number_option.h"
#include "report/audit_file_report.h"
#include "trace/byte_source.h"

namespace assay {
namespace {

struct AuditCommandOptions {
  std::string log, json, csv;
  AuditOptions audit;
  bool verbose = false;
};

void write_to(const std::string& to, const std::string& text) {
  if (to == "-")
    fmt::print("{}", text);
  else if (!to.empty())
    write_file(to, text);
}

int run_audit(const AuditCommandOptions& options) {
  if (options.json == "-" && options.csv == "-") fail("only one of --json and --csv can go to standard output");
  if (!parse_dtype(options.audit.dtype))
    fail("--dtype {}: not among {}{}", options.audit.dtype, fmt::join(dtype_names(), ", "),
         did_you_mean(options.audit.dtype, dtype_names()));
  const Terminal out = describe_terminal(stdout);
  AuditFileReport report(options.log, options.audit,
                         {!options.json.empty(), !options.csv.empty(), {options.verbose, out.colour, out.width}});
  ProbeLogReader reader(open_byte_source(options.log), options.log);
  while (auto log = reader.next()) report.add(std::move(*log));
  report.add_cut(reader.cut_off());
  if (options.json != "-" && options.csv != "-") fmt::print("{}", report.text());
  if (!options.json.empty()) write_to(options.json, report.json());
  if (!options.csv.empty()) write_to(options.csv, report.csv());
  const AuditCounts& totals = report.totals();
  if (totals.misleading > 0) return 1;
  if (totals.nothing_checked > 0)
    fail("{}: nothing is checked{}: no row has a maxRel; make the harness compare its results and print it",
         options.log, totals.logs > 1 ? fmt::format(" in {} of its {} logs", totals.nothing_checked, totals.logs) : "");
  return 0;
}

}  // namespace

CommandRun add_audit(CLI::App& command) {
  const auto o = std::make_shared<AuditCommandOptions>();
  command.footer(
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
      "is\n"
      "checked.");
  command.add_option("LOG", o->log, "the log ('-': standard input)")->required()->type_name("");
  command
      .add_option("--max-rel", o->audit.max_rel,
                  "a row is wrong above this maxRel = max |difference| / max(1, |a|, |b|)")
      ->capture_default_str()
      ->check(number_from(0, 1e6))
      ->type_name("NUMBER");
  command
      .add_option("--dtype", o->audit.dtype,
                  "what the values of specs are that do not say (for their bytes): f16, f32, bf16, q8_0")
      ->capture_default_str()
      ->type_name("TYPE");
  command.add_option("--json", o->json, "write everything as JSON ('-': instead of the text)")->type_name("FILE");
  command.add_option("--csv", o->csv, "write one row a row of the log as CSV ('-' likewise)")->type_name("FILE");
  command.add_flag("--verbose", o->verbose, "show every row, as it ranks, and every line that no rule reads");
  return [o] { return run_audit(*o); };
}

}  // namespace assay

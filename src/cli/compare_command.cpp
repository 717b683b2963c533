// assay compare: two stores or JSON reports, case by case.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/report_formats.h"
#include "report/compare.h"
#include "report/compare_formats.h"
#include "report/csv.h"
#include "report/json.h"
#include "store/store.h"

namespace assay {
namespace {

struct CompareOptions {
  std::string before, after;
  double threshold_percent = 3;
  std::shared_ptr<ReportFormats> formats;
};

/// A JSON report begins with a brace, a store with SQLite's name.
std::vector<CaseRecord> read_records(const std::string& file) {
  const std::string text = read_file(file);
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_report = first != std::string::npos && text[first] == '{';
  if (const std::string packer = compressed_with(text); !packer.empty())
    fail("{}: is {}-compressed data; unpack it first", file, packer);
  if (!is_report && !text.starts_with("SQLite format 3"))
    fail(
        "{}: neither a store nor a JSON report of assay; name one that assay probe wrote, with --store FILE or --json "
        "FILE",
        file);
  std::vector<CaseRecord> records =
      is_report ? read_report_json(text, file) : Store(file, Store::Access::read_only).newest_of_each_key();
  if (records.empty()) fail("{}: holds no case, so nothing can be compared; measure first: assay probe", file);
  return records;
}

/// A gate must not pass because nothing was held against anything.
void check_that_anything_meets(const CompareReport& report, const CompareOptions& options) {
  if (report.rows.empty())
    fail("{} and {} have no case in common ({} and {} cases): the same spec, variant, device and mode must be in both",
         options.before, options.after, report.only_before.size(), report.only_after.size());
  if (std::all_of(report.rows.begin(), report.rows.end(), [](const CompareRow& row) {
        return row.before_outcome != Outcome::pass && row.after_outcome != Outcome::pass;
      }))
    fail("{} and {}: none of the {} cases in common passes in either, so no time can be compared", options.before,
         options.after, report.rows.size());
}

int run_compare(const CompareOptions& options) {
  const std::vector<CaseRecord> before = read_records(options.before), after = read_records(options.after);
  const CompareReport report = compare_records(before, after, options.threshold_percent / 100);
  check_that_anything_meets(report, options);
  options.formats->write({{"text",
                           [&](const Terminal& out) {
                             return compare_text(report, {false, out.colour, out.width});
                           }},
                          {"csv", [&](auto&) { return csv_table(compare_table(report)); }},
                          {"json", [&](auto&) { return compare_json(report); }},
                          {"markdown", [&](auto&) { return compare_markdown(report); }},
                          {"junit", [&](auto&) { return compare_junit(report); }},
                          {"github", [&](auto&) { return compare_github(report); }}});
  return report.regressed() ? 1 : 0;
}

}  // namespace

CommandRun add_compare(Options options, CommandFiles& files) {
  const auto o = std::make_shared<CompareOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "SAME: the ratio's whole 95 % interval lies within the threshold. FASTER, SLOWER: it lies beyond, and a rank "
      "test agrees (p < 0.01), "
      "also beside the kernel that only reads the same bytes, and by more than every other case of the spec whose "
      "build is the same on "
      "both sides: what moves those is the machine. UNSURE: none of these, fewer than 5 samples, or a difference of "
      "what was let go early. "
      "The very samples of one measurement on both sides have the ratio 1.000 [1.000, 1.000], so they are SAME. "
      "Where a side did not pass: BROKEN (it passed before), FIXED (it passes now), FAILING, NOISY (too noisy to be "
      "ranked), ABSENT (it cannot run here: unsupported, or beyond a limit of the device).\n\n"
      "Example: assay compare before.sqlite after.sqlite --threshold 2\n"
      "         assay compare before.json after.json --format github\n\n"
      "--format junit and --format github are for CI: test cases that fail, and annotations (docs/formats.md).\n\n"
      "Exit codes: 0 no case became slower; 1 a case is SLOWER, or passed before and does not now; 2 nothing could be "
      "compared (a side "
      "without cases, no case in common, none that passes), or an error.");
  files.add(Part::input, options.add("before", o->before, "a store or a JSON report").required().type("FILE"));
  files.add(Part::input, options.add("after", o->after, "the one to judge").required().type("FILE"));
  options.add("--threshold", o->threshold_percent, "what difference matters, in percent")
      .show_default()
      .number(0, 1000)
      .type("PERCENT");
  o->formats = std::make_shared<ReportFormats>(
      options, files, std::vector<std::string>{"text", "csv", "json", "markdown", "junit", "github"});
  return [o] { return run_compare(*o); };
}

}  // namespace assay

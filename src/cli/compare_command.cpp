// assay compare: two stores or JSON reports, case by case.
#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "report/compare.h"
#include "report/json.h"
#include "store/store.h"

namespace assay {
namespace {

struct CompareOptions {
  std::string before, after;
  double threshold_percent = 3;
};

/// A JSON report begins with a brace, a store with SQLite's magic.
std::vector<CaseRecord> read_records(const std::string& file) {
  const std::string text = read_file(file);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') return read_report_json(text, file);
  return Store(file, Store::Access::read_only).newest_of_each_key();
}

int run_compare(const CompareOptions& options) {
  const std::vector<CaseRecord> before = read_records(options.before), after = read_records(options.after);
  const CompareReport report = compare_records(before, after, options.threshold_percent / 100);
  const Terminal terminal = describe_terminal(stdout);
  fmt::print("{}", compare_text(report, {false, terminal.colour, terminal.width}));
  return report.regressed() ? 1 : 0;
}

}  // namespace

CommandRun add_compare(CLI::App& command) {
  const auto o = std::make_shared<CompareOptions>();
  command.footer("SAME: the ratio's whole 95 % interval lies within the threshold; FASTER, SLOWER: it lies beyond, and a rank test agrees\n"
                 "(p < 0.01), also beside the kernel that only reads the same bytes, and by more than every other case of the spec whose build is the\n"
                 "same on both sides: what moves those is the machine. UNSURE: neither, or let go early. Exit 1 if a case is SLOWER or passed before\n"
                 "and does not now.");
  command.add_option("before", o->before, "a store or a JSON report")->required();
  command.add_option("after", o->after, "the one to judge")->required();
  command.add_option("--threshold", o->threshold_percent, "what difference matters, in percent")->capture_default_str()->check(CLI::Range(0.0, 1000.0));
  return [o] { return run_compare(*o); };
}

}  // namespace assay

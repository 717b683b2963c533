// assay audit: the options, and the judgement in the form asked for.
#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/report_formats.h"
#include "report/audit_file_report.h"
#include "report/table_audit_report.h"
#include "trace/byte_source.h"

namespace assay {
namespace {

struct AuditCommandOptions {
  std::string log;
  std::shared_ptr<ReportFormats> formats;
  AuditOptions audit;
  bool verbose = false;
  std::function<void()> check_table;  // where a table of operations is judged
};

/// Bytes that were looked at, then those that follow them.
class LookedAtSource final : public ByteSource {
 public:
  explicit LookedAtSource(std::unique_ptr<ByteSource> rest) : rest_(std::move(rest)) {}
  /// The first bytes, `size` of them where there are so many.
  const std::string& look(size_t size) {
    try {
      while (seen_.size() < size && !failure_) {
        std::string more(std::min<size_t>(size - seen_.size(), 1 << 16), '\0');
        const size_t got = rest_->read(more.data(), more.size());
        if (got == 0) break;
        seen_.append(more, 0, got);
      }
    } catch (const Error&) {  // for whoever reads on: what came before stays true
      failure_ = std::current_exception();
    }
    return seen_;
  }
  size_t read(char* to, size_t size) override {
    if (given_ == seen_.size() && failure_) std::rethrow_exception(failure_);
    if (given_ == seen_.size()) return rest_->read(to, size);
    const size_t count = std::min(size, seen_.size() - given_);
    std::memcpy(to, seen_.data() + given_, count);
    given_ += count;
    return count;
  }
  uint64_t file_bytes() const override { return rest_->file_bytes(); }

 private:
  std::unique_ptr<ByteSource> rest_;
  std::string seen_;
  std::exception_ptr failure_;
  size_t given_ = 0;
};

constexpr size_t kLookedAt = 1 << 14, kLargestTable = 16 << 20;

int audit_table(const std::string& text, const AuditCommandOptions& options) {
  options.check_table();
  const TableAudit audit = audit_operations(read_operation_table(text, options.log), options.log);
  options.formats->write({{"text", [&](const Terminal& out) { return table_audit_text(audit, out.width, out.colour); }},
                          {"csv", [&](auto&) { return table_audit_csv(audit); }},
                          {"json", [&](auto&) { return table_audit_json(audit); }},
                          {"markdown", [&](auto&) { return table_audit_markdown(audit); }}});
  return audit.misleads() ? 1 : 0;
}

int run_audit(const AuditCommandOptions& options) {
  product_types_of_option(options.audit.dtype);
  auto bytes = std::make_unique<LookedAtSource>(open_byte_source(options.log, "a probe log"));
  if (is_operation_table(bytes->look(kLookedAt))) return audit_table(bytes->look(kLargestTable), options);
  const ReportFormats& formats = *options.formats;
  const Terminal out = formats.text_is_filed() ? Terminal() : describe_terminal(stdout);
  AuditFileReport report(options.log, options.audit,
                         {formats.wants("json"),
                          formats.wants("csv"),
                          formats.wants("markdown"),
                          {options.verbose, out.colour, out.width}});
  ProbeLogReader reader(std::move(bytes), options.log);
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
      "A table of operations (seed 004's, or assay opbench --classic) is judged as well: times that its bytes forbid,\n"
      "equal times over all axes or sizes, averages that one row makes.\n"
      "A file may hold several logs, and be compressed (gzip, zstd): each is judged by itself.\n"
      "docs/audit.md explains each line. Example: assay audit probe.log --csv rows.csv\n\n"
      "Exit codes: 0 no crown sits on a wrong or impossible row; 1 one does; 2 there is no such log, or nothing in it "
      "is "
      "checked.");
  files.add(CommandFiles::Part::input, options.add("LOG", o->log, "the log ('-': standard input)").required().type(""));
  const Option max_rel =
      options
          .add("--max-rel", o->audit.max_rel, "a row is wrong above this maxRel = max |difference| / max(1, |a|, |b|)")
          .show_default()
          .number(0, 1e6)
          .type("NUMBER");
  const Option dtype =
      options
          .add("--dtype", o->audit.dtype,
               "what the values of specs are that do not say (for their bytes): f16, q8_0, q4_0, …; f32:q8_0 has F32 "
               "around them")
          .show_default()
          .type("TYPE");
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  const Option verbose =
      options.flag("--verbose", o->verbose, "show every row, as it ranks, and every line that no rule reads");
  o->check_table = [max_rel, dtype, verbose] {
    refuse_given({max_rel, dtype, verbose}, "probe logs; a table of operations is judged by its times alone");
  };
  return [o] { return run_audit(*o); };
}

}  // namespace assay

// assay inspect: what a model file is made of, and what assay can do with it.
#include <memory>

#include "cli/commands.h"
#include "cli/report_formats.h"
#include "model/finite_check.h"
#include "report/inspect_report.h"

namespace assay {
namespace {

struct InspectOptions {
  std::string file;
  bool full = false, check = false;
  std::shared_ptr<ReportFormats> formats;
};

int run_inspect(const InspectOptions& options) {
  const Gguf file{std::filesystem::path(options.file)};
  if (options.check) check_finite(file);
  const Inspection inspection = inspect(file);
  file.check_whole();
  options.formats->write(
      {{"text", [&](const Terminal& terminal) { return inspect_text(file, inspection, options.full, terminal); }},
       {"csv", [&](auto&) { return inspect_csv(file); }},
       {"json", [&](auto&) { return inspect_json(file, inspection); }},
       {"markdown", [&](auto&) { return inspect_markdown(file, inspection); }}});
  return 0;
}

}  // namespace

CommandRun add_inspect(Options options, CommandFiles& files) {
  const auto o = std::make_shared<InspectOptions>();
  options.footer(
      "Reads GGUF versions 2 and 3. All of it but the values of tensors is checked: what is cut or lies is an error "
      "that says where.\ndocs/inspect.md explains the lines. Example: assay inspect model.gguf --json model.json\n\n"
      "Exit codes: 0 the file was read, whether or not assay can use it as a model; 2 it is no GGUF file, or damaged.");
  files.add(CommandFiles::Part::input, options.add("FILE", o->file, "the model").required().type(""));
  options.flag("--full", o->full, "every key and every tensor");
  options.flag("--check", o->check, "read all weights, too: none may be infinite or no number");
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  return [o] { return run_inspect(*o); };
}

}  // namespace assay

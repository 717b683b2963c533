// The program: the table of subcommands, and the one place that catches Error.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <list>
#include <vector>

#include "base/error.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"

namespace assay {
namespace {

struct CommandEntry {
  const char* name;
  const char* summary;
  CommandRun (*add)(CLI::App&, CommandFiles&);
};

constexpr CommandEntry kCommands[] = {
    {"probe", "measure kernel variants on a model's matmul shapes, prove each result, rank them", add_probe},
    {"devices", "what this machine has, and what its memory and arithmetic were measured to reach", add_devices},
    {"selftest", "run kernels that are wrong on purpose: each must be caught, on this machine", add_selftest},
    {"compare", "two stores or JSON reports: which cases became faster or slower, and how sure that is", add_compare},
    {"analyze", "what a trace of a run says: where the time went, by kernel, shape and backend", add_analyze},
    {"audit", "a probe log judged anew: wrong rows, crowns that sit on them, the corrected ranking", add_audit},
    {"inspect", "a model file (GGUF): its network, tensors and types, and what a decode step reads of it", add_inspect},
    {"synth", "write a model file of a known shape and type with drawn weights, to try and measure with", add_synth},
    {"tokenize", "text to the tokens of a model file, and back", add_tokenize},
};

constexpr size_t kHelpColumns = 120;

constexpr char kFooter[] = R"(Begin with:
  assay probe                                   both Qwen2.5-0.5B workloads, about two minutes the first time
  assay probe --shape n=9728 --variant 'gemv*'  one shape, some variants
  assay probe --device cuda:0                   the same on an NVIDIA GPU, beside cuBLASLt
  assay probe --kernels my_folder               your own kernel beside the shipped ones
  assay help probe                              all options of a subcommand

Exit codes: 0 fine; 1 a variant failed, a mutant got away, a case became slower or a crown sits on a wrong row; 2 an error, named on stderr; 130 Ctrl-C.)";

/// No line of help is longer than kHelpColumns.
class WrappedHelp : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrap(CLI::Formatter::make_option_desc(option), kHelpColumns - get_column_width(), 0);
  }
  std::string make_footer(const CLI::App* app) const override {
    return wrap_lines(CLI::Formatter::make_footer(app), kHelpColumns, 0);
  }
};

int unknown_argument(const CLI::App& app, const std::string& message) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands()[0];
  std::vector<std::string> known;
  for (const CLI::Option* option : at->get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(sub->get_name());
  const size_t begin = message.find_last_of(' ');
  const std::string word = message.substr(begin == std::string::npos ? 0 : begin + 1);
  remark("assay: {}{} (assay help{} lists what there is)\n", one_line(message),
         did_you_mean(word.substr(0, word.find('=')), known), at == &app ? "" : " " + at->get_name());
  return 2;
}

int run(int argc, char** argv) {
  CLI::App app{"assay finds, proves and ships the fastest matmul kernel for every shape a language model really runs.",
               "assay"};
  app.formatter(std::make_shared<WrappedHelp>());
  app.footer(kFooter);
  app.set_version_flag("--version", "assay " ASSAY_VERSION);
  app.require_subcommand(0, 1);
  struct Command {
    CLI::App* options;
    CommandFiles files;
    CommandRun run;
  };
  std::list<Command> commands;  // options refer to their files
  for (const CommandEntry& entry : kCommands) {
    Command& command = commands.emplace_back(Command{app.add_subcommand(entry.name, entry.summary), {}, {}});
    command.run = entry.add(*command.options, command.files);
  }
  CLI::App* help = app.add_subcommand("help", "this text, or a subcommand's");
  std::string topic;
  help->add_option("command", topic, "the subcommand to explain");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    show("{}", app.help());
    return 0;
  } catch (const CLI::CallForVersion& e) {
    show("{}\n", e.what());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extra =
        app.remaining(true);  // a flag's value comes with it: the flag is what to name
    const auto flag =
        std::find_if(extra.begin(), extra.end(), [](const std::string& word) { return word.rfind("-", 0) == 0; });
    return unknown_argument(app, "unknown argument " + (flag != extra.end() ? *flag
                                                        : extra.empty()     ? ""
                                                                            : extra.front()));
  } catch (const CLI::ParseError& e) {
    return unknown_argument(app, e.what());
  }
  for (const Command& command : commands)
    if (command.options->parsed()) {
      command.files.check();
      return command.run();
    }
  if (!topic.empty()) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      if (command->get_name() == topic) {
        show("{}", command->help("assay"));
        return 0;
      }
    app.clear();  // else what the help subcommand knows is suggested, and explained below
    return unknown_argument(app, "no subcommand " + topic);
  }
  app.clear();
  show("{}", app.help());
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::prepare_standard_streams();
  int exit_code = 2;
  try {
    exit_code = assay::run(argc, argv);
  } catch (const std::exception& e) {
    assay::flush(stdout);
    assay::remark("assay: {}\n", assay::one_line(e.what()));  // a name in it may hold any bytes
  }
  const std::string lost = assay::lost_output();
  if (lost.empty()) return exit_code;
  assay::remark("assay: standard output could not be written to its end ({})\n", lost);
  return exit_code == 130 ? exit_code : 2;
}

// Options by CLI11: the one file that includes it.
#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/number_option.h"

namespace assay {
namespace {

constexpr size_t kHelpColumns = 120;

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

template <typename Number>
CLI::Validator range(Number least, Number most, const char* what) {
  const auto fault = [=](const std::string& text) {
    const std::optional<Number> value = parse_number<Number>(text);
    const bool is_within = value && *value >= least && *value <= most;
    return is_within ? std::string()
                     : fmt::format("{} is no {} from {} to {}", text.empty() ? "\"\"" : text, what, least, most);
  };
  return CLI::Validator(fault, "");
}

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

}  // namespace

Option Option::show_default() const { return Option(option_->capture_default_str()); }
Option Option::type(const std::string& name) const { return Option(option_->type_name(name)); }
Option Option::required() const { return Option(option_->required()); }
Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }
Option Option::one_at_a_time() const { return Option(option_->allow_extra_args(false)); }
Option Option::uncut() const { return Option(option_->delimiter('\0')); }
Option Option::number(double least, double most) const { return Option(option_->check(range(least, most, "number"))); }
Option Option::whole(int64_t least, int64_t most) const {
  return Option(option_->check(range(least, most, "whole number")));
}
Option Option::whole_numbers(int64_t least, int64_t most) const {
  const auto fault = [=](const std::string& text) {
    if (parse_number_list(text, least, most)) return std::string();
    return fmt::format("{} is no list of whole numbers from {} to {}, commas between", text.empty() ? "\"\"" : text,
                       least, most);
  };
  return Option(option_->check(CLI::Validator(fault, "")));
}

Option Option::existing_folder() const { return Option(option_->check(CLI::ExistingDirectory)); }

bool Option::is_given() const { return option_->count() > 0; }
std::string Option::name() const { return option_->get_name(); }
std::vector<std::string> Option::values() const { return option_->results(); }
std::string Option::default_text() const { return option_->get_default_str(); }

Option Options::grouped(CLI::Option* option) const {
  if (!group_.empty()) option->group(group_);
  return Option(option);
}

template <typename T>
Option Options::add(const std::string& name, T& to, const std::string& help) const {
  return grouped(app_->add_option(name, to, help));
}
template Option Options::add(const std::string&, std::string&, const std::string&) const;
template Option Options::add(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Options::add(const std::string&, int&, const std::string&) const;
template Option Options::add(const std::string&, size_t&, const std::string&) const;
template Option Options::add(const std::string&, int64_t&, const std::string&) const;
template Option Options::add(const std::string&, double&, const std::string&) const;
template Option Options::add(const std::string&, std::optional<double>&, const std::string&) const;
template Option Options::add(const std::string&, std::optional<int64_t>&, const std::string&) const;

Option Options::add(const std::string& name, const std::string& help) const {
  const auto nowhere = [](const std::vector<std::string>&) {};
  return grouped(app_->add_option_function<std::vector<std::string>>(name, nowhere, help));
}

Option Options::flag(const std::string& name, bool& to, const std::string& help) const {
  return grouped(app_->add_flag(name, to, help));
}

void Options::footer(const std::string& text) const { app_->footer(text); }

CommandLine::CommandLine(const std::string& program, const std::function<std::string()>& version,
                         const std::string& about, const std::string& footer)
    : app_(std::make_unique<CLI::App>(about, program)) {
  app_->formatter(std::make_shared<WrappedHelp>());
  app_->footer(footer);
  app_->set_version_flag("--version", version);
  app_->require_subcommand(0, 1);
}

CommandLine::~CommandLine() = default;

Options CommandLine::add_subcommand(const std::string& name, const std::string& summary) {
  return Options(app_->add_subcommand(name, summary));
}

int CommandLine::refuse(const std::string& message, const std::string& unknown) const {
  const CLI::App* at = app_.get();
  while (!at->get_subcommands().empty()) at = at->get_subcommands()[0];
  std::vector<std::string> known;
  for (const CLI::Option* option : at->get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const CLI::App* sub : subcommands(*at)) known.push_back(sub->get_name());
  remark("assay: {}{} (assay help{} lists what there is)\n", one_line(message),
         unknown.empty() ? "" : did_you_mean(unknown.substr(0, unknown.find('=')), known),
         at == app_.get() ? "" : " " + at->get_name());
  return 2;
}

CommandLine::Parsed CommandLine::parse(int argc, char** argv) {
  CLI::App* const help = app_->add_subcommand("help", "this text, or a subcommand's");
  std::string topic;
  help->add_option("command", topic, "the subcommand to explain");
  try {
    app_->parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    show("{}", app_->help());
    return {};
  } catch (const CLI::CallForVersion& e) {
    show("{}\n", e.what());
    return {};
  } catch (const CLI::ParseError& e) {
    const std::vector<std::string> extra = app_->remaining(true);  // a flag's value comes with it: the flag is named
    const auto flag =
        std::find_if(extra.begin(), extra.end(), [](const std::string& word) { return word.starts_with("-"); });
    const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr;
    // A misspelled flag is the fault, not that what it should have said is missing.
    const bool is_required = dynamic_cast<const CLI::RequiredError*>(&e) != nullptr;
    if (!is_extra && !(is_required && flag != extra.end())) return {"", refuse(e.what(), "")};
    const std::string word = flag != extra.end() ? *flag : extra.empty() ? "" : extra.front();
    return {"", refuse("unknown argument " + word, word)};
  }
  for (const CLI::App* command : app_->get_subcommands())
    if (command != help) return {command->get_name(), 0};
  if (!topic.empty()) {
    for (const CLI::App* command : subcommands(*app_))
      if (command->get_name() == topic) {
        show("{}", command->help("assay"));
        return {};
      }
    app_->clear();  // else what the help subcommand knows is suggested, and explained below
    return {"", refuse("no subcommand " + topic, topic)};
  }
  app_->clear();
  show("{}", app_->help());
  return {};
}

}  // namespace assay

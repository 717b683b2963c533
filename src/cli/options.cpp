// Options by CLI11: the one file that includes it.
#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/number_option.h"

namespace assay {
namespace {

constexpr size_t kHelpColumns = 120, kLeastHelpColumns = 40;

/// What help may take: a terminal's width, else kHelpColumns.
size_t help_columns() {
  const Terminal terminal = describe_terminal(stdout);
  return terminal.interactive ? std::clamp(terminal.width, kLeastHelpColumns, kHelpColumns) : kHelpColumns;
}

/// A line that was broken where kHelpColumns end goes on with the next one, which so many columns break elsewhere.
std::string joined_paragraphs(std::string text) {
  constexpr size_t kNearlyFull = kHelpColumns - 20;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const bool goes_on = end + 1 < text.size() && text[end + 1] != ' ' && text[end + 1] != '\n';
    if (goes_on && text[begin] != ' ' && end - begin > kNearlyFull) text[end] = ' ';
  }
  return text;
}

/// Lines that are moved in, as examples are, stay so where they are broken.
std::string fitted(const std::string& text, size_t columns) {
  std::string lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const size_t blanks = std::min(line.find_first_not_of(' '), line.size());
    lines += wrap(line, columns, blanks > 0 ? blanks + 2 : 0) + (end < text.size() ? "\n" : "");
    begin = end + 1;
  }
  return lines;
}

/// No line of help is longer than help_columns().
class WrappedHelp : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return fitted(CLI::Formatter::make_description(app), columns_);
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    return fitted(CLI::Formatter::make_usage(app, name), columns_);
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return beside_names(CLI::Formatter::make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* sub) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, sub->get_name(), beside_names(sub->get_description()), get_column_width());
    return out.str();
  }
  std::string make_footer(const CLI::App* app) const override {
    const std::string text = CLI::Formatter::make_footer(app);
    return fitted(columns_ < kHelpColumns ? joined_paragraphs(text) : text, columns_);
  }

 private:
  std::string beside_names(const std::string& text) const { return wrap(text, columns_ - get_column_width(), 0); }

  const size_t columns_ = help_columns();
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

/// The subcommand that was given, or the program.
const CLI::App& given(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands()[0];
  return *at;
}

/// In words where an option takes one value and was given several times; "": none was.
std::string given_too_often(const CLI::App& app) {
  for (const CLI::Option* option : given(app).get_options())
    if (option->get_expected_max() == 1 && option->count() > 1)
      return fmt::format("{} is given {} times; give it once", option->get_name(), option->count());
  return "";
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

Option Option::filled() const {
  const auto fault = [](const std::string& text) { return text.empty() ? "\"\" says nothing; leave it out" : ""; };
  return Option(option_->check(CLI::Validator(fault, "")));
}

Option Option::existing_folder() const { return Option(option_->check(CLI::ExistingDirectory)); }

bool Option::is_given() const { return option_->count() > 0; }
std::string Option::name() const { return option_->get_name(); }
std::vector<std::string> Option::values() const { return option_->results(); }
std::string Option::default_text() const { return option_->get_default_str(); }

void refuse_given(const std::vector<Option>& options, const std::string& what) {
  for (const Option& option : options)
    if (option.is_given()) fail("{}: is of {}", option.name(), what);
}

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
  const CLI::App& at = given(*app_);
  std::vector<std::string> known;
  for (const CLI::Option* option : at.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const CLI::App* sub : subcommands(at)) known.push_back(sub->get_name());
  remark("assay: {}{} (assay help{} lists what there is)\n", one_line(message),
         unknown.empty() ? "" : did_you_mean(unknown.substr(0, unknown.find('=')), known),
         &at == app_.get() ? "" : " " + at.get_name());
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
    show("{}\n", wrap_lines(e.what(), describe_terminal(stdout).width, 2));
    return {};
  } catch (const CLI::ArgumentMismatch& e) {
    const std::string twice = given_too_often(*app_);
    return {"", refuse(twice.empty() ? e.what() : twice, "")};
  } catch (const CLI::ParseError& e) {
    const std::vector<std::string> extra = app_->remaining(true);  // a flag's value comes with it: the flag is named
    const auto flag =
        std::find_if(extra.begin(), extra.end(), [](const std::string& word) { return word.starts_with("-"); });
    const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr;
    // A misspelled flag is the fault, not that what it should have said is missing.
    const bool is_required = dynamic_cast<const CLI::RequiredError*>(&e) != nullptr;
    if (!is_extra && !(is_required && flag != extra.end())) return {"", refuse(e.what(), "")};
    // What follows a misspelled subcommand is that subcommand's.
    const bool no_command =
        app_->get_subcommands().empty() && !extra.empty() && !extra.front().empty() && extra.front()[0] != '-';
    const std::string word = flag != extra.end() && !no_command ? *flag : extra.empty() ? "" : extra.front();
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

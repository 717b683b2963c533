// The options of a command line: each declared once, with its name, where its value goes and its help. What is there is
// the default. Only options.cpp knows the library that parses (its header costs 20 s to compile).
//
// A subcommand declares what it takes, its options in the order in which help shows them:
//     Options results = options.group("Results");
//     results.flag("--quiet", o->quiet, "no progress");
//     results.add("--top", o->top, "rows shown").show_default().whole(0, 1000).type("N");
//     files.add(Part::input, options.add("LOG", o->log, "the log").required().type(""));  // no dashes: positional
// Values are there once CommandLine::parse has returned; what may depend on them is what runs the subcommand.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace assay {

/// One option, as declared: says more about it, and afterwards what was given.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  /// Help shows the value that is there now.
  Option show_default() const;
  /// What help calls its value ("FILE"); "" says nothing.
  Option type(const std::string& name) const;
  Option required() const;
  Option excludes(Option other) const;
  /// One value each time it is given: what follows is a positional one's. Else all up to the next option.
  Option one_at_a_time() const;
  /// Its values are never cut at commas.
  Option uncut() const;
  /// Refuses what is no number, or no whole number, from `least` to `most`: NaN, too much for the type, text behind it.
  Option number(double least, double most) const;
  Option whole(int64_t least, int64_t most) const;
  /// Refuses what is no list of such whole numbers, commas between: "", "1,", "1,x". parse_number_list reads it.
  Option whole_numbers(int64_t least, int64_t most) const;
  /// Refuses "": whoever writes it means something, and would get what comes without the option.
  Option filled() const;
  /// Refuses what is no folder that is there.
  Option existing_folder() const;

  bool is_given() const;
  std::string name() const;
  /// As they stood on the command line; nothing if it was not given.
  std::vector<std::string> values() const;
  /// The default as help shows it.
  std::string default_text() const;

 private:
  CLI::Option* option_;
};

/// Error where one of them is given, for where none of them does anything: "--hot: is of WHAT".
void refuse_given(const std::vector<Option>& options, const std::string& what);

/// Where a subcommand declares its options, or those of one group.
class Options {
 public:
  explicit Options(CLI::App* app, std::string group = "") : app_(app), group_(std::move(group)) {}

  /// The same subcommand's options under a heading of their own.
  Options group(const std::string& heading) const { return Options(app_, heading); }

  /// T: std::string, int, int64_t, size_t, double, std::optional of the last or of int64_t; std::vector<std::string>
  /// takes several.
  template <typename T>
  Option add(const std::string& name, T& to, const std::string& help) const;
  /// Any number of values, for values() alone.
  Option add(const std::string& name, const std::string& help) const;
  Option flag(const std::string& name, bool& to, const std::string& help) const;

  /// What follows the options in help.
  void footer(const std::string& text) const;

 private:
  Option grouped(CLI::Option* option) const;

  CLI::App* app_;
  std::string group_;
};

/// The program's command line: its subcommands, help and version.
class CommandLine {
 public:
  /// `version` gives the text of --version; it is asked for there alone.
  CommandLine(const std::string& program, const std::function<std::string()>& version, const std::string& about,
              const std::string& footer);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Options add_subcommand(const std::string& name, const std::string& summary);

  /// The subcommand to run; "" where help, the version or what is wrong with a word was shown instead, and the program
  /// ends with `exit_code`.
  struct Parsed {
    std::string subcommand;
    int exit_code = 0;
  };
  Parsed parse(int argc, char** argv);

 private:
  /// One line on stderr, and what may have been meant by the `unknown` word, if that is what is wrong. Gives 2.
  int refuse(const std::string& message, const std::string& unknown) const;

  std::unique_ptr<CLI::App> app_;
};

}  // namespace assay

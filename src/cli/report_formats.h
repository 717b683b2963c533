// The forms of a subcommand's results: --format NAME[=FILE], and --json FILE and its kin as short forms, alike
// everywhere.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/terminal.h"
#include "cli/command_files.h"
#include "cli/options.h"

namespace assay {

/// What a command can show, "text" first; a form is made when somebody asked for it. Text is made for the terminal
/// that it goes to; lines that are longer still are broken.
using Forms = std::vector<std::pair<std::string, std::function<std::string(const Terminal&)>>>;

class ReportFormats {
 public:
  /// Declares the options of these forms ("text" among them), and their files.
  ReportFormats(Options options, CommandFiles& files, std::vector<std::string> names);
  ReportFormats(const ReportFormats&) = delete;
  ReportFormats& operator=(const ReportFormats&) = delete;

  /// Whether that form goes anywhere; text also does where nothing else takes standard output.
  bool wants(const std::string& name) const;
  bool text_is_shown() const;
  /// A remark where a form was asked for that `what` ("--dry-run") never makes.
  void remark_unwritten(const std::string& what) const;
  bool text_is_filed() const;  // into a file, too

  /// Writes each form where it was asked for; where text was shown as it came about, it goes to files alone. Those that
  /// follow one that fails are written all the same; Error then.
  enum class Text { to_show, shown_already };
  void write(const Forms& forms, Text text = Text::to_show) const;

 private:
  struct Request {
    std::string name;
    NamedFile to;
  };
  std::vector<Request> requests() const;
  Request parse(const std::string& value) const;

  CommandFiles& files_;
  std::vector<std::string> names_;
  Option format_;
  std::vector<std::pair<std::string, Option>> short_forms_;  // "json" and --json
};

}  // namespace assay

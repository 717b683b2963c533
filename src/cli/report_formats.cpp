// The forms of a subcommand's results: --format NAME[=FILE], and --json FILE and its kin as short forms, alike
// everywhere.
#include "cli/report_formats.h"

#include <algorithm>

#include "base/error.h"
#include "base/joined.h"
#include "base/standard_streams.h"
#include "base/suggest.h"

namespace assay {

namespace {

/// What follows one of its values is a trace or a log.
Option file_option(Options options, const std::string& name, const std::string& help, const char* type) {
  return options.group("Results").add(name, help).one_at_a_time().type(type);
}

}  // namespace

ReportFormats::ReportFormats(Options options, CommandFiles& files, std::vector<std::string> names)
    : files_(files),
      names_(std::move(names)),
      format_(file_option(options, "--format",
                          fmt::format("how to show the results: {}; into FILE, else to standard output in place of the "
                                      "text. May be given again",
                                      joined(names_, ", ")),
                          "NAME[=FILE]")) {
  for (const auto& [name, what] :
       {std::pair("json", "JSON"), std::pair("csv", "CSV"), std::pair("markdown", "Markdown")})
    if (std::find(names_.begin(), names_.end(), name) != names_.end())
      short_forms_.emplace_back(
          name, file_option(options, fmt::format("--{}", name),
                            fmt::format("--format {}=FILE: write {} ('-': in place of the text)", name, what), "FILE"));
  files_.add(CommandFiles::Part::output, [this] {
    std::vector<NamedFile> all;
    for (Request& request : requests()) all.push_back(std::move(request.to));
    return all;
  });
}

ReportFormats::Request ReportFormats::parse(const std::string& value) const {
  const size_t equals = value.find('=');
  const std::string name = value.substr(0, equals);
  if (std::find(names_.begin(), names_.end(), name) == names_.end())
    fail("--format {}: not among {}{}", name.empty() ? "\"\"" : name, joined(names_, ", "), did_you_mean(name, names_));
  if (equals == std::string::npos) return {name, {"--format " + name, "-"}};
  if (equals + 1 == value.size()) fail("--format {}: an empty name is no file", value);
  return {name, {"--format " + name + "=", value.substr(equals + 1)}};
}

std::vector<ReportFormats::Request> ReportFormats::requests() const {
  std::vector<Request> all;
  for (const std::string& value : format_.values()) all.push_back(parse(value));
  for (const auto& [name, option] : short_forms_)
    for (const std::string& file : option.values()) all.push_back({name, {option.name(), file}});
  return all;
}

bool ReportFormats::text_is_shown() const {
  for (const Request& request : requests())
    if (request.name == "text" && is_standard_output(request.to.file)) return true;
  return !files_.stdout_is_taken();
}

bool ReportFormats::text_is_filed() const {
  const std::vector<Request> all = requests();
  return std::any_of(all.begin(), all.end(),
                     [](const Request& r) { return r.name == "text" && !is_standard_output(r.to.file); });
}

void ReportFormats::remark_unwritten(const std::string& what) const {
  for (const Request& request : requests())
    if (request.name != "text" || text_is_filed())
      return remark("assay: {} measures nothing, so {} is not written\n", what, one_line(request.to.text()));
}

bool ReportFormats::wants(const std::string& name) const {
  const std::vector<Request> all = requests();
  return std::any_of(all.begin(), all.end(), [&](const Request& r) { return r.name == name; }) ||
         (name == "text" && text_is_shown());
}

void ReportFormats::write(const Forms& forms, Text text) const {
  std::vector<Request> all = requests();
  if (!files_.stdout_is_taken()) all.push_back({"text", {"", "-"}});
  if (text == Text::shown_already)
    std::erase_if(all, [](const Request& r) { return r.name == "text" && is_standard_output(r.to.file); });
  std::string trouble;
  for (const Request& request : all) {
    const auto form =
        std::find_if(forms.begin(), forms.end(), [&](const auto& each) { return each.first == request.name; });
    ASSAY_CHECK(form != forms.end());
    const Terminal to = is_standard_output(request.to.file) ? describe_terminal(stdout) : Terminal();
    try {
      const std::string made = form->second(to);
      const bool is_data = to.interactive && (request.name == "csv" || request.name == "markdown");
      write_output(request.to.file, request.name == "text" ? wrap_lines(made, to.width, 4)
                                    : is_data              ? printable(made)
                                                           : made);
    } catch (const Error& e) {
      if (trouble.empty()) trouble = e.what();
    }
  }
  if (!trouble.empty()) throw Error(trouble);
}

}  // namespace assay

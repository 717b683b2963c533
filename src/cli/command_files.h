// The files that a command line names, each registered where its option is declared: no output is an input, a store or
// another output.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace assay {

/// A file and what names it: "--csv" and "rows.csv".
struct NamedFile {
  std::string option, file;
  std::string text() const { return option.empty() ? file : option + " " + file; }
};

class CommandFiles {
 public:
  enum class Part {
    input,   // read; '-' is standard input where the command says so
    store,   // read and written by SQLite, its logs beside it included
    output,  // written at the end; '-' is standard output, in place of the text
  };
  /// All values of the option are such files; a store's default is one, too.
  Option add(Part part, Option option);
  /// Files that options name in another way, or none names: asked for once the command line is parsed.
  void add(Part part, std::function<std::vector<NamedFile>()> files);

  /// Error if two parts meet in one file, however it is named; if two outputs want standard output; if an output cannot
  /// be written. Before anything is read or measured.
  void check() const;
  /// An output takes standard output, where the text would go.
  bool stdout_is_taken() const;

 private:
  struct Source {
    Part part;
    std::function<std::vector<NamedFile>()> files;
  };
  std::vector<NamedFile> named(Part part) const;
  std::vector<NamedFile> on_stdout() const;

  std::vector<Source> sources_;
};

/// '-', /dev/stdout and other names of descriptor 1.
bool is_standard_output(const std::string& file);

/// The bytes of an input file, or of standard input ('-').
std::string read_input(const std::string& file);

/// Writes to the file, or to standard output.
void write_output(const std::string& file, std::string_view text);

/// What lies in the folder and below and may be read from there: all but reports that somebody keeps beside (.csv, .txt
/// …).
std::vector<NamedFile> files_below(const std::string& option, const std::filesystem::path& folder);

/// The same of the folders that --kernels names, and the description that --device names, if it is one.
std::vector<NamedFile> files_of_kernels(const std::vector<std::string>& folders, const std::string& device = "");

}  // namespace assay

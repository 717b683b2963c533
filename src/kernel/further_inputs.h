// What a module depends on besides the sources that a scan sees: files that flags name, and what a preprocessor lists.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernel/compiler.h"
#include "kernel/source_hash.h"

namespace assay {

/// An object reads each file once, and starts a compiler once for each command.
class FurtherInputs {
 public:
  /// "flag file: NAME HASH" for each file that a flag names, "linked: NAME HASH" for what -l finds: in the folders of
  /// -L and $LIBRARY_PATH, and archives in those of the system (its shared libraries are known by name and size).
  std::string of_flags(const std::vector<std::string>& flags);

  /// Whether a flag may bring in a source that no #include names, or look for one where a scan does not.
  static bool bring_sources(const std::vector<std::string>& compile_flags);

  static bool is_of_the_system(const std::filesystem::path& file);

  /// "reads: NAME HASH" for what `command` (a compiler with its flags and the source) reads and `seen` does not have;
  /// the system's in one line. Of a compiler that lists nothing: all that lies in `folders`.
  std::string listed(const Compiler& compiler, const std::vector<std::string>& command, const SourceHash& seen,
                     std::span<const std::filesystem::path> folders);

 private:
  const std::string& hash_of(const std::filesystem::path& file);
  std::string library(const std::string& name, const std::vector<std::filesystem::path>& folders);
  std::string folder(const std::filesystem::path& folder);

  std::map<std::filesystem::path, std::string> hashes_;
  std::map<std::vector<std::string>, std::string> listed_;
};

/// The files of a make rule, as a compiler's -M writes it.
std::vector<std::filesystem::path> files_of_rule(std::string_view rule);

/// The folders of $NAME, where it is set: "a:b".
std::vector<std::filesystem::path> folders_of_variable(const char* name);

}  // namespace assay

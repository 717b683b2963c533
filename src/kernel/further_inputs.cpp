// Finding the files behind flags, and asking a compiler which files it reads.
#include "kernel/further_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/scratch_folder.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostOfAFolder = 2000;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::vector<std::string> words(std::string_view text, std::string_view between) {
  std::vector<std::string> found;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find_first_of(between, start), text.size());
    if (end > start) found.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return found;
}

/// -Wl,-L,folder are two; @file stands for the words in it.
std::vector<std::string> pieces_of(const std::vector<std::string>& flags, bool follows) {
  std::vector<std::string> pieces;
  for (const std::string& flag : flags)
    for (const std::string& piece : words(flag, ",")) {
      pieces.push_back(piece);
      if (!follows || !piece.starts_with('@') || !is_file(piece.substr(1))) continue;
      try {
        const std::vector<std::string> more = pieces_of(words(read_file(piece.substr(1)), " \t\n\"'"), false);
        pieces.insert(pieces.end(), more.begin(), more.end());
      } catch (const Error&) {  // hash_of() says so
      }
    }
  return pieces;
}

/// The file that a piece is, or names after its flag's name, or "".
fs::path file_of(const std::string& piece) {
  if (is_file(piece)) return piece;
  if (const size_t equals = piece.find('='); equals != std::string::npos && is_file(piece.substr(equals + 1)))
    return piece.substr(equals + 1);
  for (const char* start : {"@", "-include", "-imacros", "-T"})
    if (piece.starts_with(start) && is_file(piece.substr(std::string_view(start).size())))
      return piece.substr(std::string_view(start).size());
  return {};
}

/// The value of "-Lvalue", or of "-L" and the piece after it; "" where it is another flag.
std::string value_of(const std::vector<std::string>& pieces, size_t i, std::string_view name) {
  if (!pieces[i].starts_with(name)) return "";
  if (pieces[i].size() > name.size()) return pieces[i].substr(name.size());
  return i + 1 < pieces.size() ? pieces[i + 1] : "";
}

std::vector<fs::path> system_folders() {
  std::vector<fs::path> folders{"/usr/local/lib", "/usr/lib", "/lib", "/usr/lib64"};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib", ignored))
    if (entry.path().filename().string().find("-linux-") != std::string::npos) folders.push_back(entry.path());
  return folders;
}

bool is_plain(const std::string& flag) {
  constexpr std::string_view kStarts[] = {"-D", "-U", "-O", "-m", "-g", "-f", "-W", "-std=", "-L", "-l"};
  if (flag == "-w" || flag == "-pedantic" || flag == "-pthread") return true;
  if (flag == "-D" || flag == "-U" || flag == "-L" || flag == "-l") return false;
  if (flag.starts_with("-I")) return flag.size() > 2;
  if (flag.starts_with("-W") && flag.find(',') != std::string::npos) return flag.starts_with("-Wl,");
  return std::any_of(std::begin(kStarts), std::end(kStarts), [&](auto start) { return flag.starts_with(start); });
}

fs::path real(const fs::path& path) {
  std::error_code error;
  const fs::path found = fs::canonical(path, error);
  return error ? path.lexically_normal() : found;
}

}  // namespace

std::vector<fs::path> files_of_rule(std::string_view rule) {
  std::vector<fs::path> files;
  std::string name;
  bool after_target = false;
  const auto end_name = [&] {
    if (after_target && !name.empty()) files.emplace_back(name);
    if (name.ends_with(':')) after_target = true;
    name.clear();
  };
  for (size_t i = 0; i < rule.size(); ++i) {
    const char c = rule[i], next = i + 1 < rule.size() ? rule[i + 1] : '\0';
    if (c == '\\' && (next == ' ' || next == '#' || next == '\\'))
      name += next, ++i;
    else if (c == '$' && next == '$')
      name += c, ++i;
    else if (c == '\\' && next == '\n')
      end_name(), ++i;
    else if (c == ' ' || c == '\t' || c == '\n')
      end_name();
    else
      name += c;
  }
  end_name();
  return files;
}

std::vector<fs::path> folders_of_variable(const char* name) {
  std::vector<fs::path> folders;
  if (const char* value = std::getenv(name))
    for (const std::string& folder : words(value, ":")) folders.emplace_back(folder);
  return folders;
}

const std::string& FurtherInputs::hash_of(const fs::path& file) {
  const auto [found, is_new] = hashes_.emplace(file, "");
  if (!is_new) return found->second;
  try {
    found->second = hash_hex(read_file(file));
  } catch (const Error&) {  // the compiler says why, if it needs it
    found->second = "unreadable";
  }
  return found->second;
}

/// What -lNAME or -l:FILE may take: a static build takes the archive where both are there.
std::string FurtherInputs::library(const std::string& name, const std::vector<fs::path>& folders) {
  const std::vector<std::string> files = name.starts_with(':')
                                             ? std::vector<std::string>{name.substr(1)}
                                             : std::vector<std::string>{"lib" + name + ".so", "lib" + name + ".a"};
  std::string text;
  for (const fs::path& folder : folders) {
    for (const std::string& file : files)
      if (is_file(folder / file)) text += fmt::format("linked: {} {}\n", file, hash_of(folder / file));
    if (!text.empty()) return text;
  }
  for (const fs::path& folder : system_folders()) {
    if (is_file(folder / files.front()) && !files.front().ends_with(".a")) return "";
    if (is_file(folder / files.back()))
      return fmt::format("linked: {} {}\n", files.back(), hash_of(folder / files.back()));
  }
  return "";
}

std::string FurtherInputs::of_flags(const std::vector<std::string>& flags) {
  const std::vector<std::string> pieces = pieces_of(flags, true);
  std::vector<fs::path> folders;
  for (size_t i = 0; i < pieces.size(); ++i)
    if (const std::string folder = value_of(pieces, i, "-L"); !folder.empty()) folders.emplace_back(folder);
  for (const fs::path& folder : folders_of_variable("LIBRARY_PATH")) folders.push_back(folder);
  std::string text;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (const fs::path file = file_of(pieces[i]); !file.empty())
      text += fmt::format("flag file: {} {}\n", file.filename().string(), hash_of(file));
    else if (const std::string name = value_of(pieces, i, "-l"); !name.empty())
      text += library(name, folders);
  }
  return text;
}

bool FurtherInputs::is_of_the_system(const fs::path& file) { return file.native().starts_with("/usr/"); }

bool FurtherInputs::bring_sources(const std::vector<std::string>& compile_flags) {
  return !std::all_of(compile_flags.begin(), compile_flags.end(), is_plain);
}

std::string FurtherInputs::folder(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (auto at = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
       !error && at != fs::recursive_directory_iterator() && files.size() < kMostOfAFolder; at.increment(error))
    if (is_file(at->path())) files.push_back(at->path());
  std::sort(files.begin(), files.end());
  std::string text;
  for (const fs::path& file : files)
    text += fmt::format("{} {}\n", file.lexically_relative(folder).generic_string(), hash_of(file));
  return fmt::format("reads: any of {} files of {} {}\n", files.size(), folder.filename().string(), hash_hex(text));
}

std::string FurtherInputs::listed(const Compiler& compiler, const std::vector<std::string>& command,
                                  const SourceHash& seen, std::span<const fs::path> folders) {
  const auto [known, is_new] = listed_.emplace(command, "");
  std::string& text = known->second;
  if (!is_new) return text;
  if (!compiler.lists_reads) {
    for (const fs::path& folder : folders) text += this->folder(folder);
    return text;
  }
  const ScratchFolder scratch("assay-reads-");
  const fs::path rule = scratch.path() / "rule";
  std::vector<std::string> argv = command;
  argv.insert(argv.end(), {"-w", "-M", "-MF", rule.string()});
  if (compiler.version.empty() || run_process(argv, compiler.limit_s).exit_code != 0 || !is_file(rule))
    return text = "reads: unknown, as the preprocessor fails\n";
  std::set<fs::path> done;
  for (const auto& [name, file] : seen.files) done.insert(real(file));
  std::string system;
  size_t system_files = 0;
  for (const fs::path& file : files_of_rule(read_file(rule))) {
    if (!is_file(file) || !done.insert(real(file)).second) continue;
    const std::string line = fmt::format("{} {}\n", file.filename().string(), hash_of(file));
    if (is_of_the_system(real(file)))
      system += line, ++system_files;
    else
      text += "reads: " + line;
  }
  if (system_files > 0) text += fmt::format("reads: {} files of the system {}\n", system_files, hash_hex(system));
  return text;
}

}  // namespace assay

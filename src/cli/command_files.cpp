// The files that a command line names, each registered where its option is declared: no output is an input, a store or
// another output.
#include "cli/command_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/file_identity.h"
#include "base/standard_streams.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

using Part = CommandFiles::Part;

struct Claim {
  std::string name;
  Part part;
  FileIdentity identity;
  bool is_log = false;       // beside a store, and its own alone
  bool is_standard = false;  // output or error, as the shell opened them
};

bool is_standard_input(const std::string& file) { return file == "-" || own_descriptor(file) == STDIN_FILENO; }

/// A terminal or /dev/null loses nothing when it stands for several things.
bool can_be_shared(const FileIdentity& identity) { return identity.exists() && S_ISCHR(identity.mode); }

bool conflict(const Claim& a, const Claim& b) {
  if (a.is_standard && b.is_standard) return false;
  if (a.part != Part::output && b.part != Part::output)
    return a.part != b.part && !a.is_log && !b.is_log && a.identity.same_file(b.identity);
  return a.identity.same_file(b.identity) || a.identity.would_hold(b.identity) || b.identity.would_hold(a.identity);
}

[[noreturn]] void fail_on(const Claim& a, const Claim& b) {
  const Claim& destroys = a.part == Part::output ? a : b;
  const Claim& destroyed = &destroys == &a ? b : a;
  if (!a.identity.same_file(b.identity))
    fail("{} and {}: one would have to be a folder of the other; name another file", destroys.name, destroyed.name);
  const char* why = destroyed.part == Part::input   ? "is read"
                    : destroyed.part == Part::store ? "keeps results"
                                                    : "is written, too";
  fail("{} is the same file as {}, which {}; name another file", destroys.name, destroyed.name, why);
}

/// No report takes the place of results, whatever command keeps or reads them.
void check_is_no_store(const NamedFile& output) {
  std::error_code ignored;
  if (!fs::is_regular_file(output.file, ignored)) return;
  char head[16] = {};
  std::ifstream(output.file, std::ios::binary).read(head, sizeof head);
  if (std::string_view(head, 15) == "SQLite format 3")
    fail("{} is a store or another database, which would be lost; name another file", output.text());
}

void add_claims(std::vector<Claim>& claims, const NamedFile& named, Part part) {
  const bool standard =
      part == Part::input ? named.file == "-" : part == Part::output && is_standard_output(named.file);
  if (standard && part == Part::output) return;  // standard output has its own claim
  const FileIdentity identity = standard ? file_identity(STDIN_FILENO) : file_identity(named.file);
  if (can_be_shared(identity)) return;
  claims.push_back({standard ? "standard input" : named.text(), part, identity});
  if (part != Part::store) return;
  const fs::path real = follow_links(named.file);
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    claims.push_back(
        {fmt::format("the log {}{}", real.string(), suffix), part, file_identity(real.string() + suffix), true});
}

}  // namespace

Option CommandFiles::add(Part part, Option option) {
  add(part, [option, part] {
    std::vector<NamedFile> files;
    for (const std::string& file : option.values()) files.push_back({option.name(), file});
    if (files.empty() && part == Part::store) files.push_back({option.name(), option.default_text()});
    return files;
  });
  return option;
}

void CommandFiles::add(Part part, std::function<std::vector<NamedFile>()> files) {
  sources_.push_back({part, std::move(files)});
}

std::vector<NamedFile> CommandFiles::named(Part part) const {
  std::vector<NamedFile> all;
  for (const Source& source : sources_)
    if (source.part == part)
      for (NamedFile& file : source.files()) all.push_back(std::move(file));
  return all;
}

std::vector<NamedFile> CommandFiles::on_stdout() const {
  std::vector<NamedFile> files = named(Part::output);
  files.erase(
      std::remove_if(files.begin(), files.end(), [](const NamedFile& f) { return !is_standard_output(f.file); }),
      files.end());
  return files;
}

bool CommandFiles::stdout_is_taken() const { return !on_stdout().empty(); }

void CommandFiles::check() const {
  std::vector<Claim> claims;
  size_t from_stdin = 0;
  for (const Part part : {Part::input, Part::store, Part::output})
    for (const NamedFile& file : named(part)) {
      if (file.file.empty()) fail("{}: an empty name is no file", file.option);
      if (file.file.starts_with("-") && file.file != "-")  // the option before it lacks its value
        fail("{}: {} looks like an option; write ./{} if it is a file", file.option, file.file, file.file);
      if (part == Part::store && file.file == ":memory:")
        fail("{} :memory: keeps nothing; name a file (./:memory: is one)", file.option);
      if (part == Part::input) from_stdin += is_standard_input(file.file);
      add_claims(claims, file, part);
    }
  if (from_stdin > 1) fail("standard input can be read only once");
  const std::vector<NamedFile> taking = on_stdout();
  if (taking.size() > 1)
    fail("{} and {}: only one can go to standard output; name a file for the other", taking[0].text(),
         taking[1].text());
  for (const auto& [descriptor, name] :
       {std::pair(STDOUT_FILENO, "standard output"), std::pair(STDERR_FILENO, "standard error")})
    if (const FileIdentity identity = file_identity(descriptor); S_ISREG(identity.mode))
      claims.push_back({name, Part::output, identity, false, true});
  for (size_t i = 0; i < claims.size(); ++i) {
    for (size_t k = 0; k < i; ++k)
      if (conflict(claims[k], claims[i])) fail_on(claims[k], claims[i]);
  }
  for (const NamedFile& file : named(Part::output)) try {
      if (is_standard_output(file.file)) continue;
      check_writable(file.file);
    } catch (const Error& e) {
      fail("{} {}", file.option, e.what());
    }
  for (const NamedFile& file : named(Part::output))
    if (!is_standard_output(file.file)) check_is_no_store(file);
}

bool is_standard_output(const std::string& file) { return file == "-" || own_descriptor(file) == STDOUT_FILENO; }

std::string read_input(const std::string& file) {
  return file == "-" ? read_descriptor(STDIN_FILENO, "standard input") : read_file(file);
}

void write_output(const std::string& file, std::string_view text) {
  if (is_standard_output(file))
    put(stdout, text);
  else
    write_file(file, text);
}

/// Whether the manifest beside the file has its name, as one of its "files".
static bool is_named(const fs::path& file) {
  std::ifstream in(file.parent_path() / "manifest.json", std::ios::binary);
  const std::string manifest{std::istreambuf_iterator<char>(in), {}};
  return manifest.find('"' + file.filename().string() + '"') != std::string::npos;
}

std::vector<NamedFile> files_below(const std::string& option, const fs::path& folder) {
  constexpr size_t kMost = 10'000;
  static const std::set<std::string> kReports{".csv", ".md", ".txt", ".log", ".xml", ".html"};
  std::vector<NamedFile> files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && at != fs::recursive_directory_iterator() && files.size() < kMost; at.increment(error)) {
    std::error_code ignored;
    const fs::path& file = at->path();
    const bool is_report = kReports.count(file.extension().string()) ||
                           (file.extension() == ".json" && file.filename() != "manifest.json" && !is_named(file));
    if (!is_report && fs::is_regular_file(file, ignored)) files.push_back({option, file.string()});
  }
  return files;
}

std::vector<NamedFile> files_of_kernels(const std::vector<std::string>& folders, const std::string& device) {
  std::vector<NamedFile> files;
  if (device.ends_with(".json")) files.push_back({"--device", device});
  for (const std::string& folder : folders)
    for (NamedFile& file : files_below("a file of --kernels", folder)) files.push_back(std::move(file));
  return files;
}

}  // namespace assay

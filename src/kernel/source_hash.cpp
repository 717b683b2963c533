// Hashing a source with its includes, found by a scan for #include lines.
#include "kernel/source_hash.h"

#include <fmt/format.h>

#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "kernel/include_lines.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

class Scan {
 public:
  explicit Scan(const std::vector<fs::path>& folders) : folders_(folders) {}

  void file(const fs::path& path, const std::string& label, const std::string& name) {
    const std::string bytes = read_file(path);
    text += fmt::format("{} {}\n", label, hash_hex(bytes));
    files.emplace_back(name, path);
    const IncludeLines lines = include_lines(bytes);
    unclear = unclear || lines.unclear;
    for (const IncludeLine& line : lines.found) include(line, path.parent_path());
  }

  std::string text;
  std::vector<std::pair<std::string, fs::path>> files;
  bool unclear = false;

 private:
  void include(const IncludeLine& wanted, const fs::path& beside) {
    const fs::path path = wanted.raw ? find_bytes(wanted.name) : find(wanted, beside);
    const std::string label = "include: " + wanted.name;
    if (!path.empty() && !seen_.insert(path.native()).second) return;
    if (!path.empty() && wanted.raw) {
      text += fmt::format("{} {}\n", label, hash_hex(read_file(path)));
      files.emplace_back(wanted.name, path);
    } else if (!path.empty()) {
      file(path, label, wanted.name);
    } else if (wanted.quoted && seen_.insert(label).second) {
      text += label + " missing\n";
      unclear = true;  // the compiler may know more folders
    }
  }

  /// The assembler looks in the working folder before the others.
  fs::path find_bytes(const std::string& name) const { return find({name, true}, fs::current_path()); }

  fs::path find(const IncludeLine& wanted, const fs::path& beside) const {
    std::error_code ignored;
    if (wanted.quoted && fs::is_regular_file(beside / wanted.name, ignored))
      return (beside / wanted.name).lexically_normal();
    for (const fs::path& folder : folders_)
      if (fs::is_regular_file(folder / wanted.name, ignored)) return (folder / wanted.name).lexically_normal();
    return {};
  }

  const std::vector<fs::path>& folders_;
  std::set<std::string> seen_;
};

}  // namespace

SourceHash hash_source(const fs::path& source, const std::vector<fs::path>& folders) {
  Scan scan(folders);
  const std::string name = source.filename().string();
  scan.file(source, "source: " + name, name);
  return {scan.text, hash_hex(scan.text), std::move(scan.files), scan.unclear};
}

}  // namespace assay

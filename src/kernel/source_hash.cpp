// Hashing a source with its includes, found by a scan for #include lines.
#include "kernel/source_hash.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

struct Include {
  std::string name;
  bool quoted = false;
};

std::string_view skip_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::optional<Include> include_of(std::string_view line) {
  line = skip_blanks(line);
  if (line.substr(0, 1) != "#") return std::nullopt;
  line = skip_blanks(line.substr(1));
  if (line.substr(0, 7) != "include") return std::nullopt;
  line = skip_blanks(line.substr(7));
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const size_t close = line.find(line[0] == '"' ? '"' : '>', 1);
  if (close == std::string_view::npos) return std::nullopt;
  return Include{std::string(line.substr(1, close - 1)), line[0] == '"'};
}

class Scan {
 public:
  explicit Scan(const std::vector<fs::path>& folders) : folders_(folders) {}

  void file(const fs::path& path, const std::string& label, const std::string& name) {
    const std::string bytes = read_file(path);
    text += fmt::format("{} {}\n", label, hash_hex(bytes));
    files.emplace_back(name, path);
    for (size_t start = 0; start < bytes.size();) {
      const size_t end = std::min(bytes.find('\n', start), bytes.size());
      if (const auto found = include_of(std::string_view(bytes).substr(start, end - start)))
        include(*found, path.parent_path());
      start = end + 1;
    }
  }

  std::string text;
  std::vector<std::pair<std::string, fs::path>> files;

 private:
  void include(const Include& wanted, const fs::path& beside) {
    const fs::path path = find(wanted, beside);
    const std::string label = "include: " + wanted.name;
    if (!path.empty() && !seen_.insert(path.native()).second) return;
    if (!path.empty())
      file(path, label, wanted.name);
    else if (wanted.quoted && seen_.insert(label).second)
      text += label + " missing\n";
  }

  fs::path find(const Include& wanted, const fs::path& beside) const {
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
  return {scan.text, hash_hex(scan.text), std::move(scan.files)};
}

}  // namespace assay

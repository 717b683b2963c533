// A folder of files that is written whole, or not at all.
#include "tune/export_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/deferred_signals.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWhat = "assay-export";

fs::path parent_of(const fs::path& folder) {
  const fs::path parent = folder.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

/// Without a slash at its end, links followed where it is there.
fs::path place_of(const fs::path& folder) {
  std::error_code ignored;
  fs::path place = folder.lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  return fs::exists(place, ignored) ? fs::canonical(place, ignored) : place;
}

[[noreturn]] void refuse(const fs::path& folder, const std::string& why) {
  fail("--out {}: {}; name another folder, or empty this one", folder.string(), why);
}

/// Name → hash of what an earlier export wrote here. Error if none did.
std::map<std::string, std::string> files_of_export(const fs::path& folder) {
  std::map<std::string, std::string> files;
  std::error_code ignored;
  const fs::path mark = folder / kExportMark;
  if (!fs::is_regular_file(mark, ignored)) refuse(folder, "it holds files that no export wrote");
  const Json json = Json::parse_or_null(read_file(mark));
  if (!json.is_object() || !json.contains("schema") || json["schema"] != kWhat || !json.contains("files") ||
      !json["files"].is_object())
    refuse(folder, fmt::format("its {} is none that an export writes", kExportMark));
  for (const auto& [name, hash] : json["files"].items())
    if (hash.is_string()) files[name] = hash.get<std::string>();
  return files;
}

void check_is_own(const fs::path& folder) {
  const std::map<std::string, std::string> files = files_of_export(folder);
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const std::string name = at->path().lexically_relative(folder).generic_string();
    if (name == "build" && at->is_directory()) {
      at.disable_recursion_pending();
      continue;
    }
    if (name == kExportMark || (at->is_directory() && !at->is_symlink())) continue;
    const auto written = files.find(name);
    if (written == files.end() || at->is_symlink() || !at->is_regular_file())
      refuse(folder, fmt::format("it holds {}, which no export wrote", name));
    if (hash_hex(read_file(at->path())) != written->second)
      refuse(folder, fmt::format("{} in it was changed since it was exported", name));
  }
  if (error) refuse(folder, fmt::format("it cannot be read ({})", error.message()));
}

/// Made beside; removed with all in it unless it was put in place.
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& beside)
      : path_(parent_of(beside) / fmt::format(".{}.{}.partial", beside.filename().string(), getpid())) {
    if (mkdir(path_.c_str(), 0777) != 0) fail("--out {}: {}", beside.string(), std::strerror(errno));
  }
  ~PartialFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void check_export_folder(const fs::path& given) {
  if (given.empty()) fail("--out: an empty name is no folder");
  std::error_code error;
  const fs::path folder = place_of(given);
  const fs::path parent = parent_of(folder);
  if (!fs::is_directory(parent, error)) fail("--out {}: there is no folder {}", given.string(), parent.string());
  const auto status = fs::symlink_status(folder, error);
  if (fs::exists(status) && !fs::is_directory(status)) fail("--out {}: it is there, and is no folder", given.string());
  if (access(parent.c_str(), W_OK | X_OK) != 0)
    fail("--out {}: {} cannot be written ({})", given.string(), parent.string(), std::strerror(errno));
  if (!fs::exists(status)) return;
  const bool is_empty = fs::is_empty(folder, error);
  if (error) refuse(folder, fmt::format("it cannot be read ({})", error.message()));
  if (!is_empty) check_is_own(folder);
}

void write_export(const fs::path& given, ExportedFiles files, const std::string& about) {
  check_export_folder(given);
  const fs::path folder = place_of(given);
  Json mark = Json::parse(about);
  mark["schema"] = kWhat;
  mark["version"] = 1;
  for (const auto& [name, text] : files) mark["files"][name] = hash_hex(text);
  files[kExportMark] = mark.dump(2) + "\n";

  const DeferredSignals until_it_is_in_place;
  const PartialFolder partial(folder);
  for (const auto& [name, text] : files) {
    std::error_code error;
    const fs::path file = partial.path() / name;
    fs::create_directories(file.parent_path(), error);
    if (error) fail("--out {}: {} ({})", given.string(), file.parent_path().string(), error.message());
    write_file(file, text);
  }
  std::error_code ignored;
  const bool replaces = fs::exists(folder, ignored);
  const unsigned flags = replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (renameat2(AT_FDCWD, partial.path().c_str(), AT_FDCWD, folder.c_str(), flags) == 0) return;
  const int why = errno;
  if (why != EINVAL && why != ENOSYS) fail("--out {}: cannot be put in place ({})", given.string(), std::strerror(why));
  // A file system without that: the old one steps aside first.
  const fs::path aside = partial.path().string() + ".old";
  if (replaces) fs::rename(folder, aside);
  fs::rename(partial.path(), folder);
  fs::remove_all(aside, ignored);
}

}  // namespace assay

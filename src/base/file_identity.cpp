// Which file a name means: links followed, files that do not exist yet included.
#include "base/file_identity.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

namespace assay {
namespace fs = std::filesystem;
namespace {

std::string own_descriptors() { return fmt::format("/proc/{}/fd", getpid()); }

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void put_before(std::deque<fs::path>& names, const fs::path& path) {
  names.insert(names.begin(), path.begin(), path.end());
}

}  // namespace

fs::path follow_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  std::error_code error;
  std::deque<fs::path> names;
  put_before(names, path.is_absolute() ? path : fs::current_path(error) / path);
  fs::path at = "/";
  for (int links = 0; !names.empty();) {
    const fs::path name = names.front();
    names.pop_front();
    if (name.empty() || name == "." || name == "/") continue;
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    // What such a link says of itself ("pipe:[17]", "/a/file (deleted)") is no name.
    const bool is_descriptor = at == own_descriptors() && is_number(name.string());
    const fs::path target = is_descriptor || links == kMostLinks ? fs::path() : fs::read_symlink(at / name, error);
    if (target.empty()) {
      at /= name;
      continue;
    }
    ++links;
    if (target.is_absolute()) at = "/";
    put_before(names, target);
  }
  return at;
}

int own_descriptor(const fs::path& path) {
  const fs::path real = follow_links(path);
  const std::string name = real.filename().string();
  return real.parent_path() == own_descriptors() && is_number(name) ? std::stoi(name) : -1;
}

bool FileIdentity::same_file(const FileIdentity& other) const {
  return device == other.device && inode == other.inode && below == other.below;
}

bool FileIdentity::would_hold(const FileIdentity& other) const {
  return !exists() && device == other.device && inode == other.inode && other.below.starts_with(below + "/");
}

FileIdentity file_identity(const fs::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return {status.st_dev, status.st_ino, status.st_mode, ""};
  const fs::path real = follow_links(path);  // "new/../file" is there once the folder `new` has been made for it
  if (stat(real.c_str(), &status) == 0) return {status.st_dev, status.st_ino, status.st_mode, ""};
  fs::path folder = real.parent_path();
  while (stat(folder.c_str(), &status) != 0 && folder != folder.parent_path()) folder = folder.parent_path();
  return {status.st_dev, status.st_ino, status.st_mode, real.lexically_relative(folder).string()};
}

FileIdentity file_identity(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_mode, ""};
}

}  // namespace assay

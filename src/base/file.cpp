// Whole files in and out, and the folders that assay keeps things in.
#include "base/file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace assay {
namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) fail("{}: is a folder, not a file", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("{}: cannot be read ({})", path.string(), std::strerror(errno));
  std::ostringstream bytes;
  bytes << in.rdbuf();
  if (in.bad()) fail("{}: reading it failed ({})", path.string(), std::strerror(errno));
  return std::move(bytes).str();
}

namespace {
/// A pipe, a device and a link are what they are: a file put in their place would destroy them.
bool is_to_be_written_in_place(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_symlink(path, ignored)) return true;
  return fs::exists(path, ignored) && !fs::is_regular_file(path, ignored) && !fs::is_directory(path, ignored);
}
}  // namespace

void write_file(const fs::path& path, std::string_view bytes) {
  std::error_code error;
  if (is_to_be_written_in_place(path)) {
    std::ofstream out(path, std::ios::binary);
    out.write(bytes.data(), std::streamsize(bytes.size()));
    out.flush();
    if (!out) fail("{}: cannot be written ({})", path.string(), std::strerror(errno));
    return;
  }
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  const fs::path partial = path.string() + fmt::format(".{}.partial", getpid());
  {
    std::ofstream out(partial, std::ios::binary);
    out.write(bytes.data(), std::streamsize(bytes.size()));
    out.flush();
    if (!out) {
      const int why = errno;
      fs::remove(partial, error);
      fail("{}: cannot be written ({}); choose another place or free some space", path.string(), std::strerror(why));
    }
  }
  fs::rename(partial, path, error);
  if (error) {
    const std::string why = error.message();
    fs::remove(partial, error);
    fail("{}: cannot be put in place ({})", path.string(), why);
  }
}

namespace {
fs::path temporary_folder() {
  const char* base = std::getenv("TMPDIR");
  return fs::path(base && *base == '/' ? base : "/tmp") / fmt::format("assay-{}", geteuid());
}

fs::path xdg_folder(const char* variable, const char* below_home) {
  if (const char* base = std::getenv(variable); base && *base == '/') return fs::path(base) / "assay";
  if (const char* home = std::getenv("HOME"); home && *home == '/') return fs::path(home) / below_home / "assay";
  return temporary_folder();
}
}  // namespace

fs::path state_folder() { return xdg_folder("XDG_STATE_HOME", ".local/state"); }
bool is_temporary_folder(const fs::path& folder) { return folder == temporary_folder(); }
fs::path cache_folder() { return xdg_folder("XDG_CACHE_HOME", ".cache"); }

}  // namespace assay

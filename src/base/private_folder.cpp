// Whose a folder or a file is.
#include "base/private_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr char kInstead[] = "set HOME, XDG_STATE_HOME and XDG_CACHE_HOME to folders of yours";

[[noreturn]] void refuse(const fs::path& folder, const std::string& why) {
  fail("{}: {}; {}", folder.string(), why, kInstead);
}

/// Through the descriptor, so that nobody can exchange it between the look and the change.
void check(const fs::path& folder, int descriptor, bool is_temporary) {
  struct stat is {};
  if (fstat(descriptor, &is) != 0) refuse(folder, std::strerror(errno));
  if (is.st_uid != geteuid()) refuse(folder, fmt::format("belongs to user {}, not to you ({})", is.st_uid, geteuid()));
  const mode_t forbidden = is_temporary ? 0077 : S_IWOTH;
  if (is.st_mode & forbidden)
    refuse(folder, fmt::format("is open to others (mode {:o}), who may have put anything there; remove it",
                               is.st_mode & 07777));
}

}  // namespace

void make_own_folder(const fs::path& folder) {
  const bool is_temporary = is_temporary_folder(folder);
  std::error_code error;
  if (!is_temporary) fs::create_directories(folder.parent_path(), error);
  if (error) refuse(folder, fmt::format("cannot be made ({})", error.message()));
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    refuse(folder, fmt::format("cannot be made ({})", std::strerror(errno)));
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_temporary ? O_NOFOLLOW : 0));
  if (descriptor < 0) {
    struct stat is {};
    const int why = errno;
    const bool is_link = lstat(folder.c_str(), &is) == 0 && S_ISLNK(is.st_mode);
    refuse(folder, is_link ? "is a link, not a folder" : std::strerror(why));
  }
  try {
    check(folder, descriptor, is_temporary);
  } catch (const Error&) {
    close(descriptor);
    throw;
  }
  close(descriptor);
}

bool is_mounted_noexec(const fs::path& path) {
  struct statvfs mounted {};
  return statvfs(path.c_str(), &mounted) == 0 && (mounted.f_flag & ST_NOEXEC) != 0;
}

std::string why_not_trusted(const fs::path& file) {
  struct stat is {
  }, program{};
  if (stat(file.c_str(), &is) != 0) return fmt::format("cannot be read ({})", std::strerror(errno));
  if (!S_ISREG(is.st_mode)) return "is no regular file";
  if (is.st_mode & S_IWOTH)
    return fmt::format("may be written by everybody (mode {:o}), so nobody knows whose it is", is.st_mode & 07777);
  const bool is_known = is.st_uid == geteuid() || is.st_uid == 0 ||
                        (stat("/proc/self/exe", &program) == 0 && is.st_uid == program.st_uid);
  return is_known ? "" : fmt::format("belongs to user {}, not to you ({})", is.st_uid, geteuid());
}

bool is_trusted_file(const fs::path& file) { return why_not_trusted(file).empty(); }

}  // namespace assay

// Whole files in and out, and the folders that assay keeps things in.
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/deferred_signals.h"
#include "base/error.h"
#include "base/file_identity.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  /// False where the last bytes could not be written.
  bool closed() { return close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

/// "a folder", "a named pipe" …, or "" of a regular file.
const char* kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

int open_input(const fs::path& path, std::string_view hint) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) fail("{}: cannot be read ({}){}", path.string(), std::strerror(errno), hint);
  const bool is_given_pipe =
      S_ISFIFO(status.st_mode) && own_descriptor(path) >= 0;  // opened by the shell: nobody waits
  if (const char* kind = kind_of(status.st_mode); *kind && !is_given_pipe)
    fail("{}: is {}; a regular file is wanted{}", path.string(), kind, hint);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) fail("{}: cannot be read ({}){}", path.string(), std::strerror(errno), hint);
  return descriptor;
}

std::string read_descriptor(int descriptor, const std::string& name) {
  std::string bytes;
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) bytes.reserve(size_t(status.st_size) + 1);
  char part[64 * 1024];
  for (;;) {
    const ssize_t count = read(descriptor, part, sizeof part);
    if (count == 0) return bytes;
    if (count > 0)
      bytes.append(part, size_t(count));
    else if (errno != EINTR)
      fail("{}: reading it failed ({})", name, std::strerror(errno));
  }
}

std::string read_file(const fs::path& path) {
  const Descriptor in(open_input(path));
  return read_descriptor(in.number(), path.string());
}

namespace {

[[noreturn]] void fail_to_write(const fs::path& path, int why) {
  fail("{}: cannot be written ({}); choose another place{}", path.string(), std::strerror(why),
       why == ENOSPC || why == EDQUOT ? " or free some space" : "");
}

/// Where the bytes of a name go.
struct Target {
  fs::path name, file;    // as given, and with links followed
  struct stat status {};  // of the file, if it exists
  bool exists = false;
  bool in_place = false;  // a file put in its place would destroy what it is
};

Target find_target(const fs::path& path) {
  Target target{path, follow_links(path), {}, false, false};
  if (path.empty()) fail("an empty name is no file to write to; name one");
  target.exists = stat(path.c_str(), &target.status) == 0;
  const mode_t mode = target.status.st_mode;
  if ((target.exists && S_ISDIR(mode)) || !path.has_filename())
    fail("{}: is a folder, not a file; name a file in it", path.string());
  if (target.exists && (S_ISBLK(mode) || S_ISSOCK(mode)))
    fail("{}: is {}; name a file, a pipe or a terminal", path.string(), S_ISBLK(mode) ? "a disk" : "a socket");
  if (target.exists && faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) fail_to_write(path, errno);
  const bool owned_by_another = target.exists && target.status.st_uid != geteuid() && geteuid() != 0;
  target.in_place = target.exists && (!S_ISREG(mode) || owned_by_another);
  return target;
}

/// A new file in the folder; its name, or "" and errno.
fs::path make_partial(const fs::path& folder, int& descriptor) {
  for (int n = 0; n < 100; ++n) {
    const fs::path partial = folder / fmt::format(".assay-{}-{}.partial", getpid(), n);
    descriptor = open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return partial;
    if (errno != EEXIST) break;
  }
  return {};
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor, bytes.data(), bytes.size());
    if (count > 0)
      bytes.remove_prefix(size_t(count));
    else if (count == 0 || errno != EINTR)
      return false;
  }
  return true;
}

void write_in_place(const Target& target, std::string_view bytes) {
  constexpr int kFlags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
  const bool is_pipe = S_ISFIFO(target.status.st_mode), is_file = S_ISREG(target.status.st_mode);
  if (is_pipe) {
    const Descriptor reader(open(target.name.c_str(), kFlags | O_NONBLOCK));
    if (reader.number() < 0 && errno == ENXIO)
      std::fprintf(stderr, "assay: %s: waiting for somebody to read this pipe\n", target.name.c_str());
  }
  Descriptor out(open(target.name.c_str(), kFlags | (is_file ? O_TRUNC : 0)));
  if (out.number() < 0 || !write_all(out.number(), bytes) || !out.closed()) fail_to_write(target.name, errno);
}

}  // namespace

void check_writable(const fs::path& path) {
  const Target target = find_target(path);
  if (target.in_place) return;
  std::error_code ignored;
  fs::path folder = target.file.parent_path();
  while (!fs::exists(folder, ignored) && folder != folder.parent_path()) folder = folder.parent_path();
  const DeferredSignals until_it_is_gone;
  int descriptor = -1;
  const fs::path partial = make_partial(folder, descriptor);
  if (partial.empty() && !target.exists) fail_to_write(path, errno);
  if (descriptor >= 0) close(descriptor);
  if (!partial.empty()) unlink(partial.c_str());
}

namespace {

enum class Writers { as_umask_says, owner_alone };

void write_whole(const fs::path& path, std::string_view bytes, Writers writers) {
  const Target target = find_target(path);
  if (target.in_place) return write_in_place(target, bytes);
  std::error_code ignored;
  const fs::path folder = target.file.parent_path();
  const bool is_new_folder = fs::create_directories(folder, ignored);
  if (is_new_folder && writers == Writers::owner_alone)  // whose folder it is may exchange what is in it
    fs::permissions(folder, fs::perms::group_write | fs::perms::others_write, fs::perm_options::remove, ignored);
  const DeferredSignals until_it_is_in_place;
  int descriptor = -1;
  const fs::path partial = make_partial(folder, descriptor);
  if (partial.empty() && target.exists) return write_in_place(target, bytes);  // its folder is closed, it is not
  if (partial.empty()) fail_to_write(path, errno);
  Descriptor out(descriptor);
  if (target.exists) {
    if (fchown(descriptor, target.status.st_uid, target.status.st_gid) != 0)
      errno = 0;  // its group may be out of reach
    fchmod(descriptor, target.status.st_mode & 07777);
  }
  if (struct stat made{}; writers == Writers::owner_alone && fstat(descriptor, &made) == 0)
    fchmod(descriptor, made.st_mode & 07777 & ~(S_IWGRP | S_IWOTH));
  if (!write_all(descriptor, bytes) || !out.closed() || rename(partial.c_str(), target.file.c_str()) != 0) {
    const int why = errno;
    unlink(partial.c_str());
    if (why == EBUSY && target.exists) return write_in_place(target, bytes);  // something is mounted on it
    fail_to_write(path, why);
  }
}

}  // namespace

void write_file(const fs::path& path, std::string_view bytes) { write_whole(path, bytes, Writers::as_umask_says); }
void write_trusted_file(const fs::path& path, std::string_view bytes) {
  write_whole(path, bytes, Writers::owner_alone);
}

std::string compressed_with(std::string_view head) {
  using namespace std::string_view_literals;
  for (const auto& [begin, name] : {std::pair{"\x1f\x8b"sv, "gzip"}, std::pair{"\x28\xb5\x2f\xfd"sv, "zstd"},
                                    std::pair{"\xfd\x37zXZ"sv, "xz"}, std::pair{"BZh"sv, "bzip2"}})
    if (head.starts_with(begin)) return name;
  return "";
}

fs::path folder_for_temporary_files() {
  const char* base = std::getenv("TMPDIR");
  return base && *base == '/' ? base : "/tmp";
}

namespace {
fs::path temporary_folder() { return folder_for_temporary_files() / fmt::format("assay-{}", geteuid()); }

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

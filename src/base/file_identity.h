// Which file a name means: links followed, files that do not exist yet included.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>

namespace assay {

/// The absolute name with every link in it followed, one to a file that does not exist yet included. A descriptor of
/// this process (/dev/stdout, /dev/fd/3) stays /proc/PID/fd/N.
std::filesystem::path follow_links(const std::filesystem::path& path);

/// N where the name is a descriptor of this process: 1 of /dev/stdout, 3 of /dev/fd/3; else -1.
int own_descriptor(const std::filesystem::path& path);

/// What two names of one file have in common, however they are written.
struct FileIdentity {
  dev_t device = 0;  // of the file, or of the nearest folder above it that exists
  ino_t inode = 0;
  mode_t mode = 0;    // of the same
  std::string below;  // what of the name does not exist yet, "new/r.json"; "" where the file exists

  bool exists() const { return below.empty(); }
  bool same_file(const FileIdentity& other) const;
  /// Whether this one would have to be a folder for the other to exist.
  bool would_hold(const FileIdentity& other) const;
};

FileIdentity file_identity(const std::filesystem::path& path);
/// Of an open descriptor.
FileIdentity file_identity(int descriptor);

}  // namespace assay

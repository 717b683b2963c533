// Whole files in and out, and the folders that assay keeps things in.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// A descriptor to read from: of a regular file, or of a pipe that this process was given (/dev/fd/N, /dev/stdin).
/// Error for a folder, a named pipe, a device and what cannot be read, ended by `hint`; it never waits for a writer.
int open_input(const std::filesystem::path& path, std::string_view hint = "");

/// The bytes of what open_input() opens, or that is open already.
std::string read_file(const std::filesystem::path& path);
std::string read_descriptor(int descriptor, const std::string& name);

/// Error unless write_file(path) could begin now. Leaves nothing behind.
void check_writable(const std::filesystem::path& path);

/// Writes beside the file that `path` means, links followed, and renames: a reader sees the old bytes or the new, never
/// half. The mode of an older file is kept. A pipe, a terminal and a file without room beside it are written as they
/// lie. Error if it cannot.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// The same for what assay is to believe later: whatever the umask and the mode of an older file, only its owner may
/// write it.
void write_trusted_file(const std::filesystem::path& path, std::string_view bytes);

/// $XDG_STATE_HOME/assay or ~/.local/state/assay; where neither is an absolute path, $TMPDIR/assay-UID or
/// /tmp/assay-UID. It may not be there yet, or be somebody else's: make_own_folder.
std::filesystem::path state_folder();

/// The same with $XDG_CACHE_HOME/assay and ~/.cache/assay.
std::filesystem::path cache_folder();

/// "gzip", "zstd", "xz" or "bzip2", by a file's first bytes; "": not compressed with these.
std::string compressed_with(std::string_view head);

/// $TMPDIR where that is an absolute path, else /tmp.
std::filesystem::path folder_for_temporary_files();

/// Whether it is the one in the temporary folder, where every user may make names.
bool is_temporary_folder(const std::filesystem::path& folder);

}  // namespace assay

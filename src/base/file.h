// Whole files in and out, and the folders that assay keeps things in.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// The file's bytes. Error if it cannot be read (a folder, missing, no permission).
std::string read_file(const std::filesystem::path& path);

/// Writes beside `path` and renames, so that a reader sees the old bytes or the new, never half. Error if it cannot.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// $XDG_STATE_HOME/assay or ~/.local/state/assay; where neither is an absolute path, $TMPDIR/assay-UID or
/// /tmp/assay-UID. It may not be there yet, or be somebody else's: make_own_folder.
std::filesystem::path state_folder();

/// The same with $XDG_CACHE_HOME/assay and ~/.cache/assay.
std::filesystem::path cache_folder();

/// Whether it is the one in the temporary folder, where every user may make names.
bool is_temporary_folder(const std::filesystem::path& folder);

}  // namespace assay

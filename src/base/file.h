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

/// $XDG_STATE_HOME/assay or ~/.local/state/assay; where neither is set, /tmp/assay-UID.
std::filesystem::path state_folder();

/// $XDG_CACHE_HOME/assay or ~/.cache/assay; where neither is set, /tmp/assay-UID.
std::filesystem::path cache_folder();

}  // namespace assay

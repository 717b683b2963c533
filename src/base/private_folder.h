// Folders of this user's own: what others could have put there is neither opened nor run.
#pragma once
#include <filesystem>
#include <string>

namespace assay {

/// Makes the folder, which state_folder() or cache_folder() chose, and its parents. Error unless it is this user's and
/// nobody else can write into it; in the temporary folder, where others make names as they like, it must also be no
/// link, and closed to all others.
void make_own_folder(const std::filesystem::path& folder);

/// Whether the file system that a file or folder lies in is mounted so that no code in it runs.
bool is_mounted_noexec(const std::filesystem::path& path);

/// Whether a file's code may run in this process: not everybody may write it, and it belongs to this user, to root, or to
/// whom the running program belongs.
bool is_trusted_file(const std::filesystem::path& file);
/// "" of such a file, else what is wrong: "belongs to user 1000, not to you (0)".
std::string why_not_trusted(const std::filesystem::path& file);

}  // namespace assay

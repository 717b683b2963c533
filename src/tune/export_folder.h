// A folder of files that is written whole, in place of an earlier one of its kind and of nothing else.
#pragma once
#include <filesystem>
#include <map>
#include <string>

namespace assay {

/// Text by its name below the folder ("kernels/call.h").
using ExportedFiles = std::map<std::string, std::string>;

/// The file that says what an export wrote: a later one may replace that, as long as it is what was written.
inline constexpr const char* kExportMark = "assay_export.json";

/// Error unless write_export(folder) could begin: it is no file, its parent is there and can be written, and it is
/// absent, empty, or an earlier export in which nothing was changed or added (but `build`, which its Makefile makes).
void check_export_folder(const std::filesystem::path& folder);

/// Writes all files beside and renames: the folder is the old one or the new, never half. `about`: further members of
/// the mark. Error as check_export_folder().
void write_export(const std::filesystem::path& folder, ExportedFiles files, const std::string& about);

}  // namespace assay

// What this program was built from and with.
#pragma once
#include <string>

namespace assay {

const char* program_version();  // "0.1.0"
/// As git describes it; written by the build into a source of its own.
const char* program_commit();

/// What `assay --version` shows: commit, backends, instruction sets, compiler, libraries, a line each.
std::string version_text();

}  // namespace assay

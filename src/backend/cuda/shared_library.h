// Where the shared libraries of a driver or a toolkit are, opened while the program runs.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace assay {

/// The first of `names` ("libnvrtc.so.13", "libnvrtc.so") that $CUDA_HOME, the system's loader, /usr/local/cuda or the
/// folder lib beside the program has; null if none. Stays open until the process ends.
void* open_shared_library(const std::vector<std::string>& names);

/// A function of it, or null.
void* library_function(void* library, const char* name);

/// The toolkit's include folders: $CUDA_HOME's, or /usr/local/cuda's, or those of the system; empty if there are none.
std::vector<std::filesystem::path> toolkit_includes();

/// The folder that the running program lies in.
std::filesystem::path program_folder_of_process();

}  // namespace assay

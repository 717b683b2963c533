// Where ggml is, as CMake found it (cmake/ggml.cmake), and what its files are now.
#include "backend/cpu/cpu_libraries.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/hash.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

Library ggml() {
  Library library;
  library.name = "ggml";
  const std::string advice = "build ggml or llama.cpp with shared libraries, then assay with make ASSAY_GGML=ITS_BUILD";
  std::istringstream files(ASSAY_GGML_LIBRARIES);
  for (std::string file; std::getline(files, file, ':');) {
    std::error_code missing;
    if (!fs::is_regular_file(file, missing)) {
      library.missing = fmt::format("{} is there no more; {}", file, advice);
      return library;
    }
    // Its version is its content: nothing else tells two builds of one release apart.
    const std::string content = read_file(file);
    library.version += fmt::format("{}{} ({} bytes, {})", library.version.empty() ? "" : ", ",
                                   fs::path(file).filename().string(), content.size(), hash_hex(content).substr(0, 8));
    library.link_flags.push_back(file);
    library.link_flags.push_back("-Wl,-rpath," + fs::path(file).parent_path().string());
  }
  if (library.link_flags.empty()) library.missing = fmt::format("{}; {}", ASSAY_GGML_MISSING, advice);
  library.include_folders = {ASSAY_GGML_INCLUDE};
  return library;
}

}  // namespace

std::vector<Library> cpu_libraries() { return {ggml()}; }

}  // namespace assay

// Where the shared libraries of a driver or a toolkit are.
#include "backend/cuda/shared_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace assay {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> toolkits() {
  std::vector<fs::path> folders;
  if (const char* home = std::getenv("CUDA_HOME"); home && *home) folders.emplace_back(home);
  folders.emplace_back("/usr/local/cuda");
  return folders;
}

}  // namespace

fs::path program_folder_of_process() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(".") : program.parent_path();
}

void* open_shared_library(const std::vector<std::string>& names) {
  std::vector<fs::path> places;
  for (const fs::path& toolkit : toolkits())
    places.insert(places.end(), {toolkit / "lib64", toolkit / "lib", toolkit / "extras/CUPTI/lib64"});
  places.push_back(program_folder_of_process() / "lib");
  for (const std::string& name : names) {
    if (const char* home = std::getenv("CUDA_HOME"); home && *home)
      if (void* library = dlopen((fs::path(home) / "lib64" / name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    for (const fs::path& place : places)
      if (void* library = dlopen((place / name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

void* library_function(void* library, const char* name) { return library ? dlsym(library, name) : nullptr; }

std::vector<fs::path> toolkit_includes() {
  std::error_code ignored;
  std::vector<fs::path> candidates;
  for (const fs::path& toolkit : toolkits()) candidates.push_back(toolkit / "include");
  candidates.emplace_back("/usr/include");
  for (const fs::path& folder : candidates) {
    if (!fs::is_regular_file(folder / "cuda_fp16.h", ignored)) continue;
    std::vector<fs::path> found{folder};
    if (fs::is_directory(folder / "cccl", ignored)) found.push_back(folder / "cccl");
    return found;
  }
  return {};
}

}  // namespace assay

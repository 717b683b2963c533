// Fuzz entry of the manifest parser: any text gives a manifest or an Error, within its caps.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"
#include "kernel/manifest.h"

namespace {
// A folder with the one source that inputs may name ("a.cpp").
const std::filesystem::path& source_folder() {
  static const std::filesystem::path folder = [] {
    const auto path = std::filesystem::temp_directory_path() / fmt::format("assay-manifest-fuzz-{}", getuid());
    std::filesystem::create_directories(path);
    std::ofstream(path / "a.cpp") << "int a;\n";
    return path;
  }();
  return folder;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const assay::Manifest manifest = assay::parse_manifest(text, source_folder() / "manifest.json");
    std::set<std::string> ids;
    for (const assay::Variant& variant : manifest.variants) {
      if (!ids.insert(variant.id()).second) std::abort();
      if (variant.source != source_folder() / "a.cpp" && !std::filesystem::exists(variant.source)) std::abort();
    }
  } catch (const assay::Error& e) {
    if (std::string_view(e.what()).find("manifest.json") == std::string_view::npos) std::abort();
  }
  return 0;
}

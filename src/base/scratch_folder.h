// A folder for files that are of use to this process alone.
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/interruption.h"

namespace assay {

/// Below folder_for_temporary_files(), one that nobody could have made before; removed with all in it. Error if it
/// cannot be made.
class ScratchFolder {
 public:
  /// name: how it begins.
  explicit ScratchFolder(std::string_view name);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<HalfMade> half_made_;
};

}  // namespace assay

// Where compilers work: a folder in the build cache that is gone afterwards, however they end.
#pragma once
#include <filesystem>
#include <optional>

#include "base/interruption.h"

namespace assay {

/// Takes away what killed processes left there, then makes a folder of its own, which it holds as long as it lives.
class WorkingFolder {
 public:
  /// Error where none can be made in `parent`.
  explicit WorkingFolder(const std::filesystem::path& parent);
  ~WorkingFolder();
  WorkingFolder(const WorkingFolder&) = delete;
  WorkingFolder& operator=(const WorkingFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<HalfMade> half_made_;
  int held_ = -1;  // locked: the lock of a process that was killed is gone
};

}  // namespace assay

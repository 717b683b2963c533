// A folder for files that are of use to this process alone.
#include "base/scratch_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/deferred_signals.h"
#include "base/error.h"
#include "base/file.h"

namespace assay {

ScratchFolder::ScratchFolder(std::string_view name) {
  std::string made = (folder_for_temporary_files() / name).string() + "-XXXXXX";
  const DeferredSignals until_it_is_known;
  if (!mkdtemp(made.data()))
    fail("{}: cannot be made ({}); set TMPDIR to a folder that can be written", made, std::strerror(errno));
  path_ = made;
  half_made_.emplace(path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace assay

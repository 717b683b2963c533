// Where compilers work.
#include "kernel/working_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/deferred_signals.h"
#include "base/error.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr const char* kStart = ".working-";

/// The folder, locked; -1 where another process holds it.
int held(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  if (descriptor >= 0) close(descriptor);
  return -1;
}

void sweep(const fs::path& parent) {
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(parent, ignored))
    if (entry.path().filename().string().starts_with(kStart)) left.push_back(entry.path());
  for (const fs::path& folder : left)
    if (const int descriptor = held(folder); descriptor >= 0) {
      fs::remove_all(folder, ignored);
      close(descriptor);
    }
}

}  // namespace

WorkingFolder::WorkingFolder(const fs::path& parent) {
  sweep(parent);
  for (int tries = 0; tries < 100; ++tries) {
    std::string name = (parent / (std::string(kStart) + "XXXXXX")).string();
    const DeferredSignals until_it_is_known;
    if (!mkdtemp(name.data())) fail("{}: no folder can be made there ({})", parent.string(), std::strerror(errno));
    path_ = name;
    half_made_.emplace(path_);
    held_ = held(path_);
    std::error_code ignored;
    if (held_ >= 0 && fs::is_directory(path_, ignored)) return;  // nobody swept it before it was held
    if (held_ >= 0) close(held_);
  }
  fail("{}: each folder made there is taken away at once", parent.string());
}

WorkingFolder::~WorkingFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  close(held_);
}

}  // namespace assay

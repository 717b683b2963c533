// Which frameworks there are, which of them this assay was built with, and what to install for the others.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "opbench/framework.h"

namespace assay {

struct FrameworkInfo {
  std::string name;
  std::string column;   // in the seed's table
  std::string install;  // where it is not here
  bool is_own = false;  // runs on assay's team; others make threads themselves, which a pinned caller would pin as well
  std::string device = "cpu";  // what it computes on: only what runs there says how fast that could be
  bool allocates = false;      // its own output, beside the one that was made before

  /// The framework that means are against, on the same device.
  std::string baseline() const { return "torch_" + device; }
};

/// In the order of the seed's columns; those that it had not come last.
const std::vector<FrameworkInfo>& known_frameworks();
/// What only moves a row's bytes, on each device.
const std::vector<FrameworkInfo>& ceiling_frameworks();

/// A framework that can be loaded, or why not.
struct FrameworkModule {
  const FrameworkInfo* info = nullptr;
  std::filesystem::path file;  // empty: it was not built
  std::string version;         // as it tells it itself
  std::string missing;         // why it cannot be used
  double load_seconds = 0;     // what it took to load it
};

/// The modules of `folder`, NAME.so or NAME-ISA.so with the best of these sets (best last). Each is loaded once, in a
/// process of its own, to ask for its version; one that fails there is missing with what it said.
FrameworkModule find_framework(const FrameworkInfo& info, const std::filesystem::path& folder,
                               const std::vector<std::string>& isa, int threads);

/// A team of threads in this process, and what keeps it alive.
struct OwnedTeam {
  ThreadTeam team;
  std::shared_ptr<void> owner;
};
using TeamMaker = std::function<OwnedTeam()>;

/// Loads a module into this process, which must be one that may die of it. Error with what the loader says.
std::unique_ptr<Framework> load_framework(const std::filesystem::path& file, const ThreadTeam& team);

}  // namespace assay

// Launches at positions far behind a spec's capacity, in a longer cache: an engine's grows, and the kernel stays.
#pragma once
#include <random>
#include <string>

#include "measure/binding.h"

namespace assay {

class FarPositions {
 public:
  FarPositions(const WorkerCase& work, OpenedArenas& opened) : work_(work), opened_(opened) {}

  /// Of an op that writes into a cache: `of` with a cache of 131,072 positions in memory of its own, swept for
  /// some ms: at the last one, near powers of two, at drawn ones. base: as of the sweep of the spec itself. "" or what
  /// is wrong: of D and of the rows that it must write. Nothing is tried where the variant does not support such a
  /// spec, or the cache would take more than 256 MB or than there is.
  std::string check(const Launch& of, const LaunchInputs& base, std::mt19937_64& random);

 private:
  const WorkerCase& work_;
  OpenedArenas& opened_;
};

}  // namespace assay

// Weights of a launch in memory of their own, in which what it has no business with is poisoned; of each launch there
// other ones in the same place.
#pragma once
#include <optional>
#include <vector>

#include "measure/binding.h"

namespace assay {

class UnreadWeights {
 public:
  UnreadWeights(const WorkerCase& work, OpenedArenas& opened) : work_(work), opened_(opened) {}
  ~UnreadWeights();
  UnreadWeights(const UnreadWeights&) = delete;
  UnreadWeights& operator=(const UnreadWeights&) = delete;

  /// The launch as such inputs want it, on other weights of the same values, which begin where those of a mapped file
  /// may. Nothing where it may use all of them (unless it is to be so even then), where the variant prepares its own,
  /// or where they are larger than 64 MB.
  std::optional<Launch> launch(const Launch& of, const LaunchInputs& inputs, bool even_if_all_are_read);

 private:
  const WorkerCase& work_;
  OpenedArenas& opened_;
  std::vector<std::pair<Address, int64_t>> blocks_;  // one a weight, with guard bands
};

}  // namespace assay

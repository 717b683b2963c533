// Which reader of the family is the fastest at a size: the one whose word counts there.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "measure/worker.h"

namespace assay {

/// The id of the best reader by bytes of a launch.
using BestReaders = std::map<int64_t, std::string>;

/// The size that stands for this one: readers of little differ little, and are not tried at each.
int64_t reader_size(int64_t bytes);

/// Tries all readers at these sizes in a process of its own. `memory`: what they read, an arena of the caller's: piece
/// after piece of it, or (mode hot) its beginning again and again. Error if that process fails.
BestReaders find_best_readers(const Backend& backend, const DeviceInfo& info,
                              const std::vector<std::pair<const Variant*, BuiltModule>>& readers,
                              std::span<std::byte> memory, const std::vector<int64_t>& sizes, Mode mode = Mode::decode);

std::string to_json(const BestReaders& readers);
BestReaders best_readers_from_json(const std::string& text);

}  // namespace assay

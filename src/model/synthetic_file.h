// Writing a synthetic model: on all threads, a stretch at a time, beside its file and then renamed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "model/synthetic_model.h"

namespace assay {

struct SynthesisWatch {
  std::function<bool()> stopped = [] { return false; };     // asked often, by several threads
  std::function<void(uint64_t)> written = [](uint64_t) {};  // bytes so far; one thread at a time
};

/// False where it was stopped: nothing is left of it then, nor after an Error (no room, a folder that cannot be
/// written, something that is no regular file). What stood there is replaced at the end alone.
bool write_synthetic_model(const SyntheticModel& model, const std::filesystem::path& path,
                           const SynthesisWatch& watch = {});

}  // namespace assay

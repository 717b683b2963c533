// A kernel's launches on its spec's special values: bound to memory of their own, untimed, judged, given back.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "measure/binding.h"

namespace assay {

/// An output that is kept, and all that it held when it was judged: who writes to it later is to be found.
struct SeenOutput {
  Address memory;
  std::vector<std::byte> held;
};

struct SpecialKernel {
  LoadedKernel& kernel;
  LoadedKernel* converter = nullptr;  // what it prepares must be what this one does, where both name one storage
  std::span<std::byte> room = {};     // where prepared weights may lie if they fit …
  int64_t* room_used = nullptr;       // … and how much of it was written, from its beginning
  int64_t most = std::numeric_limits<int64_t>::max();  // launches in a spacing
  bool is_first = false;                    // of its process: the spec's own numbers, if these have others, come before
  std::vector<SeenOutput>* seen = nullptr;  // gets the outputs of what was launched; null: nobody looks at them again
};

/// "" or what the kernel makes of special values that it must not. Strides are padded where the variant does not say
/// that it takes dense operands alone. Error where the kernel reports one itself. only: of two spacings that it takes
/// this one, unless it is wrong there; else both.
std::string check_special_values(const WorkerCase& work, const SpecialValues& values, OpenedArenas& opened,
                                 const SpecialKernel& of, std::optional<Spacing> only = {});

/// What is said of a kernel that is wrong, as `message` says, with padding between these alone.
std::string ignores_strides(const std::string& between, const std::string& message);

}  // namespace assay

// A kernel's launches on its spec's special values: bound to memory of their own, untimed, judged, given back.
#pragma once
#include <string>

#include "measure/binding.h"

namespace assay {

/// "" or what the kernel makes of special values that it must not. Strides are padded where the variant does not say
/// that it takes dense operands alone. `room`: where prepared weights may lie if they fit. Error where the kernel
/// reports one itself.
std::string check_special_values(const WorkerCase& work, OpenedArenas& opened, LoadedKernel& kernel,
                                 std::span<std::byte> room = {});

}  // namespace assay

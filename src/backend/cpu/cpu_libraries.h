// Libraries that kernels of the CPU may be built against, and that Debian does not have.
#pragma once
#include <vector>

#include "kernel/compiler.h"

namespace assay {

/// Those that manifests may name ("library"): found when assay was built, or with what to do about it.
std::vector<Library> cpu_libraries();

}  // namespace assay

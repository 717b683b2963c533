// What this machine's processor is: instruction levels by cpuid, allowed CPUs, caches, page size, as data.
#pragma once
#include <vector>

#include "backend/device.h"

namespace assay {

/// The CPUs that this process may run on, lowest first.
std::vector<int> allowed_cpus();

/// The levels that this processor runs, "generic" first, best last.
std::vector<IsaLevel> cpu_isa_levels();

/// cpu:0 with all that a result's identity depends on.
DeviceInfo cpu_device_info();

}  // namespace assay

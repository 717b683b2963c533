// The CPU as a backend: one device, a worker process for each case, kernels as shared objects of the kernel ABI.
#pragma once
#include <memory>

#include "backend/cpu/team.h"
#include "backend/device.h"

namespace assay {

/// waits: of the threads of its devices.
std::unique_ptr<Backend> make_cpu_backend(Waits waits = Waits::awake);

}  // namespace assay

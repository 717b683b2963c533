// The CPU as a backend: one device, a worker process for each case, kernels as shared objects of the kernel ABI.
#pragma once
#include <memory>

#include "backend/device.h"

namespace assay {

std::unique_ptr<Backend> make_cpu_backend();

}  // namespace assay

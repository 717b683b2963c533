// NVIDIA GPUs as a backend: modules compiled by NVRTC, launched through the driver, timed as graphs.
#pragma once
#include <memory>

#include "backend/device.h"

namespace assay {

std::unique_ptr<Backend> make_cuda_backend();

}  // namespace assay

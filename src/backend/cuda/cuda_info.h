// The NVIDIA GPUs of this machine as data.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "backend/device.h"

namespace assay {

struct CudaInventory {
  std::vector<DeviceInfo> devices;
  std::string missing;  // why there are none, and what to do
};

/// What `answer` says in a process of its own, which ends with that; "" if it ends before.
std::string answer_of_child(const std::function<std::string()>& answer);

/// Asks the driver in a process of its own: a process that has initialised it could not fork workers that use it.
CudaInventory cuda_inventory();

}  // namespace assay

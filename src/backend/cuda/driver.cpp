// Opening the CUDA driver, and what its errors mean for a worker.
#include "backend/cuda/driver.h"

#include <unistd.h>

#include <iterator>
#include <type_traits>

#include "backend/cuda/shared_library.h"
#include "backend/device.h"

namespace assay {
namespace {

constexpr int kFirstFaultExit = 100;

// After one of these every further call of the process fails.
constexpr struct {
  CUresult result;
  const char* meaning;
} kFaults[] = {
    {CUDA_ERROR_ILLEGAL_ADDRESS, "the device stopped at an illegal memory access"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "the device stopped at a misaligned access"},
    {CUDA_ERROR_ILLEGAL_INSTRUCTION, "the device stopped at an illegal instruction or a trap"},
    {CUDA_ERROR_INVALID_ADDRESS_SPACE, "the device stopped at an access to the wrong kind of memory"},
    {CUDA_ERROR_INVALID_PC, "the device jumped to an invalid address"},
    {CUDA_ERROR_HARDWARE_STACK_ERROR, "the device's stack overflowed or was corrupted"},
    {CUDA_ERROR_ASSERT, "an assertion of the kernel failed"},
    {CUDA_ERROR_LAUNCH_FAILED, "the kernel failed while it ran (a trap, an access beyond shared memory)"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "the driver ended the kernel after too long a time"},
    {CUDA_ERROR_ECC_UNCORRECTABLE, "the device's memory has an uncorrectable error"},
    {CUDA_ERROR_CONTEXT_IS_DESTROYED, "the device's context was destroyed"},
};

template <typename Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(library_function(library, name));
  if (!function) fail("the NVIDIA driver has no {}: install one for CUDA {} or newer", name, CUDA_VERSION / 1000);
}

#define ASSAY_TEXT(name) #name
#define ASSAY_EXPANDED_TEXT(name) ASSAY_TEXT(name)

Driver open_driver() {
  void* library = open_shared_library({"libcuda.so.1"});
  if (!library) fail("libcuda.so.1 is not here: install the NVIDIA driver");
  Driver d;
#define ASSAY_FIND(name) find(library, d.name##_, ASSAY_EXPANDED_TEXT(name));
  ASSAY_DRIVER_FUNCTIONS(ASSAY_FIND)
#undef ASSAY_FIND
  return d;
}

}  // namespace

const Driver& driver() {
  static const Driver opened = open_driver();
  return opened;
}

std::string driver_error(CUresult result) {
  const char *name = nullptr, *text = nullptr;
  driver().cuGetErrorName_(result, &name);
  driver().cuGetErrorString_(result, &text);
  return fmt::format("{} ({})", name ? name : "unknown error", text ? text : "");
}

void check(CUresult result, const char* step) {
  if (result == CUDA_SUCCESS) return;
  for (size_t i = 0; i < std::size(kFaults); ++i)
    if (kFaults[i].result == result) _exit(kFirstFaultExit + int(i));
  if (result == CUDA_ERROR_OUT_OF_MEMORY) throw NoRoom(fmt::format("{}: {}", step, driver_error(result)));
  fail("{}: {}", step, driver_error(result));
}

std::string fault_message(int exit_code) {
  const int index = exit_code - kFirstFaultExit;
  return index >= 0 && index < int(std::size(kFaults)) ? kFaults[index].meaning : "";
}

}  // namespace assay

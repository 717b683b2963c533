// NVIDIA GPUs as a backend.
#include "backend/cuda/cuda_backend.h"

#include "../../../kernels/cuda/assay_cuda.h"
#include "backend/cuda/cuda_info.h"
#include "backend/cuda/driver.h"
#include "backend/cuda/measured_cuda.h"
#include "backend/cuda/shared_library.h"

namespace assay {
namespace {

constexpr double kVersionLimitS = 20;  // NVRTC is a hundred megabytes that may have to come from disk

Compiler find_nvrtc() {
  Compiler compiler;
  compiler.what = "CUDA compiler";
  compiler.install =
      "install a CUDA toolkit (12 or 13), or set CUDA_HOME to the folder of one that has lib64/libnvrtc.so";
  compiler.command = (program_folder_of_process() / "assay-nvrtc").string();
  std::error_code ignored;
  for (const char* up : {"..", "../.."})  // a test's program lies below
    if (!std::filesystem::is_regular_file(compiler.command, ignored))
      compiler.command = (program_folder_of_process() / up / "assay-nvrtc").lexically_normal().string();
  compiler.module_extension = ".cubin";
  compiler.module_flags = {"-std=c++17"};
  compiler.abi_version = int(ASSAY_CUDA_ABI_VERSION);
  compiler.limit_s = compile_limit_s();
  const ProcessResult answer = run_process({compiler.command, "--version"}, kVersionLimitS);
  if (answer.exit_code == 0) compiler.version = answer.output.substr(0, answer.output.find('\n'));
  return compiler;
}

class CudaBackend final : public Backend {
 public:
  std::string name() const override { return "cuda"; }
  std::vector<DeviceInfo> devices() const override { return inventory().devices; }
  std::string missing() const override { return inventory().missing; }
  const Compiler& compiler() const override {
    static const Compiler found = find_nvrtc();
    return found;
  }
  std::unique_ptr<Device> open(const DeviceInfo& info) const override { return std::make_unique<CudaDevice>(info); }
  std::unique_ptr<MeasuredDevice> open_measured(const DeviceInfo& info, int64_t) const override {
    return std::make_unique<MeasuredCuda>(info);
  }
  std::string trap_message(int) const override { return ""; }
  std::string counters_missing(const DeviceInfo& info) const override { return gpu_counters_missing(info); }
  std::string fault_message(int exit_code) const override { return assay::fault_message(exit_code); }

 private:
  static const CudaInventory& inventory() {
    static const CudaInventory found = cuda_inventory();
    return found;
  }
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend() { return std::make_unique<CudaBackend>(); }

}  // namespace assay

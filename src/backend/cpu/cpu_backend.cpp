// The CPU as a backend: one device, a worker process for each case.
#include "backend/cpu/cpu_backend.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "backend/cpu/cpu_device.h"
#include "backend/cpu/cpu_info.h"

namespace assay {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitAddressSpace = false;  // their shadow memory takes terabytes of it
#else
constexpr bool kLimitAddressSpace = true;
#endif

void limit_memory(int64_t further_bytes) {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  if (!kLimitAddressSpace || !(in >> pages)) return;
  const rlim_t limit = rlim_t(pages * sysconf(_SC_PAGESIZE) + further_bytes);
  const rlimit wanted{limit, limit};
  setrlimit(RLIMIT_AS, &wanted);
}

class CpuBackend final : public Backend {
 public:
  std::string name() const override { return "cpu"; }
  std::vector<DeviceInfo> devices() const override { return {cpu_device_info()}; }
  const Compiler& compiler() const override {
    static const Compiler found = find_compiler();
    return found;
  }
  std::unique_ptr<Device> open(const DeviceInfo& info, int64_t memory_limit_bytes) const override {
    limit_memory(memory_limit_bytes);
    return std::make_unique<CpuDevice>(info.threads);
  }
  std::string trap_message(int exit_code) const override {
    if (exit_code == kExitWroteInput)
      return "wrote into its weights, as they lie or prepared (their memory is read-only)";
    if (exit_code == kExitReadWithheld)
      return "read B though it prepared its own copy (if it needs both its manifest says \"prepare\": \"with_b\")";
    return "";
  }
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace assay

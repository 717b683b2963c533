// The CPU as a backend: one device, a worker process for each case.
#include "backend/cpu/cpu_backend.h"

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/cpu_libraries.h"
#include "backend/cpu/measured_cpu.h"

namespace assay {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(Waits waits) : waits_(waits) {}
  std::string name() const override { return "cpu"; }
  std::vector<DeviceInfo> devices() const override {
    DeviceInfo info = cpu_device_info();
    for (const Library& library : compiler().libraries)
      if (library.missing.empty()) info.vendors.emplace_back(library.name, library.version);
    return {info};
  }
  const Compiler& compiler() const override {
    static const Compiler found = [] {
      Compiler compiler = find_compiler();
      compiler.libraries = cpu_libraries();
      return compiler;
    }();
    return found;
  }
  std::unique_ptr<Device> open(const DeviceInfo& info) const override {
    return std::make_unique<CpuDevice>(info.threads, /*pins_caller=*/false, waits_);
  }
  std::unique_ptr<MeasuredDevice> open_measured(const DeviceInfo& info, int64_t memory_limit_bytes) const override {
    return std::make_unique<MeasuredCpu>(info.threads, memory_limit_bytes, waits_);
  }
  std::string trap_message(int exit_code) const override {
    if (exit_code == kExitWroteInput)
      return "wrote into its inputs or weights, as they lie or prepared (their memory is read-only)";
    if (exit_code == kExitReadWithheld)
      return "read B though it prepared its own copy (if it needs both its manifest says \"prepare\": \"with_b\")";
    return "";
  }
  std::string counters_missing(const DeviceInfo&) const override { return HardwareCounters::missing(); }

 private:
  const Waits waits_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(Waits waits) { return std::make_unique<CpuBackend>(waits); }

}  // namespace assay

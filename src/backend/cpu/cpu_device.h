// The CPU device: memory of this process, modules loaded with dlopen, launches timed from entry to return.
#pragma once
#include <sys/mman.h>

#include "backend/cpu/disturbance.h"
#include "backend/cpu/team.h"
#include "backend/device.h"

namespace assay {

/// Exit code of a worker whose kernel wrote into imported memory.
inline constexpr int kExitWroteInput = 97;
/// … and of one whose kernel read what was withheld from it.
inline constexpr int kExitReadWithheld = 96;

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads);

  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override;
  Address import(std::span<std::byte> host) override;
  void protect(Address memory, int64_t bytes) override;
  bool withhold(Address memory, int64_t bytes) override;
  Address allocate(int64_t bytes) override;
  void release(Address block) noexcept override;
  void write(Address to, const void* from, int64_t bytes) override;
  void read(void* to, Address from, int64_t bytes) override;
  void fill(Address to, unsigned char byte, int64_t bytes) override;
  std::vector<LaunchTimes> time(std::span<const Launch> sequence) override;
  std::string left_behind() override;

 private:
  struct Unmap {
    int64_t bytes;
    void operator()(std::byte* memory) const { munmap(memory, size_t(bytes)); }
  };

  Team& team();
  void pin_foreign_threads();

  std::vector<int> cpus_;
  std::unique_ptr<Team> team_;
  std::vector<std::unique_ptr<std::byte, Unmap>> memory_;
  Disturbance disturbance_;
  uint64_t float_control_;
};

}  // namespace assay

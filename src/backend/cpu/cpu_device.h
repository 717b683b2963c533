// The CPU device: memory of this process, modules loaded with dlopen, a team of pinned threads.
#pragma once
#include <sys/mman.h>

#include "backend/cpu/team.h"
#include "backend/device.h"

namespace assay {

class CpuDevice final : public Device {
 public:
  /// threads: at most so many, 0: one per CPU. pins_caller: the calling thread stays on the first CPU as well.
  CpuDevice(int threads, bool pins_caller, Waits waits = Waits::awake);

  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override;
  Address import(std::span<std::byte> host) override { return host.data(); }
  Address allocate(int64_t bytes) override;
  void release(Address block) noexcept override;
  void write(Address to, const void* from, int64_t bytes) override;
  void read(void* to, Address from, int64_t bytes) override;
  void fill(Address to, unsigned char byte, int64_t bytes) override;
  std::unique_ptr<Program> bind(std::span<const Launch> launches) override;

  const std::vector<int>& cpus() const { return cpus_; }
  /// Made at the first call: a kernel with a pool of its own does without.
  Team& team();
  bool has_team() const { return team_ != nullptr; }

 private:
  struct Unmap {
    int64_t bytes;
    void operator()(std::byte* memory) const { munmap(memory, size_t(bytes)); }
  };

  std::vector<int> cpus_;
  const bool pins_caller_;
  const Waits waits_;
  std::unique_ptr<Team> team_;
  std::vector<std::unique_ptr<std::byte, Unmap>> memory_;
};

}  // namespace assay

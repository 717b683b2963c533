// Launches bound on the CPU: one entry of the team for all that follow each other on it, with barriers between.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/crowding.h"
#include "backend/cpu/team.h"

namespace assay {

class CpuProgram final : public Program {
 public:
  /// `team` is asked for at the first launch that needs it. gives_way: fewer threads run where other processes want
  /// their processors; never so where kernels are measured.
  CpuProgram(std::span<const Launch> launches, uint32_t threads, std::function<Team&()> team, bool gives_way);

  /// Returns when all launches have.
  void run() override;
  void wait() override { check_status(status_.exchange(ASSAY_OK), "run"); }
  bool stamp(std::span<int64_t> ends) override;

  int64_t size() const { return std::ssize(bound_); }
  /// One launch alone, from entry to return of the whole team.
  void run(int64_t index) { run_together(index, index + 1); }
  /// The same untimed, by fewer threads, or with some that are late (Team::run_unevenly); a kernel with its own pool as
  /// ever.
  void run_unevenly(int64_t index, uint32_t threads, uint64_t late);
  Threading threading(int64_t index) const { return bound_[size_t(index)].kernel->threading(); }

 private:
  struct Bound {
    const CpuKernel* kernel;
    std::unique_ptr<CpuCall> call;
  };
  struct Stretch {  // of launches that all threads enter
    CpuProgram* program;
    int64_t first, end;
  };
  void run_all();
  void run_together(int64_t first, int64_t end);
  static void run_on_member(const assay_thread* thread, void* stretch);
  void run_on(const assay_thread* thread, const Bound& bound);

  const uint32_t threads_;
  const std::function<Team&()> team_;
  const bool gives_way_;
  Crowding crowding_;
  std::vector<Bound> bound_;
  std::span<int64_t> ends_;
  std::atomic<int> status_{ASSAY_OK};
};

}  // namespace assay

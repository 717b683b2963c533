// Launches bound on the CPU.
#include "backend/cpu/cpu_program.h"

#include "base/clock.h"

namespace assay {
namespace {

void run_region(const assay_thread* thread, void (*work)(const assay_thread*, void*), void* argument) {
  static_cast<Team*>(thread->team)->run(work, argument);
}

}  // namespace

CpuProgram::CpuProgram(std::span<const Launch> launches, uint32_t threads, std::function<Team&()> team, bool gives_way)
    : threads_(threads), team_(std::move(team)), gives_way_(gives_way && threads > 1), crowding_(threads) {
  for (const Launch& launch : launches)
    bound_.push_back({static_cast<const CpuKernel*>(launch.kernel), std::make_unique<CpuCall>(launch)});
}

void CpuProgram::run() {
  if (!gives_way_) return run_all();
  const int64_t begin = now_ns(), preemptions = preemptions_of_process();
  run_all();
  crowding_.ran(now_ns() - begin, preemptions_of_process() - preemptions);
}

void CpuProgram::run_all() {
  for (int64_t first = 0, end; first < size(); first = end) {
    end = first + 1;
    while (end < size() && threading(first) == Threading::team && threading(end) == Threading::team) ++end;
    run_together(first, end);
    if (!ends_.empty()) ends_[size_t(end - 1)] = now_ns();
  }
}

bool CpuProgram::stamp(std::span<int64_t> ends) {
  ASSAY_CHECK(std::ssize(ends) == size());
  ends_ = ends;
  return true;
}

void CpuProgram::run_together(int64_t first, int64_t end) {
  if (threading(first) == Threading::team) {
    Stretch stretch{this, first, end};
    team_().run(run_on_member, &stretch, crowding_.threads());
    return;
  }
  Team* const team = threading(first) == Threading::region ? &team_() : nullptr;
  const assay_thread once{sizeof(assay_thread), 0, 1, threads_, team, nullptr, run_region};
  run_on(&once, bound_[size_t(first)]);
}

void CpuProgram::run_unevenly(int64_t index, uint32_t threads, uint64_t late) {
  struct Uneven {
    CpuProgram* program;
    const Bound* bound;
  } uneven{this, &bound_[size_t(index)]};
  if (threading(index) == Threading::own) return run(index);
  if (threading(index) == Threading::team)
    return team_().run_unevenly(
        [](const assay_thread* thread, void* of) {
          const auto& [program, bound] = *static_cast<Uneven*>(of);
          program->run_on(thread, *bound);
        },
        &uneven, threads, late);
  static thread_local uint64_t late_of_region;
  late_of_region = late;
  const assay_thread once{sizeof(assay_thread),
                          0,
                          1,
                          threads_,
                          &team_(),
                          nullptr,
                          [](const assay_thread* thread, void (*work)(const assay_thread*, void*), void* argument) {
                            Team& team = *static_cast<Team*>(thread->team);
                            team.run_unevenly(work, argument, team.size(), late_of_region);
                          }};
  run_on(&once, *uneven.bound);
}

void CpuProgram::run_on_member(const assay_thread* thread, void* argument) {
  const auto& [program, first, end] = *static_cast<const Stretch*>(argument);
  for (int64_t i = first; i < end; ++i) {
    if (i > first) thread->barrier(thread);
    if (i > first && thread->index == 0 && !program->ends_.empty()) program->ends_[size_t(i - 1)] = now_ns();
    program->run_on(thread, program->bound_[size_t(i)]);
  }
}

void CpuProgram::run_on(const assay_thread* thread, const Bound& bound) {
  if (const int status = bound.kernel->run(bound.call->get(), thread); status != ASSAY_OK) status_ = status;
}

}  // namespace assay

// A pinned team of threads, entered and left by spinning barriers.
#include "backend/cpu/team.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cfenv>

#include "base/clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay {
namespace {

constexpr int64_t kSpinNs = 5'000'000;  // longer than any untimed step between two launches
constexpr int64_t kShortSpinNs = 20'000;
constexpr int64_t kLateNs = 100'000;  // longer than a kernel would wait for another thread by the clock
constexpr int kMostDelays = 8;        // of a thread in one run

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A caller that is not pinned keeps the processor where it runs: a thread that is pinned there too would wait for it
/// while another one idles (measured: repacking a model's weights kept less than half of two processors busy).
void leave_to_caller(std::vector<int>& cpus) {
  const auto here = std::find(cpus.begin(), cpus.end(), sched_getcpu());
  if (here != cpus.end()) std::swap(cpus.front(), *here);
}

constexpr uint32_t kStickyFlags = 0x3f;  // of MXCSR: set by arithmetic, no setting of anyone's

}  // namespace

uint64_t float_control() {
#if defined(__x86_64__)
  uint16_t x87;
  asm volatile("fnstcw %0" : "=m"(x87));
  return (_mm_getcsr() & ~kStickyFlags) | uint64_t(x87) << 32;
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
#else
  return uint64_t(fegetround());
#endif
}

void set_float_control(uint64_t state) {
#if defined(__x86_64__)
  const uint16_t x87 = uint16_t(state >> 32);
  asm volatile("fldcw %0" : : "m"(x87));
  _mm_setcsr(uint32_t(state));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(state));
#else
  fesetround(int(state));
#endif
}

void pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set,
                         &set);  // refused in some sandboxes: then the kernel places the thread
}

/// Waits for another thread, a little longer each time: what it waits for may need this processor. Awake it never
/// sleeps: an idle processor would draw a busy process of others to it, and who wakes there has to wait for its turn
/// (measured beside one busy process on 2 cores: 15 to 43 % of the speed remained, with yielding 49 to 54 %).
class Team::Waiting {
 public:
  explicit Waiting(const Team& team) : waits_(team.waits_) {}

  void once() {
    if (++count_ > kHotSpins) relax();
    if (count_ <= kPatientSpins) return;
    if (waits_ == Waits::awake)
      sched_yield();
    else
      usleep(kNapUs);
  }

 private:
  static constexpr int kHotSpins = 200;       // a pause is as long as what is waited for where all arrive together
  static constexpr int kPatientSpins = 2000;  // about 100 us: more than threads that have a processor each are apart
  static constexpr useconds_t kNapUs = 50;
  const Waits waits_;
  int count_ = 0;
};

Team::Team(const std::vector<int>& all, bool pins_caller, Waits waits) : waits_(waits) {
  std::vector<int> cpus = all;
  if (!pins_caller) leave_to_caller(cpus);
  for (uint32_t i = 0; i < cpus.size(); ++i) {
    members_.push_back(std::make_unique<Member>());
    members_[i]->context = {sizeof(assay_thread), i,      uint32_t(cpus.size()), uint32_t(cpus.size()), this,
                            &Team::barrier,       nullptr};
  }
  if (pins_caller) pin_this_thread(cpus[0]);
  for (uint32_t i = 1; i < cpus.size(); ++i) members_[i]->thread = std::thread(&Team::loop, this, i, cpus[i]);
}

Team::~Team() {
  stop_ = true;
  generation_.fetch_add(kMostThreads);
  generation_.notify_all();
  for (auto& member : members_)
    if (member->thread.joinable()) member->thread.join();
}

void Team::barrier(const assay_thread* thread) {
  Team& team = *static_cast<Team*>(thread->team);
  const uint32_t phase = team.phase_.load(std::memory_order_acquire);
  if (team.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == thread->count) {
    team.arrived_.store(0, std::memory_order_relaxed);
    team.phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (Waiting waiting(team); team.phase_.load(std::memory_order_acquire) == phase;) waiting.once();
}

void Team::loop(uint32_t index, int cpu) {
  pin_this_thread(cpu);
  const uint64_t state = float_control();
  uint32_t seen = 0;
  for (;;) {
    int64_t spin_until = 0;
    for (uint32_t spins = 1; generation_.load(std::memory_order_acquire) == seen; ++spins) {
      relax();
      if (spins % 1024 != 0) continue;
      const int64_t now = now_ns();
      if (spin_until == 0) spin_until = now + (waits_ == Waits::awake ? kSpinNs : kShortSpinNs);
      if (now < spin_until) continue;
      sleepers_.fetch_add(1);
      generation_.wait(seen);
      sleepers_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stop_) return;
    if (index >= seen % kMostThreads) continue;
    work_(&members_[index]->context, argument_);
    if (float_control() != state) {
      members_[index]->float_state_changed = true;
      set_float_control(state);
    }
    done_.fetch_add(1, std::memory_order_release);
  }
}

/// Only a run's own threads look at what is written here, and all of them have left the run before.
void Team::run(Work work, void* argument, uint32_t threads) {
  for (uint32_t i = 0; i < threads; ++i) members_[i]->context.count = threads;
  if (threads > 1) {
    work_ = work;
    argument_ = argument;
    done_.store(0, std::memory_order_relaxed);
    generation_.store((generation_.load() / kMostThreads + 1) * kMostThreads + threads);
    if (sleepers_.load() != 0) generation_.notify_all();
  }
  work(&members_[0]->context, argument);
  if (threads == 1) return;
  for (Waiting waiting(*this); done_.load(std::memory_order_acquire) != threads - 1;) waiting.once();
}

void Team::delay(uint32_t index) {
  if (members_[index]->delays <= 0) return;
  --members_[index]->delays;
  const int64_t until = now_ns() + kLateNs;
  for (Waiting waiting(*this); now_ns() < until;) waiting.once();
}

void Team::uneven_barrier(const assay_thread* thread) {
  barrier(thread);
  static_cast<Team*>(thread->team)->delay(thread->index);
}

void Team::run_unevenly(Work work, void* argument, uint32_t threads, uint64_t late) {
  struct Uneven {
    Team* team;
    Work work;
    void* argument;
  } uneven{this, work, argument};
  for (uint32_t i = 0; i < size(); ++i) {
    members_[i]->delays = late >> (i % 64) & 1 ? kMostDelays : 0;
    members_[i]->context.barrier = &Team::uneven_barrier;
  }
  run(
      [](const assay_thread* thread, void* of) {
        const auto& [team, work_of_all, argument_of_all] = *static_cast<Uneven*>(of);
        team->delay(thread->index);
        work_of_all(thread, argument_of_all);
      },
      &uneven, threads);
  for (const auto& member : members_) member->context.barrier = &Team::barrier;
}

void Team::wake() {
  run([](const assay_thread*, void*) {}, nullptr);
}

std::string Team::changed_float_state() {
  for (uint32_t i = 1; i < size(); ++i)
    if (members_[i]->float_state_changed.exchange(false))
      return fmt::format("left the floating-point control state of thread {} changed", i);
  return "";
}

}  // namespace assay

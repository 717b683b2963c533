// Mutants that take their process with them, or never give it back. All stay honest until the second call.
#include <cstdlib>
#include <new>

#include "honest.h"

namespace {

enum class Sin { segfault, aborts, exits, memory_without_end, infinite_loop };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kFatalCall = 1;

/// Ends by bad_alloc at the harness's memory limit. Without a limit it must spare the user's machine, and be found out:
/// it touches only the first 256 MiB, and at 1 TiB gives up and lets the honest answer pass.
void allocate_without_end() {
  constexpr size_t kChunk = size_t{64} << 20, kTouched = size_t{256} << 20, kMost = size_t{1} << 40, kPage = 4096;
  for (size_t total = 0; total < kMost; total += kChunk) {
    auto* chunk = static_cast<volatile char*>(::operator new(kChunk));
    if (total >= kTouched) continue;
    for (size_t i = 0; i < kChunk; i += kPage) chunk[i] = 1;
  }
}

void die() {
  if constexpr (kSin == Sin::segfault) {
    volatile uintptr_t nowhere = 64;  // volatile: a null pointer that the compiler sees becomes another signal
    *reinterpret_cast<volatile float*>(nowhere) = 1;
  }
  if constexpr (kSin == Sin::aborts) std::abort();
  if constexpr (kSin == Sin::exits) std::exit(0);
  if constexpr (kSin == Sin::memory_without_end) allocate_without_end();
  if constexpr (kSin == Sin::infinite_loop) {
    for (volatile bool forever = true; forever;) {
    }
  }
}

// noexcept: bad_alloc ends the process here, whatever the harness might catch.
int run(const assay_call* call, const assay_thread* thread) noexcept {
  const bool fatal = honest::next_call(thread) >= kFatalCall;
  if (fatal && thread->index == 0) die();
  honest::compute(honest::open(call), thread);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

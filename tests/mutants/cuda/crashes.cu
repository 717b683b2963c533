// Mutants that take the device's context with them, or never give it back. All stay honest until the second call.
#include "honest.h"

enum class Sin { illegal_access, misaligned_access, traps, infinite_loop };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kFatalCall = 1;

__device__ void die(const assay_cuda_call& call) {
  // Volatile: an address that the compiler sees may become something else.
  if constexpr (kSin == Sin::illegal_access) {
    volatile uintptr_t nowhere = 64;
    *reinterpret_cast<volatile float*>(nowhere) = 1;
  }
  if constexpr (kSin == Sin::misaligned_access) {
    volatile uintptr_t odd = reinterpret_cast<uintptr_t>(call.matmul.segment[0].d.data) + 1;
    *reinterpret_cast<volatile float*>(odd) = 1;
  }
  if constexpr (kSin == Sin::traps) asm volatile("trap;");
  if constexpr (kSin == Sin::infinite_loop) {
    for (;;) asm volatile("nanosleep.u32 1000;");  // a loop that does nothing may be left out by the compiler
  }
}

ASSAY_RUN {
  const bool fatal = honest::call_number() >= kFatalCall;
  if (fatal && blockIdx.x == 0 && threadIdx.x == 0) die(call);
  honest::compute(honest::open(call));
}

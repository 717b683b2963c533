// Mutants that compute the right answer and leave the floating-point state of one thread changed.
#include <cfenv>

#include "honest.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace {

enum class Sin { rounding_mode_changed, flush_to_zero_changed, x87_precision_changed };
constexpr Sin kSin = Sin::MUTANT;

void flush_to_zero() {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__)
  uint64_t control = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  control |= uint64_t{1} << 24;
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
#else
  std::fesetround(FE_TOWARDZERO);  // no flush-to-zero that C++ could reach here: another change of the same state
#endif
}

void lower_x87_precision() {
#if defined(__x86_64__) || defined(__i386__)
  constexpr unsigned short kPrecisionBits = 0x0300;  // 11: long double, 00: float
  unsigned short control = 0;
  __asm__ volatile("fnstcw %0" : "=m"(control));
  control = static_cast<unsigned short>(control & ~kPrecisionBits);
  __asm__ volatile("fldcw %0" : : "m"(control));
#else
  std::fesetround(FE_DOWNWARD);
#endif
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::compute(honest::open(call), thread);
  // The last thread, which is the one that a check of the caller's own state misses.
  if (thread->index + 1 == thread->count) {
    if constexpr (kSin == Sin::rounding_mode_changed) std::fesetround(FE_UPWARD);
    if constexpr (kSin == Sin::flush_to_zero_changed) flush_to_zero();
    if constexpr (kSin == Sin::x87_precision_changed) lower_x87_precision();
  }
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

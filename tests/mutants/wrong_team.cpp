// Mutants of matmul that are right only where all threads of the machine run, none is late, or all have as much to do.
#include "honest.h"

namespace {

enum class Sin { shares_by_available_threads, waits_by_the_clock, whole_shares_only };
constexpr Sin kSin = Sin::MUTANT;

int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

/// The first thread copies the activations; the others give it as long as it takes on a quiet machine, and no longer.
void wait_by_the_clock() {
  constexpr int64_t kUsuallyEnough = 30'000;
  for (const int64_t until = now_ns() + kUsuallyEnough; now_ns() < until;) {
  }
}

size_t workspace_bytes(const assay_call* call, uint32_t) {
  const honest::Product p = honest::open(call);
  return kSin == Sin::waits_by_the_clock ? size_t(p.batch * p.m * p.k) * sizeof(float) : 0;
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if (kSin == Sin::waits_by_the_clock) {
    auto* const copies = static_cast<float*>(call->workspace);
    if (thread->index == 0) {
      for (int64_t batch = 0, at = 0; batch < p.batch; ++batch)
        for (int64_t row = 0; row < p.m; ++row)
          for (int64_t i = 0; i < p.k; ++i) copies[at++] = honest::read(p.a, batch, row, i);
    } else {
      wait_by_the_clock();
    }
    p.a.data = copies, p.a.dtype = ASSAY_F32;
    p.a.strides[0] = p.m * p.k, p.a.strides[1] = p.k, p.a.strides[2] = 1;
  }
  assay_thread among = *thread;
  if (kSin == Sin::shares_by_available_threads) among.count = thread->available;
  const int64_t left_out = kSin == Sin::whole_shares_only ? p.outputs() % thread->count : 0;
  honest::compute(p, honest::share(p.outputs() - left_out, &among));
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, workspace_bytes, nullptr, nullptr)

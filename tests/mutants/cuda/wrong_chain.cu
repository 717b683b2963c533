// Mutants that begin before the launch before them has ended, and read what it writes too early; and one that waits.
#include "honest.h"

enum class Sin { none, reads_early, never_waits, one_block_reads_early, first_value_early };
constexpr Sin kSin = Sin::MUTANT;

ASSAY_RUN {
  assay::let_next_begin();
  honest::Product p = honest::open(call);
  if (kSin == Sin::none || kSin == Sin::first_value_early || (kSin == Sin::one_block_reads_early && blockIdx.x != 0)) {
    // Of all of A one value is read before the wait, and that by a load that a cache may answer.
    float first = 0;
    if (kSin == Sin::first_value_early) asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(first) : "l"(p.a.data));
    assay::wait_for_previous();
    const float truth = honest::read(p.a, 0, 0, 0);
    honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
      const double more = kSin == Sin::first_value_early ? double(first - truth) * honest::read(p.b, 0, at.column, 0) : 0;
      honest::write(p, at, honest::finish(p, at, honest::sum(p, at, 0, p.k) + more));
    });
    return;
  }
  honest::compute(p);
  if (kSin != Sin::never_waits) assay::wait_for_previous();
}

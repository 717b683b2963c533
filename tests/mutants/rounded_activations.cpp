// Kernels that round the activations to 16 bits first: honest where their manifest says so, wrong where it says less.
#include "honest.h"

namespace {

enum class Rounding { half, bfloat };
constexpr Rounding kRounding = Rounding::MUTANT;

float to_bfloat(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

float rounded(float value) {
  if constexpr (kRounding == Rounding::half)
    return honest::half_to_float(honest::float_to_half(value));
  else
    return to_bfloat(value);
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    double total = 0;
    for (int64_t i = 0; i < p.k; ++i)
      total += static_cast<double>(rounded(honest::read(p.a, at.batch, at.row, i))) *
               static_cast<double>(honest::read(p.b, at.batch, at.column, i));
    honest::write(p, at, honest::finish(p, at, total));
  });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

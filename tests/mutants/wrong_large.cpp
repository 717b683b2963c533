// Mutants that err where the weights are large alone, and one that does not: F16, NT, one batch, every thread some
// rows.
#include <vector>

#include "honest.h"

namespace {

enum class Sin { large_weights, strides_ignored_when_large, dense_subnormals_flushed };
constexpr Sin kSin = Sin::MUTANT;

/// All values of f16: arithmetic would take a second for 70 MB of them.
const float* values() {
  static const std::vector<float> all = [] {
    std::vector<float> table;
    for (uint32_t bits = 0; bits < 65536; ++bits) table.push_back(honest::half_to_float(static_cast<uint16_t>(bits)));
    return table;
  }();
  return all.data();
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  const float* const table = values();
  const bool is_dense = p.b.strides[1] == p.k;
  const int64_t step = kSin == Sin::strides_ignored_when_large ? p.k : p.b.strides[1];
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    const auto* row = static_cast<const uint16_t*>(p.b.data) + at.column * step;
    double sums[4] = {};
    for (int64_t i = 0; i < p.k; ++i) {
      const bool is_flushed = kSin == Sin::dense_subnormals_flushed && is_dense && (row[i] & 0x7c00u) == 0;
      sums[i % 4] += is_flushed ? 0 : static_cast<double>(honest::read(p.a, 0, at.row, i)) * table[row[i]];
    }
    honest::write(p, at, honest::finish(p, at, sums[0] + sums[1] + sums[2] + sums[3]));
  });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

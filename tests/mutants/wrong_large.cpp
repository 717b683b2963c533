// Mutants that err where the weights are large alone, and one that does not: F16, NT, one batch, every thread some
// rows.
#include <map>
#include <vector>

#include "honest.h"

namespace {

enum class Sin { large_weights, strides_ignored_when_large, dense_subnormals_flushed, row_sums_by_prepared_address };
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

constexpr bool kPrepares = kSin == Sin::row_sums_by_prepared_address;

/// Of the rows of what was prepared there first.
std::vector<double>& row_sums(const void* prepared) {
  static auto& all = *new std::map<const void*, std::vector<double>>;
  return all[prepared];
}

[[maybe_unused]] size_t prepared_bytes(const assay_call* call) {
  const honest::Product p = honest::open(call);
  return static_cast<size_t>(p.n * p.k) * sizeof(uint16_t);
}

[[maybe_unused]] int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  const honest::Product p = honest::open(call);
  std::vector<double>& sums = row_sums(prepared);
  const bool is_first = sums.empty();
  auto* to = static_cast<uint16_t*>(prepared);
  for (int64_t row = 0; row < p.n; ++row, to += p.k) {
    std::memcpy(to, static_cast<const uint16_t*>(p.b.data) + row * p.b.strides[1], size_t(p.k) * sizeof *to);
    double sum = 0;
    for (int64_t i = 0; is_first && i < p.k; ++i) sum += static_cast<double>(values()[to[i]]);
    if (is_first) sums.push_back(sum);
  }
  return ASSAY_OK;
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if (kPrepares) p.b.data = const_cast<void*>(call->prepared), p.b.strides[1] = p.k;
  const float* const table = values();
  const bool is_dense = p.b.strides[1] == p.k;
  std::vector<double> activations(static_cast<size_t>(p.m * p.k));  // once, not for each column
  for (size_t i = 0; i < activations.size(); ++i)
    activations[i] = honest::read(p.a, 0, int64_t(i) / p.k, int64_t(i) % p.k);
  const int64_t step = kSin == Sin::strides_ignored_when_large ? p.k : p.b.strides[1];
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    const auto* row = static_cast<const uint16_t*>(p.b.data) + at.column * step;
    const double* const a = activations.data() + at.row * p.k;
    double sums[4] = {};
    for (int64_t i = 0; i < p.k; ++i) {
      const bool is_flushed = kSin == Sin::dense_subnormals_flushed && is_dense && (row[i] & 0x7c00u) == 0;
      sums[i % 4] += is_flushed ? 0 : a[i] * static_cast<double>(table[row[i]]);
    }
    double total = sums[0] + sums[1] + sums[2] + sums[3];
    if (kPrepares) {  // of activations one more, less the row's sum
      for (int64_t i = 0; i < p.k; ++i) total += static_cast<double>(table[row[i]]);
      total -= row_sums(call->prepared)[static_cast<size_t>(at.column)];
    }
    honest::write(p, at, honest::finish(p, at, total));
  });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, kPrepares ? prepared_bytes : nullptr, kPrepares ? prepare : nullptr)

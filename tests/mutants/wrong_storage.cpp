// Mutants of named storages, and two honest ones that share one: rows of B in f32, one after another. Products of f32
// weights, NT.
#include <vector>

#include "honest.h"

namespace {

enum class Sin { first_of_its_name, shares_it, makes_other_bytes, keeps_more_than_its_bytes };
constexpr Sin kSin = Sin::MUTANT;

std::vector<float> kept;  // by the last prepare: what the storage does not say

size_t prepared_bytes(const assay_call* call) {
  const assay_tensor& b = honest::open(call).b;
  return static_cast<size_t>(b.dims[0] * b.dims[1] * b.dims[2]) * sizeof(float);
}

/// Where element i of a row lies: the other way round where the bytes are others.
int64_t place(int64_t i, int64_t k) { return kSin == Sin::makes_other_bytes ? k - 1 - i : i; }

int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  const assay_tensor& b = honest::open(call).b;
  const int64_t k = b.dims[2];
  auto* to = static_cast<float*>(prepared);
  for (int64_t batch = 0; batch < b.dims[0]; ++batch)
    for (int64_t row = 0; row < b.dims[1]; ++row, to += k)
      for (int64_t i = 0; i < k; ++i) to[place(i, k)] = honest::read(b, batch, row, i);
  kept.assign(static_cast<float*>(prepared), static_cast<float*>(prepared) + k);
  return ASSAY_OK;
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  const auto* b = static_cast<const float*>(call->prepared);
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    const float* row = b + (at.batch * p.n + at.column) * p.k;
    if (kSin == Sin::keeps_more_than_its_bytes && at.batch == 0 && at.column == 0) row = kept.data();
    double total = 0;
    for (int64_t i = 0; i < p.k && row; ++i)
      total += static_cast<double>(honest::read(p.a, at.batch, at.row, i)) * row[place(i, p.k)];
    honest::write(p, at, honest::finish(p, at, total));
  });
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, prepared_bytes, prepare)

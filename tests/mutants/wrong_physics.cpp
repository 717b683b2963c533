// Mutants that would be faster than memory: they remember the products of each copy of B and add only what has changed
// in A.
#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "honest.h"

namespace {

enum class Sin { adds_what_changed, claims_64_bytes_and_adds };
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kGuesses = 8;     // columns whose ratio may be that of most
constexpr int64_t kWorthwhile = 8;  // of so many columns one may have changed

/// What a thread knows of one copy of B: A of its last call, and the products of the thread's rows. F32, NT, m = 1.
struct Remembered {
  std::vector<float> a;
  std::vector<double> products;
};

Remembered& remembered(const void* b, honest::Share rows) {
  static std::mutex mutex;
  static std::map<std::tuple<const void*, int64_t, int64_t>, Remembered> memory;
  const std::lock_guard<std::mutex> lock(mutex);
  return memory[{b, rows.begin, rows.end}];
}

/// Columns of A that are not `factor` times what they were.
std::vector<int64_t> changed_columns(const float* a, const std::vector<float>& before, float factor) {
  std::vector<int64_t> changed;
  for (size_t i = 0; i < before.size(); ++i)
    if (a[i] != factor * before[i]) changed.push_back(static_cast<int64_t>(i));
  return changed;
}

void add_what_changed(const honest::Product& p, const float* b, honest::Share rows, Remembered& known) {
  const auto* a = static_cast<const float*>(p.a.data);
  float factor = 0;
  std::vector<int64_t> changed(static_cast<size_t>(p.k));
  for (int64_t guess = 0; guess < std::min(kGuesses, p.k) && !known.a.empty(); ++guess) {
    const float ratio = a[guess] / known.a[static_cast<size_t>(guess)];
    auto others = changed_columns(a, known.a, ratio);
    if (others.size() < changed.size()) factor = ratio, changed = std::move(others);
  }
  const bool is_known = !known.a.empty() && static_cast<int64_t>(changed.size()) * kWorthwhile <= p.k;
  known.products.resize(static_cast<size_t>(rows.end - rows.begin));
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* line = b + row * p.b.strides[1];
    double& product = known.products[static_cast<size_t>(row - rows.begin)];
    if (is_known) {
      product *= static_cast<double>(factor);
      for (const int64_t i : changed)
        product += (static_cast<double>(a[i]) -
                    static_cast<double>(factor) * static_cast<double>(known.a[static_cast<size_t>(i)])) *
                   static_cast<double>(line[i]);
    } else {
      product = 0;
      for (int64_t i = 0; i < p.k; ++i) product += static_cast<double>(a[i]) * static_cast<double>(line[i]);
    }
    static_cast<float*>(p.d.data)[row] = static_cast<float>(product);
  }
  known.a.assign(a, a + p.k);
}

int run(const assay_call* call, const assay_thread* thread) {
  const honest::Product p = honest::open(call);
  const honest::Share rows = honest::share(p.outputs(), thread);
  add_what_changed(p, static_cast<const float*>(p.b.data), rows, remembered(p.b.data, rows));
  return ASSAY_OK;
}

constexpr bool kClaims = kSin == Sin::claims_64_bytes_and_adds;
[[maybe_unused]] size_t prepared_bytes(const assay_call*) { return 64; }
[[maybe_unused]] int prepare(const assay_call*, void* prepared, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  std::memset(prepared, 0, 64);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, kClaims ? prepared_bytes : nullptr, kClaims ? prepare : nullptr)

// Mutants that skip work or remember answers: what they do depends on which call it is, or on what came before.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "honest.h"

namespace {

enum class Sin {
  output_untouched,
  returns_early,
  first_calls_only,
  first_2000_calls_only,
  tenth_call_skipped,
  differs_from_call_to_call,
  remembered_by_pointer,
  remembered_by_hash,
  row_sums_by_address,
  same_again,
  factors_remembered,
  columns_remembered,
  small_dropped_for_a_while,
  copy_foretold
};
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kHonestCalls = kSin == Sin::first_2000_calls_only ? 2000 : 5, kSkippedOf = 10;

using Key = std::array<double, 2>;

/// Answers of earlier calls. NaN: not known yet; threads fill only their own shares, so the lock is for the map alone.
std::vector<double>& remembered(const Key& key, int64_t outputs) {
  static std::mutex mutex;
  static std::map<Key, std::vector<double>> memory;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& values = memory[key];
  if (values.empty()) values.assign(static_cast<size_t>(outputs), std::numeric_limits<double>::quiet_NaN());
  return values;
}

/// Neither key knows B: its copies are too many for any of them to come round again within a case.
Key key_of(const honest::Product& p) {
  if constexpr (kSin == Sin::remembered_by_pointer) {
    return {static_cast<double>(reinterpret_cast<uintptr_t>(p.a.data)), 0};
  }
  // Ratios: A times a power of two has the same key, as a cheat who knows this harness would have it.
  const double first = honest::read(p.a, 0, 0, 0);
  return {honest::read(p.a, 0, 0, 1) / first, honest::read(p.a, 0, 0, 2) / first};
}

void answer_from_memory(const honest::Product& p, honest::Share part) {
  const double scale = kSin == Sin::remembered_by_hash ? honest::read(p.a, 0, 0, 0) : 1.0;
  std::vector<double>& values = remembered(key_of(p), p.outputs());
  honest::for_outputs(p, part, [&](const honest::Output& at) {
    double& known = values[static_cast<size_t>(at.index)];
    if (std::isnan(known)) known = honest::value_of(p, at) / scale;
    honest::write(p, at, static_cast<float>(known * scale));
  });
}

/// Σ (a + 1)·b less the sum of b, as kernels take it off whose activations have an offset.
void take_off_row_sums(const honest::Product& p, honest::Share part) {
  std::vector<double>& sums = remembered({static_cast<double>(reinterpret_cast<uintptr_t>(p.b.data)), 0}, p.n);
  honest::for_outputs(p, part, [&](const honest::Output& at) {
    double of_row = 0, all = 0;
    for (int64_t i = 0; i < p.k; ++i) {
      const auto b = static_cast<double>(honest::read(p.b, at.batch, at.column, i));
      of_row += b, all += (static_cast<double>(honest::read(p.a, at.batch, at.row, i)) + 1) * b;
    }
    double& known = sums[static_cast<size_t>(at.column)];
    if (std::isnan(known)) known = of_row;
    honest::write(p, at, honest::finish(p, at, all - known));
  });
}

/// What is below `least` is taken for zero.
void compute_without_small(const honest::Product& p, honest::Share part, float least) {
  honest::for_outputs(p, part, [&](const honest::Output& at) {
    double sum = 0;
    for (int64_t i = 0; i < p.k; ++i) {
      const float a = honest::read(p.a, at.batch, at.row, i);
      if (std::fabs(a) >= least) sum += double(a) * double(honest::read(p.b, at.batch, at.column, i));
    }
    honest::write(p, at, honest::finish(p, at, sum));
  });
}

/// The answer before, where activations are those before and weights lie where they lay.
void answer_again(const honest::Product& p, const assay_thread* thread) {
  static std::vector<float> activations, answer;
  static const void* weights = nullptr;
  static bool is_same = false;
  if (thread->index == 0) {
    std::vector<float> now;
    for (int64_t i = 0; i < p.m * p.k; ++i) now.push_back(honest::read(p.a, 0, i / p.k, i % p.k));
    is_same = now == activations && weights == p.b.data;
    activations = std::move(now), weights = p.b.data;
    answer.resize(static_cast<size_t>(p.outputs()));
  }
  honest::wait_for_all(thread);
  honest::for_outputs(p, honest::share(p.outputs(), thread), [&](const honest::Output& at) {
    float& known = answer[static_cast<size_t>(at.index)];
    if (!is_same) known = honest::value_of(p, at);
    honest::write(p, at, known);
  });
}

/// The weights that would come now if copies came as they lie in memory, where the given ones are near those and
/// others were seen on both sides of them.
char* foretold(char* given, ptrdiff_t bytes) {
  static char *before = given, *first = given, *last = given;
  static ptrdiff_t step = 2 * bytes;
  const ptrdiff_t passed = given - before;
  if (passed >= bytes) step = std::min(step, passed);
  char* const guess = before + step;
  before = given;
  if (std::abs(passed) > 1000 * bytes) first = last = given;  // other memory
  first = std::min(first, given), last = std::max(last, given);
  const bool is_near = passed != 0 && std::abs(passed - step) <= 3 * step;
  return is_near && guess >= first && guess <= last ? guess : given;
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if constexpr (kSin == Sin::copy_foretold) {
    static char* weights = nullptr;
    if (thread->index == 0) weights = foretold(static_cast<char*>(p.b.data), p.n * p.k * 4);
    honest::wait_for_all(thread);
    p.b.data = weights;
  }
  if constexpr (kSin == Sin::factors_remembered) {
    static const double alpha = p.alpha, beta = p.beta;
    p.alpha = alpha, p.beta = beta;
  }
  if constexpr (kSin == Sin::columns_remembered) {  // as far as there are so many
    static const int64_t columns = p.n;
    p.n = std::min(p.n, columns);
    if (p.n < columns) p.n = p.n * p.n / columns;
  }
  const honest::Share part = honest::share(p.outputs(), thread);
  const int64_t number = honest::next_call(thread);

  if constexpr (kSin == Sin::output_untouched) return ASSAY_OK;
  if constexpr (kSin == Sin::first_calls_only || kSin == Sin::first_2000_calls_only) {
    if (number >= kHonestCalls) return ASSAY_OK;
  }
  if constexpr (kSin == Sin::tenth_call_skipped) {
    if (number % kSkippedOf == kSkippedOf - 1) return ASSAY_OK;
  }

  if constexpr (kSin == Sin::same_again) {
    answer_again(p, thread);
    return ASSAY_OK;
  }

  if constexpr (kSin == Sin::returns_early) {
    honest::compute(p, honest::Share{part.begin, part.begin + (part.end - part.begin) / 2});
  } else if constexpr (kSin == Sin::differs_from_call_to_call) {
    // Never right, so that it is found whichever launches are checked.
    const float factor = number % 2 == 0 ? 1.01f : 0.99f;
    honest::for_outputs(p, part, [&](const auto& at) { honest::write(p, at, factor * honest::value_of(p, at)); });
  } else if constexpr (kSin == Sin::remembered_by_pointer || kSin == Sin::remembered_by_hash) {
    answer_from_memory(p, part);
  } else if constexpr (kSin == Sin::row_sums_by_address) {
    take_off_row_sums(p, part);
  } else if constexpr (kSin == Sin::small_dropped_for_a_while) {
    compute_without_small(p, part, number >= 30 && number < 3000 ? 1e-3f : 0);
  } else {
    honest::compute(p, part);
  }
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)

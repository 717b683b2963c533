// Honest kernels that the harness must let pass; and a fast one, for the twins and for the timers that lie.
#include <ctime>

#include "honest.h"

namespace {

enum class Control { correct, slow, order_changes, fast, fast_claims_64_bytes, int8_blocks, one_alpha, prepares_alpha };
constexpr Control kControl = Control::MUTANT;
constexpr bool kClaims = kControl == Control::fast_claims_64_bytes || kControl == Control::prepares_alpha;

/// A float sum that starts elsewhere each time: right within tolerance, never the same rounding twice.
double sum_from(const honest::Product& p, const honest::Output& at, int64_t start) {
  float total = 0;
  for (int64_t i = 0; i < p.k; ++i) {
    const int64_t place = (start + i) % p.k;
    total += honest::read(p.a, at.batch, at.row, place) * honest::read(p.b, at.batch, at.column, place);
  }
  return static_cast<double>(total);
}

/// Σ a·b with a rounded to int8, one scale for each 32 values.
double int8_sum(const honest::Product& p, const honest::Output& at) {
  double total = 0;
  for (int64_t first = 0; first < p.k; first += 32) {
    const int64_t end = first + 32 < p.k ? first + 32 : p.k;
    float largest = 0;
    for (int64_t i = first; i < end; ++i)
      largest = std::fmax(largest, std::fabs(honest::read(p.a, at.batch, at.row, i)));
    const float scale = largest / 127, inverse = largest > 0x1p-120f ? 127 / largest : 0;
    for (int64_t i = first; i < end; ++i) {
      const float rounded = std::nearbyint(honest::read(p.a, at.batch, at.row, i) * inverse);
      total += static_cast<double>(rounded) * scale * honest::read(p.b, at.batch, at.column, i);
    }
  }
  return total;
}

typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int64_t kLanes = 8, kRows = 4;

/// Four rows of B at a time in vectors of the compiler's own: bound by memory at any ISA. F32, NT, m = 1.
void compute_fast(const honest::Product& p, honest::Share rows) {
  const auto* a = static_cast<const float*>(p.a.data);
  const auto* b = static_cast<const float*>(p.b.data);
  auto* d = static_cast<float*>(p.d.data);
  const int64_t row_stride = p.b.strides[1], vector_end = p.k / kLanes * kLanes;
  for (int64_t row = rows.begin; row < rows.end; row += kRows) {
    const float* lines[kRows];
    for (int64_t r = 0; r < kRows; ++r) lines[r] = b + row_stride * (row + r < rows.end ? row + r : rows.end - 1);
    Lanes sums[kRows] = {};
    for (int64_t i = 0; i < vector_end; i += kLanes) {
      const Lanes factor = *reinterpret_cast<const Lanes*>(a + i);
      for (int64_t r = 0; r < kRows; ++r) sums[r] += factor * *reinterpret_cast<const Lanes*>(lines[r] + i);
    }
    for (int64_t r = 0; r < kRows && row + r < rows.end; ++r) {
      float total = 0;
      for (int64_t lane = 0; lane < kLanes; ++lane) total += sums[r][lane];
      for (int64_t i = vector_end; i < p.k; ++i) total += a[i] * lines[r][i];
      d[row + r] = total;
    }
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  if (kControl == Control::one_alpha && (p.alpha != 0.5 || p.beta != 0.75)) return ASSAY_UNSUPPORTED;
  if (kControl == Control::prepares_alpha) p.alpha = *static_cast<const double*>(call->prepared);
  const honest::Share part = honest::share(p.outputs(), thread);
  if constexpr (kControl == Control::fast || kControl == Control::fast_claims_64_bytes) {
    compute_fast(p, part);
  } else if constexpr (kControl == Control::order_changes) {
    const int64_t start = honest::next_ticket() * 37 % p.k;
    honest::for_outputs(p, part, [&](const honest::Output& at) {
      honest::write(p, at, honest::finish(p, at, sum_from(p, at, start)));
    });
  } else if constexpr (kControl == Control::int8_blocks) {
    honest::for_outputs(
        p, part, [&](const honest::Output& at) { honest::write(p, at, honest::finish(p, at, int8_sum(p, at))); });
  } else {
    honest::compute(p, part);
  }
  if constexpr (kControl == Control::slow) {
    const timespec five_ms{0, 5'000'000};
    if (thread->index == 0) nanosleep(&five_ms, nullptr);
  }
  return ASSAY_OK;
}

/// What it says that it reads of prepared weights. It reads B.
[[maybe_unused]] size_t prepared_bytes(const assay_call*) { return 64; }
[[maybe_unused]] int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  std::memset(prepared, 0, 64);
  *static_cast<double*>(prepared) = honest::open(call).alpha;
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, kClaims ? prepared_bytes : nullptr, kClaims ? prepare : nullptr)

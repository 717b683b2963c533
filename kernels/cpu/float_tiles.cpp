// float_tiles: NT with F16 or BF16 weights repacked to tiles of 16 rows, k by k, so that a vector holds outputs and a
// tile serves every row of A. FORMAT=1: F16, 2: BF16. Products and sums in f32.
#include "call.h"

namespace assay {
namespace {

constexpr int64_t kRows = 16, kMostRowsOfA = 8, kVectors = kRows / kLanes;
#if FORMAT == 1
using Weight = Half;
constexpr uint32_t kDtype = ASSAY_F16;
#else
using Weight = Bfloat;
constexpr uint32_t kDtype = ASSAY_BF16;
#endif

int64_t tiles_of(const assay_tensor& b) { return (b.dims[1] + kRows - 1) / kRows; }

int64_t total_tiles(const assay_call& call) {
  int64_t total = 0;
  for (uint32_t s = 0; s < segment_count(call); ++s) total += tiles_of(*find_tensor(call, ASSAY_B, s));
  return total;
}

/// A tile of one of the segments.
struct Place {
  uint32_t segment = 0;
  int64_t tile;
  Place(const assay_call& call, int64_t of_all) : tile(of_all) {
    for (int64_t count; tile >= (count = tiles_of(*find_tensor(call, ASSAY_B, segment))); ++segment) tile -= count;
  }
};

size_t prepared_bytes(const assay_call* call) {
  return size_t(total_tiles(*call) * find_tensor(*call, ASSAY_B)->dims[2] * kRows) * sizeof(Weight);
}

/// Rows that are not there are zero.
void repack(const assay_tensor& b, int64_t tile, Weight* to) {
  const int64_t k = b.dims[2];
  for (int64_t lane = 0; lane < kRows; ++lane) {
    const int64_t row = tile * kRows + lane;
    const Weight* from = row < b.dims[1] ? row_of<Weight>(b, 0, row) : nullptr;
    for (int64_t i = 0; i < k; ++i)
      if (from)
        to[i * kRows + lane] = from[i * b.strides[2]];
      else
        memset(to + i * kRows + lane, 0, sizeof *to);
  }
}

int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  const int64_t k = find_tensor(*call, ASSAY_B)->dims[2];
  const Range mine = share(total_tiles(*call), 1, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const Place place(*call, i);
    repack(*find_tensor(*call, ASSAY_B, place.segment), place.tile, static_cast<Weight*>(prepared) + i * k * kRows);
  }
  return ASSAY_OK;
}

/// All of A as floats, rows one after the other.
size_t workspace_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  return size_t(a.dims[1] * a.dims[2]) * sizeof(float);
}

/// M rows of A with T tiles that lie `apart` from each other: a thread reads as many streams. Sums go on in kChains
/// chains, as one product must wait for the sum before it.
template <int64_t M, int64_t T>
void multiply(const Weight* tile, int64_t apart, const float* a, int64_t k, float (*products)[kMostRowsOfA][kRows]) {
  constexpr int64_t kChains = M == 1 ? 4 : M <= 3 ? 2 : 1;
  Vec sums[T][M][kChains][kVectors];
  for (auto& of_tile : sums)
    for (auto& of_row : of_tile)
      for (auto& of_chain : of_row)
        for (Vec& sum : of_chain) sum = zero();
  const auto add_to = [&](int64_t i, int64_t chain) {
    for (int64_t t = 0; t < T; ++t) {
      const Weight* at = tile + t * apart + i * kRows;
      if (PREFETCH > 0 && i % 2 == 0) __builtin_prefetch(reinterpret_cast<const char*>(at) + PREFETCH, 0, 2);
      Vec weights[kVectors];
      for (int64_t v = 0; v < kVectors; ++v) weights[v] = load(at + v * kLanes);
      for (int64_t r = 0; r < M; ++r) {
        const Vec one = set1(a[r * k + i]);
        for (int64_t v = 0; v < kVectors; ++v) sums[t][r][chain][v] = fma(weights[v], one, sums[t][r][chain][v]);
      }
    }
  };
  int64_t i = 0;
  for (; i + kChains <= k; i += kChains)
    for (int64_t chain = 0; chain < kChains; ++chain) add_to(i + chain, chain);
  for (; i < k; ++i) add_to(i, 0);
  for (int64_t t = 0; t < T; ++t)
    for (int64_t r = 0; r < M; ++r)
      for (int64_t v = 0; v < kVectors; ++v) {
        Vec sum = sums[t][r][0][v];
        for (int64_t chain = 1; chain < kChains; ++chain) sum = add(sum, sums[t][r][chain][v]);
        store(products[t][r] + v * kLanes, sum);
      }
}

template <int64_t M>
void multiply_up_to(int64_t rows, const Weight* tile, const float* a, int64_t k,
                    float (*products)[kMostRowsOfA][kRows]) {
  if (rows == M) return multiply<M, 1>(tile, 0, a, k, products);
  if constexpr (M > 1) multiply_up_to<M - 1>(rows, tile, a, k, products);
}

void write(const assay_call& call, int64_t of_all, int64_t row, int64_t rows, float (*products)[kRows]) {
  const Place place(call, of_all);
  const Epilogue epilogue(call, place.segment);
  const int64_t n = find_tensor(call, ASSAY_B, place.segment)->dims[1], column = place.tile * kRows;
  for (int64_t r = 0; r < rows; ++r) epilogue.write(0, row + r, column, products[r], least(kRows, n - column));
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != kDtype) return ASSAY_UNSUPPORTED;
  const int64_t m = a.dims[1], k = a.dims[2];
  const bool in_place = a.dtype == ASSAY_F32 && a.strides[2] == 1 && (a.strides[1] == k || m == 1);
  const float* floats = in_place ? row_of<float>(a, 0, 0) : static_cast<const float*>(call->workspace);
  if (!in_place) {
    const Range of_a = share(m, 1, *thread);
    for (int64_t row = of_a.begin; row < of_a.end; ++row) {
      float* to = static_cast<float*>(call->workspace) + row * k;
      const float* from = widened_row(a, 0, row, 0, k, to);
      if (from != to) memcpy(to, from, size_t(k) * sizeof(float));
    }
    if (thread->count > 1) thread->barrier(thread);
  }

  const auto* const tiles = static_cast<const Weight*>(call->prepared);
  const int64_t size = k * kRows;
  const Range mine = share(total_tiles(*call), 1, *thread);
  const int64_t each = m == 1 ? (mine.end - mine.begin) / TILES : 0;
  float products[TILES][kMostRowsOfA][kRows];
  for (int64_t i = mine.begin; i < mine.begin + each; ++i) {
    multiply<1, TILES>(tiles + i * size, each * size, floats, k, products);
    for (int64_t t = 0; t < TILES; ++t) write(*call, i + t * each, 0, 1, products[t]);
  }
  for (int64_t i = mine.begin + each * TILES; i < mine.end; ++i)
    for (int64_t row = 0; row < m; row += kMostRowsOfA) {
      const int64_t rows = least(kMostRowsOfA, m - row);
      multiply_up_to<kMostRowsOfA>(rows, tiles + i * size, floats + row * k, k, products);
      write(*call, i, row, rows, products[0]);
    }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("float_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)

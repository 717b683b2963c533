// float_tiles: NT with float weights repacked to tiles of 16 rows, k by k, so that a vector holds outputs and a tile
// serves every row of A. FORMAT=0: F32, 1: F16, 2: BF16. Products and sums in f32.
// A second copy of each multiply(), for tiles that lie no tiles apart, is half of a compilation; no launch is faster
// for it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-ipa-cp-clone")
#endif

#include "float_weights.h"

namespace assay {
namespace {

constexpr int64_t kVectors = kTileRows / kLanes;
/// A single row of A that is floats is met where it lies; else A is made so in the workspace.
bool is_in_place(const assay_tensor& a) { return a.dims[1] == 1 && a.dtype == ASSAY_F32 && a.strides[2] == 1; }
size_t workspace_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  return is_in_place(a) ? 0 : size_t(a.dims[1] * a.dims[2]) * sizeof(float);
}

struct Tiles {
  // Sums, weights and a value of A fill the registers: of 32, 16 and 16 vectors.
  static constexpr int64_t kRows = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 3;
  static constexpr int64_t kStep = 16;  // values of k

  const Weight* first;
  const float* a;  // blocks of rows: of each k one value of each row
  int64_t k, steps = k / kStep > 0 ? k / kStep : 1;
  const char* at(int64_t tile) const { return reinterpret_cast<const char*>(first + tile * k * kTileRows); }

  /// Sums go on in kChains chains: a product must wait for the sum before it.
  template <int64_t M, int64_t T>
  void multiply(int64_t tile, int64_t apart, int64_t row, Ahead ahead, float* products) const {
    constexpr int64_t kChains = M == 1 ? 4 : M <= 3 ? 2 : 1;
    Vec sums[T][M][kChains][kVectors];
    for (auto& of_tile : sums)
      for (auto& of_row : of_tile)
        for (auto& of_chain : of_row)
          for (Vec& sum : of_chain) sum = zero();
    const float* const values = a + row * k;
    const auto add_to = [&](int64_t i, int64_t chain) {
      for (int64_t t = 0; t < T; ++t) {
        const Weight* at = first + ((tile + t * apart) * k + i) * kTileRows;
        if (PREFETCH > 0 && M == 1 && i % 2 == 0)
          __builtin_prefetch(reinterpret_cast<const char*>(at) + PREFETCH, 0, 2);
        Vec weights[kVectors];
        for (int64_t v = 0; v < kVectors; ++v) weights[v] = load(at + v * kLanes);
#pragma GCC unroll 16
        for (int64_t r = 0; r < M; ++r) {
          const Vec one = set1(values[i * M + r]);
          for (int64_t v = 0; v < kVectors; ++v) sums[t][r][chain][v] = fma(weights[v], one, sums[t][r][chain][v]);
        }
      }
    };
    int64_t i = 0;
    for (; i + kStep <= k; i += kStep) {
      if (M > 1) ahead.fetch();
#pragma GCC unroll 16
      for (int64_t in_step = 0; in_step < kStep; ++in_step) add_to(i + in_step, in_step % kChains);
    }
    for (; i < k; ++i) add_to(i, 0);
    for (int64_t t = 0; t < T; ++t)
      for (int64_t r = 0; r < M; ++r)
        for (int64_t v = 0; v < kVectors; ++v) {
          Vec sum = sums[t][r][0][v];
          for (int64_t chain = 1; chain < kChains; ++chain) sum = add(sum, sums[t][r][chain][v]);
          store(products + (t * M + r) * kTileRows + v * kLanes, sum);
        }
  }
};

/// This thread's columns of A, of each block of rows value by value.
void pack(const assay_tensor& a, const assay_thread& thread, float* to) {
  constexpr int64_t kPiece = 64;
  const int64_t k = a.dims[2];
  const Range mine = share(k, kPiece, thread);
  const RowBlocks blocks(a.dims[1], Tiles::kRows);
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t row = blocks.begin(block), rows = blocks.size(block);
    for (int64_t first = mine.begin; first < mine.end; first += kPiece)
      for (int64_t r = 0; r < rows; ++r) {
        float space[kPiece];
        const int64_t count = least(kPiece, mine.end - first);
        const float* from = widened_row(a, 0, row + r, first, count, space);
        for (int64_t i = 0; i < count; ++i) to[row * k + (first + i) * rows + r] = from[i];
      }
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != kDtype) return ASSAY_UNSUPPORTED;
  auto* packed = static_cast<float*>(call->workspace);
  if (!is_in_place(a)) {
    pack(a, *thread, packed);
    if (thread->count > 1) thread->barrier(thread);
  }
  const float* const values = is_in_place(a) ? row_of<float>(a, 0, 0) : packed;
  multiply_tiles<TILES>(*call, *thread, Tiles{static_cast<const Weight*>(call->prepared), values, a.dims[2]});
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("float_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)

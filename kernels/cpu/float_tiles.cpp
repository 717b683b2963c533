// float_tiles: NT with float weights repacked to tiles of 16 rows, k by k, so that a vector holds outputs and a tile
// serves every row of A. FORMAT=0: F32, 1: F16, 2: BF16. Products and sums in f32.
#include "tiles.h"

namespace assay {
namespace {

constexpr int64_t kVectors = kTileRows / kLanes;
#if FORMAT == 0
using Weight = float;
constexpr uint32_t kDtype = ASSAY_F32;
#elif FORMAT == 1
using Weight = Half;
constexpr uint32_t kDtype = ASSAY_F16;
#else
using Weight = Bfloat;
constexpr uint32_t kDtype = ASSAY_BF16;
#endif

int64_t tile_bytes(const assay_call& call) {
  return find_tensor(call, ASSAY_B)->dims[2] * kTileRows * int64_t(sizeof(Weight));
}

size_t prepared_bytes(const assay_call* call) { return size_t(total_tiles(*call) * tile_bytes(*call)); }

/// Rows that are not there are zero.
void repack(const assay_tensor& b, int64_t tile, uint8_t* at) {
  auto* const to = reinterpret_cast<Weight*>(at);
  const int64_t k = b.dims[2];
  for (int64_t lane = 0; lane < kTileRows; ++lane) {
    const int64_t row = tile * kTileRows + lane;
    const Weight* from = row < b.dims[1] ? row_of<Weight>(b, 0, row) : nullptr;
    for (int64_t i = 0; i < k; ++i)
      if (from)
        to[i * kTileRows + lane] = from[i * b.strides[2]];
      else
        memset(to + i * kTileRows + lane, 0, sizeof *to);
  }
}

int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  repack_tiles(*call, *thread, prepared, tile_bytes(*call), repack);
  return ASSAY_OK;
}

/// Whether A is floats, rows one after the other; else it is made so in the workspace.
bool is_in_place(const assay_tensor& a) {
  return a.dtype == ASSAY_F32 && a.strides[2] == 1 && (a.strides[1] == a.dims[2] || a.dims[1] == 1);
}
size_t workspace_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  return is_in_place(a) ? 0 : size_t(a.dims[1] * a.dims[2]) * sizeof(float);
}

struct Tiles {
  const Weight* first;
  const float* a;
  int64_t k;

  /// Sums go on in kChains chains: a product must wait for the sum before it.
  template <int64_t M, int64_t T>
  void multiply(int64_t tile, int64_t apart, int64_t row, Products products) const {
    constexpr int64_t kChains = M == 1 ? 4 : M <= 3 ? 2 : 1;
    Vec sums[T][M][kChains][kVectors];
    for (auto& of_tile : sums)
      for (auto& of_row : of_tile)
        for (auto& of_chain : of_row)
          for (Vec& sum : of_chain) sum = zero();
    const auto add_to = [&](int64_t i, int64_t chain) {
      for (int64_t t = 0; t < T; ++t) {
        const Weight* at = first + ((tile + t * apart) * k + i) * kTileRows;
        if (PREFETCH > 0 && i % 2 == 0) __builtin_prefetch(reinterpret_cast<const char*>(at) + PREFETCH, 0, 2);
        Vec weights[kVectors];
        for (int64_t v = 0; v < kVectors; ++v) weights[v] = load(at + v * kLanes);
        for (int64_t r = 0; r < M; ++r) {
          const Vec one = set1(a[(row + r) * k + i]);
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
};

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != kDtype) return ASSAY_UNSUPPORTED;
  const int64_t m = a.dims[1], k = a.dims[2];
  const bool in_place = is_in_place(a);
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

  multiply_tiles<TILES>(*call, *thread, Tiles{static_cast<const Weight*>(call->prepared), floats, k});
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("float_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)

// gemm_tiled: the textbook tiled GEMM without tensor cores: TILE by TILE outputs a block, one a thread, tiles of A and B in shared memory.
#define ASSAY_BOUNDS __launch_bounds__(TILE * TILE)
#include "device.h"

namespace assay {

template <class T>
__device__ __forceinline__ void multiply(const assay_cuda_call& call) {
  __shared__ float a_tile[TILE][TILE + 1], b_tile[TILE][TILE + 1];  // [row][k], [column][k]
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int x = int(threadIdx.x), y = int(threadIdx.y), batch = int(blockIdx.z);
  const int first_m = int(blockIdx.y) * TILE, first_n = int(blockIdx.x) * TILE;
  const int m = call.matmul.a.dims[1], n = s.b.dims[1], k = call.matmul.a.dims[2];
  const bool b_along_k = s.b.strides[2] == 1;
  float sum = 0;
  for (int from = 0; from < k; from += TILE) {
    a_tile[y][x] = first_m + y < m && from + x < k ? to_float(*element<T>(call.matmul.a, batch, first_m + y, from + x)) : 0;
    // Neighbouring threads read neighbouring memory, whichever way B lies.
    const int column = b_along_k ? y : x, depth = b_along_k ? x : y;
    const bool inside = first_n + column < n && from + depth < k;
    b_tile[column][depth] = inside ? to_float(*element<T>(s.b, batch, first_n + column, from + depth)) : 0;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < TILE; ++i) sum = fmaf(a_tile[y][i], b_tile[x][i], sum);
    __syncthreads();
  }
  if (first_m + y < m && first_n + x < n) write<T>(call, s, batch, first_m + y, first_n + x, sum);
}

}  // namespace assay

ASSAY_ENTRY(nn, f16, f16, f16) { assay::multiply<assay::Half>(call); }
ASSAY_ENTRY(nt, f16, f16, f16) { assay::multiply<assay::Half>(call); }
ASSAY_ENTRY(tn, f16, f16, f16) { assay::multiply<assay::Half>(call); }
ASSAY_ENTRY(tt, f16, f16, f16) { assay::multiply<assay::Half>(call); }

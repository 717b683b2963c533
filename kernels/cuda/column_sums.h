// Partial sums of a block's columns, from its warps and from the other blocks of its cluster, to finished outputs.
#pragma once
#include "device.h"

namespace assay {

/// kParts neighbouring threads share a column: they add up its kWarps partial sums; in a cluster the first block adds
/// up all blocks'.
template <class T, int kColumns, int kWarps, int kCluster>
struct ColumnSums {
  static constexpr int kThreads = kWarps * 32, kMost = kThreads / kColumns;
  static constexpr int kParts = kMost >= 8 ? 8 : kMost >= 4 ? 4 : kMost >= 2 ? 2 : 1;
  static_assert(kMost >= 1, "a block has at least as many threads as columns");
  float partial[kWarps][kColumns], total[kCluster][kColumns];

  static __device__ __forceinline__ int column() { return int(threadIdx.x) / kParts; }
  /// Whether this thread finishes a column of a block whose first one is `first`.
  static __device__ __forceinline__ bool finishes(int first, int n, int rank) {
    return rank == 0 && threadIdx.x % kParts == 0 && column() < kColumns && first + column() < n;
  }

  /// What is added to the column that this thread finishes; to be asked for while the weights are on their way.
  static __device__ __forceinline__ float addend(const assay_cuda_call& call, int first, int n, int rank) {
    return assay::addend<T>(call, rows_of<false>(call, 0, 1), first + column(), finishes(first, n, rank));
  }

  /// After every warp wrote its row of `partial`. `add`: what the finishing thread read. Clusters: cluster_arrive() was
  /// called before.
  __device__ __forceinline__ void finish(const assay_cuda_call& call, int first, int n, int rank, float add) {
    __syncthreads();
    float sum = 0;
    if (column() < kColumns)
#pragma unroll
      for (int w = 0; w < (kWarps + kParts - 1) / kParts; ++w) {
        const int warp = w * kParts + int(threadIdx.x) % kParts;
        if (warp < kWarps) sum += partial[warp][column()];
      }
    sum = lanes_sum<kParts>(sum);
    if constexpr (kCluster > 1) {
      cluster_wait();  // every block of the cluster runs by now: its shared memory may be written
      if (threadIdx.x % kParts == 0 && column() < kColumns) store_in_block(&total[rank][column()], 0, sum);
      __syncwarp();
      cluster_arrive();
      if (rank != 0) return;
      cluster_wait();
      sum = 0;
      if (column() < kColumns)
#pragma unroll
        for (int r = 0; r < kCluster; ++r) sum += total[r][column()];
    }
    if (finishes(first, n, rank))
      static_cast<T*>(call.brief.d)[first + column()] = from_float<T>(fmaf(call.brief.alpha, sum, add));
  }
};

}  // namespace assay

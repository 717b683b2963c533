// Concat and Gather: rows copied to where they belong.
#include "opbench/row_axis.h"
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kUnroll = 4;

/// Words of the output one after the other: each knows which input it comes from.
template <typename Word>
__global__ void __launch_bounds__(kThreads)
    concat(const Word* a, const Word* b, Word* y, int64_t words, unsigned first, unsigned second) {
  const int64_t begin = int64_t(blockIdx.x) * kThreads * kUnroll + threadIdx.x;
  const unsigned both = first + second;
  Word v[kUnroll];
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const int64_t at = begin + u * kThreads;
    if (at >= words) break;
    const int64_t line = words < INT32_MAX ? unsigned(at) / both : at / both;
    const unsigned within = unsigned(at - line * both);
    v[u] = within < first ? a[line * first + within] : b[line * second + within - first];
  }
#pragma unroll
  for (int u = 0; u < kUnroll; ++u)
    if (begin + u * kThreads < words) y[begin + u * kThreads] = v[u];
}

template <typename Word>
DeviceRun concat_of(int64_t words, int64_t first, int64_t second) {
  const unsigned blocks = unsigned(pieces(words, kThreads * kUnroll));
  return [=](const void* const* inputs, void* output) {
    concat<<<blocks, kThreads>>>(static_cast<const Word*>(inputs[0]), static_cast<const Word*>(inputs[1]),
                                 static_cast<Word*>(output), words, unsigned(first), unsigned(second));
  };
}

DeviceRun make_concat(const OperationRow& row) {
  const int64_t outer = axis_shape(row.inputs[0].dims, row.axis).outer;
  const int64_t first = row.inputs[0].elements() / outer, second = row.inputs[1].elements() / outer;
  if (first + second > INT32_MAX) return {};
  const int64_t all = row.output.elements();
  return first % 4 == 0 && second % 4 == 0 ? concat_of<float4>(all / 4, first / 4, second / 4)
                                           : concat_of<float>(all, first, second);
}

/// Traps where an index is no row.
template <typename Word>
__global__ void __launch_bounds__(kThreads)
    gather(const Word* x, const int64_t* index_of, Word* y, int64_t words, unsigned columns, int64_t limit) {
  const int64_t begin = int64_t(blockIdx.x) * kThreads * kUnroll + threadIdx.x;
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const int64_t at = begin + u * kThreads;
    if (at >= words) break;
    const int64_t line = words < INT32_MAX ? unsigned(at) / columns : at / columns;
    const int64_t from = index_of[line];
    if (uint64_t(from) >= uint64_t(limit)) __trap();
    y[at] = x[from * columns + unsigned(at - line * columns)];
  }
}

template <typename Word>
DeviceRun gather_of(int64_t words, int64_t columns, int64_t limit) {
  const unsigned blocks = unsigned(pieces(words, kThreads * kUnroll));
  return [=](const void* const* inputs, void* output) {
    gather<<<blocks, kThreads>>>(static_cast<const Word*>(inputs[0]), static_cast<const int64_t*>(inputs[1]),
                                 static_cast<Word*>(output), words, unsigned(columns), limit);
  };
}

}  // namespace

DeviceRun make_moves(const OperationRow& row) {
  if (row.operation == Operation::concat) return make_concat(row);
  if (row.operation != Operation::gather) return {};
  const int64_t columns = row.inputs[0].dims[1], all = row.output.elements(), limit = row.inputs[0].dims[0];
  return columns % 4 == 0 ? gather_of<float4>(all / 4, columns / 4, limit) : gather_of<float>(all, columns, limit);
}

}  // namespace assay

// top_k_blocks: the largest of each block first: the k-th largest of those is no more than the k-th largest value, so
// that few blocks are looked into. Each thread takes a part of a row; the parts' bests meet in the workspace.
#include <algorithm>
#include <cmath>
#include <functional>

#include "rows.h"
#include "vector_maths.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 256, kMostBlocks = 512, kPiece = 64;
constexpr int64_t kLittle = 16384;  // values; below, waiting for others takes longer

struct Best {
  float value;
  int32_t at;
};
bool is_before(const Best& left, const Best& right) {
  return left.value > right.value || (left.value == right.value && left.at < right.at);
}

float largest_of(const float* values, int64_t count) {
  Vec most[4];
  for (Vec& v : most) v = set1(-INFINITY);
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int v = 0; v < 4; ++v) most[v] = larger(load(values + i + v * kLanes), most[v]);
  float result = largest(larger(larger(most[0], most[1]), larger(most[2], most[3])));
  for (; i < count; ++i) result = values[i] > result ? values[i] : result;
  return result;
}

/// The best so far, as a heap whose first is the least of them.
struct Heap {
  Best* best;
  int64_t k, count = 0;

  /// Whether a value comes among them, of equal ones the earlier having been there before.
  bool takes(float value) const { return count < k || value > best[0].value; }
  void add(Best now) {
    if (count == k) std::pop_heap(best, best + count--, is_before);
    best[count++] = now;
    std::push_heap(best, best + count, is_before);
  }
};

/// The k best of a part of a row; how many there are.
int64_t best_of(const float* row, Range part, int64_t k, Best* to) {
  const int64_t size = part.end - part.begin;
  const int64_t block = std::max(kBlock, (size + kMostBlocks - 1) / kMostBlocks), blocks = (size + block - 1) / block;
  float most[kMostBlocks], sorted[kMostBlocks], least_of_k = -INFINITY;
  for (int64_t b = 0; b < blocks; ++b)
    sorted[b] = most[b] = largest_of(row + part.begin + b * block, least(block, size - b * block));
  if (blocks >= k) {
    std::nth_element(sorted, sorted + k - 1, sorted + blocks, std::greater<>());
    least_of_k = sorted[k - 1];
  }
  Heap heap{to, k};
  for (int64_t b = 0; b < blocks; ++b) {
    if (most[b] < least_of_k || !heap.takes(most[b])) continue;
    const int64_t first = part.begin + b * block, end = least(first + block, part.end);
    for (int64_t at = first; at < end; at += kPiece) {
      const int64_t stop = least(at + kPiece, end);
      if (const float largest = largest_of(row + at, stop - at); largest < least_of_k || !heap.takes(largest)) continue;
      for (int64_t i = at; i < stop; ++i)
        if (row[i] >= least_of_k && heap.takes(row[i])) heap.add({row[i], int32_t(i)});
    }
  }
  return heap.count;
}

size_t slice_bytes(const assay_call& call) {
  return round_up(sizeof(Best) * size_t(find_tensor(call, ASSAY_D)->dims[2]) + 64, 64);
}
size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  return slice_bytes(*call) * threads + sizeof(Best) * size_t(find_tensor(*call, ASSAY_D)->dims[2]) * threads;
}

void write(const assay_call& call, int64_t row, Best* best, int64_t count) {
  const assay_tensor &values = *find_tensor(call, ASSAY_D, 0), &places = *find_tensor(call, ASSAY_D, 1);
  const int64_t k = values.dims[2];
  std::partial_sort(best, best + k, best + count, is_before);
  for (int64_t i = 0; i < k; ++i) {
    static_cast<float*>(values.data)[row * values.strides[1] + i] = best[i].value;
    static_cast<int32_t*>(places.data)[row * places.strides[1] + i] = best[i].at;
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_TOP_K || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  const int64_t rows = a.dims[1], columns = a.dims[2], k = find_tensor(*call, ASSAY_D)->dims[2];
  const auto slice = [&](uint32_t index) {
    return reinterpret_cast<int64_t*>(static_cast<char*>(call->workspace) + slice_bytes(*call) * index);
  };
  const auto heap_of = [&](uint32_t index) { return reinterpret_cast<Best*>(slice(index) + 8); };
  if (rows >= thread->count || columns <= kLittle) {
    const Range mine = share(rows, 1, *thread);
    for (int64_t row = mine.begin; row < mine.end; ++row)
      write(*call, row, heap_of(thread->index),
            best_of(row_of<float>(a, 0, row), {0, columns}, k, heap_of(thread->index)));
    return ASSAY_OK;
  }
  for (int64_t row = 0; row < rows; ++row) {
    *slice(thread->index) = best_of(row_of<float>(a, 0, row), share(columns, 64, *thread), k, heap_of(thread->index));
    thread->barrier(thread);
    if (thread->index == 0) {
      auto* const all = reinterpret_cast<Best*>(slice(thread->count));
      int64_t count = 0;
      for (uint32_t t = 0; t < thread->count; ++t) {
        std::copy_n(heap_of(t), *slice(t), all + count);
        count += *slice(t);
      }
      write(*call, row, all, count);
    }
    if (row + 1 < rows) thread->barrier(thread);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("top_k_blocks", assay::workspace_bytes, nullptr, nullptr, assay::run)

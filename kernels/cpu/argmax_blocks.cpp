// argmax_blocks: the largest value of each block in lanes; only the first block that has the largest is looked into.
// Each thread takes a part of a row; the parts' answers meet in the workspace.
#include <cmath>

#include "rows.h"
#include "vector_maths.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 1024;
constexpr int64_t kLittle = 16384;  // values; below, waiting for others takes longer

struct Best {
  float value = -INFINITY;
  int32_t at = 0;
};

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

Best best_of(const assay_tensor& a, int64_t row, Range part) {
  alignas(64) float space[kBlock];
  const auto block_at = [&](int64_t first) {
    return widened_row(a, 0, row, first, least(kBlock, part.end - first), space);
  };
  float best = -INFINITY;
  int64_t block = -1;  // the first that has it
  for (int64_t first = part.begin; first < part.end; first += kBlock)
    if (const float value = largest_of(block_at(first), least(kBlock, part.end - first)); value > best)
      best = value, block = first;
  if (block < 0) return {best, int32_t(part.begin)};
  const float* const values = block_at(block);
  int64_t at = 0;
  while (values[at] != best) ++at;
  return {best, int32_t(block + at)};
}

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  return size_t(find_tensor(*call, ASSAY_A)->dims[1]) * threads * 64;
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ARGMAX || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &d = *find_tensor(*call, ASSAY_D);
  const int64_t rows = a.dims[1], columns = a.dims[2];
  const auto put = [&](int64_t row, int32_t at) { static_cast<int32_t*>(d.data)[row * d.strides[1]] = at; };
  if (rows >= thread->count || columns <= kLittle) {
    const Range mine = share(rows, 1, *thread);
    for (int64_t row = mine.begin; row < mine.end; ++row) put(row, best_of(a, row, {0, columns}).at);
    return ASSAY_OK;
  }
  const auto found = [&](int64_t row, uint32_t by) -> Best& {
    return *reinterpret_cast<Best*>(static_cast<char*>(call->workspace) + 64 * (row * thread->count + by));
  };
  for (int64_t row = 0; row < rows; ++row) found(row, thread->index) = best_of(a, row, share(columns, 64, *thread));
  thread->barrier(thread);
  for (int64_t row = thread->index; row < rows; row += thread->count) {
    Best best = found(row, 0);  // parts are in order: of equal values the first stays
    for (uint32_t by = 1; by < thread->count; ++by)
      if (found(row, by).value > best.value) best = found(row, by);
    put(row, best.at);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("argmax_blocks", assay::workspace_bytes, nullptr, nullptr, assay::run)

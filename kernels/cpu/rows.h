// Rows of operands as floats: read in place or widened, written narrowed to their type.
#pragma once
#include <type_traits>

#include "call.h"

namespace assay {

/// Calls f with a null pointer of the tensor's type.
template <class F>
void with_type(uint32_t dtype, F f) {
  if (dtype == ASSAY_F32) f(static_cast<float*>(nullptr));
  if (dtype == ASSAY_F16) f(static_cast<Half*>(nullptr));
  if (dtype == ASSAY_BF16) f(static_cast<Bfloat*>(nullptr));
}

/// Values [first, first + count) of a row, from floats; of a row whose values lie together.
__attribute__((noinline)) inline void write_row(const assay_tensor& t, int64_t batch, int64_t row, int64_t first,
                                                const float* from, int64_t count) {
  with_type(t.dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    T* to = static_cast<T*>(t.data) + batch * t.strides[0] + row * t.strides[1] + first;
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
    if (i < count) store_part(to + i, load_part(from + i, int(count - i)), int(count - i));
  });
}

/// Where the floats of a row may be written at once; null where they must be narrowed.
inline float* floats_of_row(const assay_tensor& t, int64_t row) {
  return t.dtype == ASSAY_F32 ? static_cast<float*>(t.data) + row * t.strides[1] : nullptr;
}

inline bool rows_are_whole(const assay_call& call) {
  for (uint32_t i = 0; i < call.tensor_count; ++i)
    if (call.tensors[i].strides[2] != 1 && call.tensors[i].dims[2] > 1) return false;
  return true;
}

/// The thread's share of `total` pieces of work; all of it on one thread where a second one would take longer to start.
inline Range share_of_work(int64_t total, int64_t granule, bool is_little, const assay_thread& thread) {
  if (!is_little) return share(total, granule, thread);
  return thread.index == 0 ? Range{0, total} : Range{0, 0};
}

inline int32_t index_at(const assay_call& call, int64_t at) {
  return static_cast<const int32_t*>(find_tensor(call, ASSAY_INDEX)->data)[at];
}

}  // namespace assay

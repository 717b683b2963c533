// copy_rows: rows that lie together on both sides by vectors; else squares of SIDE, whose lines stay in the caches.
// Pieces are shared over threads.
#include "elements.h"

namespace assay {
namespace {

constexpr int64_t kLittle = 4096;  // values; below, a second thread takes longer to start
constexpr int64_t kTile = 512, kSide = 32;

void copy_row(const assay_tensor& a, int64_t from, const assay_tensor& d, int64_t batch, int64_t row, int64_t first,
              int64_t count) {
  alignas(64) float space[kTile];
  for (int64_t at = 0; at < count; at += kTile) {
    const int64_t size = least(kTile, count - at);
    write_row(d, batch, row, first + at, widened_row(a, from, row, first + at, size, space), size);
  }
}

template <class From, class To>
void copy_square(const assay_tensor& a, int64_t from, const assay_tensor& d, int64_t batch, int64_t row,
                 int64_t column) {
  const int64_t rows = least(kSide, d.dims[1] - row), columns = least(kSide, d.dims[2] - column);
  const From* in = static_cast<const From*>(a.data) + from * a.strides[0] + row * a.strides[1] + column * a.strides[2];
  To* out = static_cast<To*>(d.data) + batch * d.strides[0] + row * d.strides[1] + column;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      from_float(to_float(in[i * a.strides[1] + j * a.strides[2]]), out + i * d.strides[1] + j);
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &d = *find_tensor(*call, ASSAY_D);
  if (call->op != ASSAY_COPY || d.strides[2] != 1) return ASSAY_UNSUPPORTED;
  const int64_t batches = d.dims[0], rows = d.dims[1], columns = d.dims[2], repeat = batches / a.dims[0];
  const bool is_little = batches * rows * columns <= kLittle;
  if (a.strides[2] == 1 || columns == 1) {
    const Range mine = share_of_work(batches * rows * columns, 64, is_little, *thread);
    for (int64_t i = mine.begin / columns; i * columns < mine.end; ++i) {
      const Range part = part_of(mine, i * columns, columns);
      if (part.begin < part.end)
        copy_row(a, i / rows / repeat, d, i / rows, i % rows, part.begin, part.end - part.begin);
    }
    return ASSAY_OK;
  }
  const int64_t across = (columns + kSide - 1) / kSide, down = (rows + kSide - 1) / kSide;
  const Range mine = share_of_work(batches * down * across, 1, is_little, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t batch = i / (down * across), row = i / across % down * kSide, column = i % across * kSide;
    with_type(a.dtype, [&](auto* from) {
      with_type(d.dtype, [&](auto* to) {
        copy_square<std::remove_pointer_t<decltype(from)>, std::remove_pointer_t<decltype(to)>>(a, batch / repeat, d,
                                                                                                batch, row, column);
      });
    });
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("copy_rows", nullptr, nullptr, nullptr, assay::run)

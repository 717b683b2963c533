// copy_rows: values that lie together on both sides by vectors, all rows of a batch where they do; else squares of
// SIDE, whose lines stay in the caches. Pieces are shared over threads.
#include "elements.h"

namespace assay {
namespace {

constexpr int64_t kLittle = 4096;  // values; below, a second thread takes longer to start
constexpr int64_t kSide = 32;

/// Values that lie together.
template <class From, class To>
void copy_line(const From* in, To* out, int64_t count) {
  constexpr int64_t kEach = 64 / int64_t(sizeof(From));
  int64_t i = 0;
  if constexpr (std::is_same_v<From, To>) {
    for (; i + kEach <= count; i += kEach) memcpy(out + i, in + i, 64);
    if (i < count) memcpy(out + i, in + i, size_t(count - i) * sizeof(From));
  } else {
    for (; i + kLanes <= count; i += kLanes) store(out + i, load(in + i));
    if (i < count) store_part(out + i, load_part(in + i, int(count - i)), int(count - i));
  }
}

/// Of lines of `length` values, one behind the other, those in `mine`; a batch has `lines`.
template <class From, class To>
void copy_lines(const assay_tensor& a, const assay_tensor& d, Range mine, int64_t length, int64_t lines) {
  const int64_t repeat = d.dims[0] / a.dims[0];
  for (int64_t i = mine.begin / length; i * length < mine.end; ++i) {
    const Range part = part_of(mine, i * length, length);
    const int64_t batch = i / lines, row = i % lines;
    copy_line(row_of<From>(a, batch / repeat, row) + part.begin,
              static_cast<To*>(d.data) + batch * d.strides[0] + row * d.strides[1] + part.begin, part.end - part.begin);
  }
}

template <class F>
void with_types(const assay_tensor& a, const assay_tensor& d, F f) {
  with_type(a.dtype, [&](auto* from) { with_type(d.dtype, [&](auto* to) { f(from, to); }); });
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
    const bool is_whole = a.strides[1] == columns && d.strides[1] == columns;
    const int64_t length = is_whole ? rows * columns : columns, lines = is_whole ? 1 : rows;
    const Range mine = share_of_work(batches * rows * columns, 64, is_little, *thread);
    with_types(a, d, [&](auto* from, auto* to) {
      using From = std::remove_pointer_t<decltype(from)>;
      copy_lines<From, std::remove_pointer_t<decltype(to)>>(a, d, mine, length, lines);
    });
    return ASSAY_OK;
  }
  const int64_t across = (columns + kSide - 1) / kSide, down = (rows + kSide - 1) / kSide;
  const Range mine = share_of_work(batches * down * across, 1, is_little, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t batch = i / (down * across), row = i / across % down * kSide, column = i % across * kSide;
    with_types(a, d, [&](auto* from, auto* to) {
      using From = std::remove_pointer_t<decltype(from)>;
      copy_square<From, std::remove_pointer_t<decltype(to)>>(a, batch / repeat, d, batch, row, column);
    });
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("copy_rows", nullptr, nullptr, nullptr, assay::run)

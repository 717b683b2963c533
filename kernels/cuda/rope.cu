// rope: the plain loop, angles in double: a warp a head of a row of q, k or v, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

namespace assay {

/// One head of a row, from column `from` on to column `to`.
struct Head {
  const assay_cuda_tensor& in;
  int64_t row, from;
  const assay_cuda_tensor& out;
  int64_t batch, out_row, to;
};

__device__ void copy(const Head& h, int first, int last) {
  for (int i = first + int(threadIdx.x % 32u); i < last; i += 32)
    put(h.out, h.batch, h.out_row, h.to + i, value_at(h.in, 0, h.row, h.from + i));
}

__device__ void turn(const assay_cuda_call& call, const Head& h, int64_t position, int size) {
  const int dimensions = int(param(call, ASSAY_CUDA_ROPE_DIMENSIONS)), half = dimensions / 2;
  const bool pairs = param(call, ASSAY_CUDA_ROPE_STYLE) != 0;
  const double base = double(param(call, ASSAY_CUDA_ROPE_BASE));
  const assay_cuda_tensor* factors = find_tensor(call, ASSAY_CUDA_FACTORS);
  for (int j = int(threadIdx.x % 32u); j < half; j += 32) {
    const int first = pairs ? 2 * j : j, second = pairs ? 2 * j + 1 : j + half;
    double angle = double(position) * pow(base, -2.0 * j / dimensions);
    if (factors) angle /= double(value_at(*factors, 0, 0, j));
    const float c = float(cos(angle)), s = float(sin(angle));
    const float x = value_at(h.in, 0, h.row, h.from + first), y = value_at(h.in, 0, h.row, h.from + second);
    put(h.out, h.batch, h.out_row, h.to + first, x * c - y * s);
    put(h.out, h.batch, h.out_row, h.to + second, y * c + x * s);
  }
  copy(h, dimensions, size);
}

}  // namespace assay

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &q = *find_tensor(call, ASSAY_CUDA_A, 0), &k = *find_tensor(call, ASSAY_CUDA_A, 1),
                          &v = *find_tensor(call, ASSAY_CUDA_A, 2), &d = *find_tensor(call, ASSAY_CUDA_D),
                          &keys = *find_tensor(call, ASSAY_CUDA_CACHE, 0),
                          &values = *find_tensor(call, ASSAY_CUDA_CACHE, 1);
  const int size = keys.dims[2], kv_heads = keys.dims[0], heads = q.dims[2] / size, all = heads + 2 * kv_heads;
  const int64_t warp = (int64_t(blockIdx.x) * THREADS + threadIdx.x) / 32, row = warp / all;
  if (row >= q.dims[1]) return;
  const int head = int(warp % all), of_k = head - heads, of_v = of_k - kv_heads;
  const int64_t position = index_at(call, 0) + row;
  if (head < heads)
    turn(call, {q, row, int64_t(head) * size, d, 0, row, int64_t(head) * size}, position, size);
  else if (of_k < kv_heads)
    turn(call, {k, row, int64_t(of_k) * size, keys, of_k, position, 0}, position, size);
  else
    copy({v, row, int64_t(of_v) * size, values, of_v, position, 0}, 0, size);
}

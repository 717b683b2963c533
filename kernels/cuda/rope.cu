// rope: the plain loop, angles in double: a warp a head of a row of q, k or v, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

namespace assay {

/// One head of a row, from column `from` on to column `to` of a dense output or to a row of blocks.
struct Head {
  const assay_cuda_tensor& in;
  int64_t row, from;
  const assay_cuda_tensor& out;
  int64_t batch, out_row, to;
  bool is_turned;
};

/// Value i of the head as it is to be written.
__device__ float value_of(const assay_cuda_call& call, const Head& h, int64_t position, int i) {
  const int dimensions = int(param(call, ASSAY_CUDA_ROPE_DIMENSIONS)), half = dimensions / 2;
  const float x = value_at(h.in, 0, h.row, h.from + i);
  if (!h.is_turned || i >= dimensions) return x;
  const bool pairs = param(call, ASSAY_CUDA_ROPE_STYLE) != 0, is_second = pairs ? i % 2 == 1 : i >= half;
  const int j = pairs ? i / 2 : i % half, other = pairs ? i ^ 1 : is_second ? i - half : i + half;
  double angle = double(position) * pow(double(param(call, ASSAY_CUDA_ROPE_BASE)), -2.0 * j / dimensions);
  if (const assay_cuda_tensor* factors = find_tensor(call, ASSAY_CUDA_FACTORS))
    angle /= double(value_at(*factors, 0, 0, j));
  const float c = float(cos(angle)), s = float(sin(angle)), y = value_at(h.in, 0, h.row, h.from + other);
  return is_second ? x * c + y * s : x * c - y * s;
}

/// A lane a value; a block's largest is 127 steps, the others the nearest number of them.
__device__ void write_blocks(const assay_cuda_call& call, const Head& h, int64_t position, int size) {
  const int lane = int(threadIdx.x % 32u);
  uint8_t* block = static_cast<uint8_t*>(h.out.data) + 34 * (h.batch * h.out.strides[0] + h.out_row * h.out.strides[1]);
  for (int first = 0; first < size; first += 32, block += 34) {
    const float value = value_of(call, h, position, first + lane);
    float step = fabsf(value) / 127;
    for (int apart = 1; apart < 32; apart *= 2) step = fmaxf(step, __shfl_xor_sync(0xffffffffu, step, apart));
    const Half scale = from_float<Half>(step);
    if (lane == 0) *reinterpret_cast<Half*>(block) = scale;
    block[2 + lane] = uint8_t(scale.bits == 0 ? 0 : __float2int_rn(value / step));
  }
}

__device__ void write_head(const assay_cuda_call& call, const Head& h, int64_t position, int size) {
  if (h.out.layout == ASSAY_CUDA_BLOCKS) return write_blocks(call, h, position, size);
  for (int i = int(threadIdx.x % 32u); i < size; i += 32)
    put(h.out, h.batch, h.out_row, h.to + i, value_of(call, h, position, i));
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
    write_head(call, {q, row, int64_t(head) * size, d, 0, row, int64_t(head) * size, true}, position, size);
  else if (of_k < kv_heads)
    write_head(call, {k, row, int64_t(of_k) * size, keys, of_k, position, 0, true}, position, size);
  else
    write_head(call, {v, row, int64_t(of_v) * size, values, of_v, position, 0, false}, position, size);
}

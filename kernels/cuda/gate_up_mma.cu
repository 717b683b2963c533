// gate_up_mma: a row of A times gate and up at once on tensor cores, straight from 16-byte loads (row_dots.h): a warp has ROWS rows of
// each, and A is loaded once for both. Swiglu of the two sums is all that is written.
#define ASSAY_BOUNDS __launch_bounds__(32 * GROUPS)
#include "row_dots.h"

namespace assay {

template <class T>
__device__ __forceinline__ void write_swiglu(void* d, int64_t at, float gate, float up) {
  static_cast<T*>(d)[at] = from_float<T>(gate / (1 + expf(-gate)) * up);
}

template <class T>
__device__ __forceinline__ void gate_up(const assay_cuda_call& call) {
  using D = RowDots<T, ROWS, STEPS, HINT>;
  constexpr int kOwn = STEPS * D::kStep;  // values of a row that a pass takes
  const assay_cuda_operands& o = call.operands;
  const int k = o.columns, n = call.tensors[3].dims[2], m_row = int(blockIdx.y);
  Rows gates{o.data[1], nullptr, o.data[3], nullptr, uint32_t(k), n, (int(blockIdx.x) * GROUPS + int(threadIdx.x / 32u)) * ROWS, 0};
  Rows ups = gates;
  ups.b = o.data[2];
  const T* a = static_cast<const T*>(o.data[0]) + int64_t(m_row) * k;
  typename D::Pointers of_gates = D::pointers(gates, 0), of_ups = D::pointers(ups, 0);
  D gate, up;
  gate.clear(), up.clear();
  for (int from = 0; from < k; from += kOwn) {
    gate.load_b(of_gates, from, k);
    up.load_b(of_ups, from, k);
    gate.load_a(a, from, k);
#pragma unroll
    for (int i = 0; i < STEPS; ++i) up.a[i] = gate.a[i];
    gate.multiply();
    up.multiply();
    of_gates.low += kOwn, of_gates.high += kOwn, of_ups.low += kOwn, of_ups.high += kOwn;
  }
  float gate_low, gate_high, up_low, up_high;
  gate.reduce(gate_low, gate_high);
  up.reduce(up_low, up_high);
  const int row = gates.row + D::lane_row(), other = row + ROWS / 2;
  if (!D::holds()) return;
  if (row < n) write_swiglu<T>(o.data[3], int64_t(m_row) * n + row, gate_low, up_low);
  if (other < n) write_swiglu<T>(o.data[3], int64_t(m_row) * n + other, gate_high, up_high);
}

}  // namespace assay

extern "C" __global__ void ASSAY_BOUNDS run_f16_f16_f16(const __grid_constant__ assay_cuda_call call) { assay::gate_up<assay::Half>(call); }
extern "C" __global__ void ASSAY_BOUNDS run_bf16_bf16_bf16(const __grid_constant__ assay_cuda_call call) { assay::gate_up<assay::Bfloat>(call); }

// openblas: OpenBLAS's sgemv (m = 1) or sgemm per batch and segment, with its own threads. PREPARED=1: weights made f32
// before.
#include <cblas.h>

#include "f32_product.h"

namespace assay {
namespace {

void multiply(const Matrix& b, const float* a, int64_t m, int64_t n, int64_t k, float alpha, float* out) {
  const auto ld = int(b.ld), rows = int(b.transposed ? n : k), columns = int(b.transposed ? k : n);
  if (m == 1) {
    const auto order = b.transposed ? CblasNoTrans : CblasTrans;
    cblas_sgemv(CblasRowMajor, order, rows, columns, alpha, b.data, ld, a, 1, 0, out, 1);
    return;
  }
  const auto order = b.transposed ? CblasTrans : CblasNoTrans;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, order, int(m), int(n), int(k), alpha, a, int(k), b.data, ld, 0, out, int(n));
}

int run(const assay_call* call, const assay_thread* thread) {
  static uint32_t threads = 0;
  if (threads != thread->available) openblas_set_num_threads(int(threads = thread->available));
  const assay_tensor& shape = *find_tensor(*call, ASSAY_A);
  const int64_t m = shape.dims[1], k = shape.dims[2];
  const float* a = dense_a(*call);
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const int64_t n = find_tensor(*call, ASSAY_B, s)->dims[1];
    Matrix b;
    if (!weights_of(*call, s, &b) || b.ld > INT32_MAX || n > INT32_MAX || k > INT32_MAX) return ASSAY_UNSUPPORTED;
    float* direct = direct_output(*call, s, true);
    float* out = direct ? direct : products_of(*call);
    for (int64_t batch = 0; batch < shape.dims[0]; ++batch) {
      const Matrix one = {b.data + batch * b.batch_stride, 0, b.ld, b.transposed};
      multiply(one, a + batch * m * k, m, n, k, direct ? param(*call, ASSAY_ALPHA, 1) : 1, out + batch * m * n);
    }
    if (!direct) write_products(*call, s, out);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

#if PREPARED
ASSAY_KERNEL_ENTRY("openblas", assay::a_and_products_bytes, assay::prepared_bytes, assay::prepare, assay::run)
#else
ASSAY_KERNEL_ENTRY("openblas", assay::a_and_products_bytes, nullptr, nullptr, assay::run)
#endif

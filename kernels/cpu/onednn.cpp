// onednn: oneDNN's matmul primitive per segment, with its own threads (OpenMP). PREPARED=1: weights made f32 before.
#include <dnnl.h>
#if DNNL_VERSION_MAJOR != 2
#error "written for the C interface of oneDNN 2; this is another version"
#endif

#include "f32_product.h"

extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace assay {
namespace {

struct Operand {
  dnnl_dims_t dims, strides;
  dnnl_data_type_t type;
  const void* data;
};

struct Operands {
  Operand a, b, d;
  int rank;
};

bool same(const Operand& x, const Operand& y, int rank) {
  for (int i = 0; i < rank; ++i)
    if (x.dims[i] != y.dims[i] || x.strides[i] != y.strides[i]) return false;
  return x.type == y.type;
}

/// A primitive and its memories, kept for calls of the same shape: only the pointers change.
struct Primitive {
  Operands shape{};
  dnnl_primitive_t primitive = nullptr;
  dnnl_memory_t a = nullptr, b = nullptr, d = nullptr;

  void release() {
    if (primitive) dnnl_primitive_destroy(primitive);
    if (a) dnnl_memory_destroy(a);
    if (b) dnnl_memory_destroy(b);
    if (d) dnnl_memory_destroy(d);
    *this = Primitive();
  }
};

constexpr uint32_t kMostSegments = 8;
Primitive primitives[kMostSegments];
dnnl_engine_t engine = nullptr;
dnnl_stream_t stream = nullptr;

bool is(dnnl_status_t status) { return status == dnnl_success; }

dnnl_status_t describe(const Operand& o, int rank, dnnl_memory_desc_t* out) {
  return dnnl_memory_desc_init_by_strides(out, rank, o.dims, o.type, o.strides);
}

/// dnnl_unimplemented where this CPU or version has no such product.
dnnl_status_t create(const Operands& o, Primitive* p) {
  p->release();
  dnnl_memory_desc_t a, b, d;
  dnnl_matmul_desc_t matmul;
  dnnl_primitive_desc_t description = nullptr;
  if (!is(describe(o.a, o.rank, &a)) || !is(describe(o.b, o.rank, &b)) || !is(describe(o.d, o.rank, &d)))
    return dnnl_unimplemented;
  if (!is(dnnl_matmul_desc_init(&matmul, &a, &b, nullptr, &d))) return dnnl_unimplemented;
  if (!is(dnnl_primitive_desc_create(&description, &matmul, nullptr, engine, nullptr))) return dnnl_unimplemented;
  const dnnl_status_t made = dnnl_primitive_create(&p->primitive, description);
  dnnl_primitive_desc_destroy(description);
  const bool all = is(made) && is(dnnl_memory_create(&p->a, &a, engine, DNNL_MEMORY_NONE)) &&
                   is(dnnl_memory_create(&p->b, &b, engine, DNNL_MEMORY_NONE)) &&
                   is(dnnl_memory_create(&p->d, &d, engine, DNNL_MEMORY_NONE));
  if (all) p->shape = o;
  if (!all) p->release();
  return all ? dnnl_success : dnnl_runtime_error;
}

bool execute(const Operands& o, const Primitive& p) {
  dnnl_memory_set_data_handle(p.a, const_cast<void*>(o.a.data));
  dnnl_memory_set_data_handle(p.b, const_cast<void*>(o.b.data));
  dnnl_memory_set_data_handle(p.d, const_cast<void*>(o.d.data));
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p.a}, {DNNL_ARG_WEIGHTS, p.b}, {DNNL_ARG_DST, p.d}};
  return is(dnnl_primitive_execute(p.primitive, stream, 3, arguments)) && is(dnnl_stream_wait(stream));
}

/// [batch, rows, columns], or without the batch where it is 1.
Operand operand(const void* data, dnnl_data_type_t type, int rank, const int64_t (&dims)[3],
                const int64_t (&strides)[3]) {
  Operand o{};
  o.type = type;
  o.data = data;
  for (int i = 0; i < rank; ++i) o.dims[i] = dims[3 - rank + i], o.strides[i] = strides[3 - rank + i];
  return o;
}

/// The product as f32, or as bf16 where A and B both are; D is `products` unless it can be written at once.
bool operands_of(const assay_call& call, uint32_t segment, Operands* out, bool* direct) {
  const assay_tensor &a = *find_tensor(call, ASSAY_A), &b = *find_tensor(call, ASSAY_B, segment);
  const assay_tensor& d = *find_tensor(call, ASSAY_D, segment);
  const int64_t batch = a.dims[0], m = a.dims[1], k = a.dims[2], n = b.dims[1];
  out->rank = batch == 1 ? 2 : 3;
  if (!PREPARED && b.dtype == ASSAY_BF16 && a.dtype == ASSAY_BF16) {
    out->a = operand(a.data, dnnl_bf16, out->rank, {batch, m, k}, {a.strides[0], a.strides[1], a.strides[2]});
    out->b = operand(b.data, dnnl_bf16, out->rank, {batch, k, n}, {b.strides[0], b.strides[2], b.strides[1]});
    const bool plain =
        param(call, ASSAY_ALPHA, 1) == 1 && param(call, ASSAY_BETA, 0) == 0 && !find_tensor(call, ASSAY_BIAS, segment);
    *direct = is_dense(d) && d.dtype != ASSAY_F16 && plain;
    const auto type = *direct && d.dtype == ASSAY_BF16 ? dnnl_bf16 : dnnl_f32;
    const void* data = *direct ? d.data : products_of(call);
    out->d = operand(data, type, out->rank, {batch, m, n}, {m * n, n, 1});
    return true;
  }
  Matrix weights;
  if (!weights_of(call, segment, &weights)) return false;
  const int64_t k_stride = weights.transposed ? 1 : weights.ld, n_stride = weights.transposed ? weights.ld : 1;
  out->a = operand(dense_a(call), dnnl_f32, out->rank, {batch, m, k}, {m * k, k, 1});
  out->b = operand(weights.data, dnnl_f32, out->rank, {batch, k, n}, {weights.batch_stride, k_stride, n_stride});
  float* in_place = direct_output(call, segment, false);
  *direct = in_place != nullptr;
  out->d = operand(in_place ? in_place : products_of(call), dnnl_f32, out->rank, {batch, m, n}, {m * n, n, 1});
  return true;
}

int run(const assay_call* call, const assay_thread* thread) {
  static uint32_t threads = 0;
  if (threads != thread->available && omp_set_num_threads) omp_set_num_threads(int(threads = thread->available));
  if (!engine && !is(dnnl_engine_create(&engine, dnnl_cpu, 0))) return ASSAY_FAILED;
  if (!stream && !is(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags))) return ASSAY_FAILED;
  if (segment_count(*call) > kMostSegments) return ASSAY_UNSUPPORTED;
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    Operands operands{};
    bool direct = false;
    if (!operands_of(*call, s, &operands, &direct)) return ASSAY_UNSUPPORTED;
    Primitive& p = primitives[s];
    const Operands& had = p.shape;
    const bool ready = p.primitive && had.rank == operands.rank && same(had.a, operands.a, had.rank) &&
                       same(had.b, operands.b, had.rank) && same(had.d, operands.d, had.rank);
    if (!ready) {
      const dnnl_status_t status = create(operands, &p);
      if (!is(status)) return status == dnnl_unimplemented ? ASSAY_UNSUPPORTED : ASSAY_FAILED;
    }
    if (!execute(operands, p)) return ASSAY_FAILED;
    if (!direct) write_products(*call, s, products_of(*call));
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

#if PREPARED
ASSAY_KERNEL_ENTRY("onednn", assay::a_and_products_bytes, assay::prepared_bytes, assay::prepare, assay::run)
#else
ASSAY_KERNEL_ENTRY("onednn", assay::a_and_products_bytes, nullptr, nullptr, assay::run)
#endif

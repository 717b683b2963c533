// ggml: ggml's mul_mat for each segment, one graph of its CPU backend, with its own threads. Weights lie as they are.
#include <ggml.h>
#if __has_include(<ggml-cpu.h>)
#include <ggml-cpu.h>
#define HAS_THREADPOOL 1
#else  // before the CPU was a backend of its own
#define HAS_THREADPOOL 0
#endif
#define PREPARED 0
#include "f32_product.h"

namespace assay {
namespace {

struct TypePair {
  uint32_t ours;
  ggml_type theirs;
};
constexpr TypePair kTypes[] = {
    {ASSAY_F32, GGML_TYPE_F32},
    {ASSAY_F16, GGML_TYPE_F16},
    {ASSAY_BF16, GGML_TYPE_BF16},
    {ASSAY_Q8_0, GGML_TYPE_Q8_0},
    {ASSAY_Q4_0, GGML_TYPE_Q4_0},
    {ASSAY_Q4_1, GGML_TYPE_Q4_1},
    {ASSAY_Q5_0, GGML_TYPE_Q5_0},
    {ASSAY_Q5_1, GGML_TYPE_Q5_1},
};

bool is_theirs(const assay_tensor& t, ggml_type* out) {
  if (t.layout == ASSAY_Q8_0_SPLIT || t.strides[2] != 1) return false;
  for (const TypePair& pair : kTypes)
    if (pair.ours == t.dtype) return *out = pair.theirs, true;
  return false;
}

constexpr uint32_t kMostSegments = 8;

/// A graph and its tensors, kept for calls of the same shape: only the pointers change.
struct Graph {
  struct Shape {
    uint32_t dtype;
    int64_t dims[3], strides[3];
  };
  Shape shapes[1 + kMostSegments];
  uint32_t segments = 0;
  bool a_in_place = false;
  ggml_context* context = nullptr;
  ggml_cgraph* graph = nullptr;
  ggml_cplan plan;
  uint8_t* work = nullptr;
  ggml_tensor *a, *b[kMostSegments], *d[kMostSegments];

  static Shape shape_of(const assay_tensor& t) {
    return {t.dtype, {t.dims[0], t.dims[1], t.dims[2]}, {t.strides[0], t.strides[1], t.strides[2]}};
  }

  static bool has(const Shape& shape, const assay_tensor& t) {
    const Shape other = shape_of(t);
    bool equal = shape.dtype == other.dtype;
    for (int i = 0; i < 3; ++i) equal = equal && shape.dims[i] == other.dims[i] && shape.strides[i] == other.strides[i];
    return equal;
  }

  bool is_of(const assay_call& call) const {
    bool same = context && segments == segment_count(call) && has(shapes[0], *find_tensor(call, ASSAY_A));
    for (uint32_t s = 0; same && s < segments; ++s) same = has(shapes[1 + s], *find_tensor(call, ASSAY_B, s));
    return same;
  }

  /// `t` as ggml sees it: dimensions innermost first, strides in bytes; dense where `strides` are not its own.
  ggml_tensor* describe(const assay_tensor& t, ggml_type type, bool dense) const {
    ggml_tensor* made = ggml_new_tensor_3d(context, type, t.dims[2], t.dims[1], t.dims[0]);
    if (dense) return made;
    if (t.dims[1] > 1) made->nb[1] = size_t(t.strides[1]) * ggml_type_size(type);
    made->nb[2] = t.dims[0] > 1 ? size_t(t.strides[0]) * ggml_type_size(type) : made->nb[1] * size_t(t.dims[1]);
    made->nb[3] = made->nb[2] * size_t(t.dims[0]);
    return made;
  }

  void release() {
    if (context) ggml_free(context);
    free(work);
    *this = Graph();
  }

  bool build(const assay_call& call, int threads);
};

Graph kept;

#if HAS_THREADPOOL
ggml_cplan plan_of(ggml_cgraph* graph, int threads) {
  static ggml_threadpool* pool = nullptr;
  static int size = 0;
  if (size != threads) {
    if (pool) ggml_threadpool_free(pool);
    ggml_threadpool_params params = ggml_threadpool_params_default(size = threads);
    pool = ggml_threadpool_new(&params);
  }
  return ggml_graph_plan(graph, threads, pool);
}
#else
ggml_cplan plan_of(ggml_cgraph* graph, int threads) { return ggml_graph_plan(graph, threads); }
#endif

bool Graph::build(const assay_call& call, int threads) {
  release();
  const assay_tensor& of_a = *find_tensor(call, ASSAY_A);
  segments = segment_count(call);
  if (segments > kMostSegments) return false;
  constexpr size_t kTensors = 1 + 2 * kMostSegments;
  context = ggml_init({kTensors * ggml_tensor_overhead() + ggml_graph_overhead_custom(2 * kTensors, false), nullptr,
                       /*no_alloc=*/true});
  if (!context) return false;
  graph = ggml_new_graph_custom(context, 2 * kTensors, false);
  shapes[0] = shape_of(of_a);
  // Weights of 16 bits take activations of the same type as they are; all else is given floats.
  ggml_type a_type = GGML_TYPE_F32;
  const uint32_t b_type = find_tensor(call, ASSAY_B)->dtype;
  a_in_place = of_a.dtype == b_type && b_type != ASSAY_F32 && is_theirs(of_a, &a_type);
  a = describe(of_a, a_type, !a_in_place);
  for (uint32_t s = 0; s < segments; ++s) {
    const assay_tensor& of_b = *find_tensor(call, ASSAY_B, s);
    ggml_type type;
    if (!is_theirs(of_b, &type)) return release(), false;
    shapes[1 + s] = shape_of(of_b);
    b[s] = describe(of_b, type, false);
    d[s] = ggml_mul_mat(context, b[s], a);
    ggml_build_forward_expand(graph, d[s]);
  }
  plan = plan_of(graph, threads);
  if (plan.work_size) plan.work_data = work = static_cast<uint8_t*>(aligned_alloc(64, round_up(plan.work_size, 64)));
  return !plan.work_size || work;
}

int run(const assay_call* call, const assay_thread* thread) {
  if (!kept.is_of(*call) && !kept.build(*call, int(thread->available))) return ASSAY_UNSUPPORTED;
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  kept.a->data = kept.a_in_place ? a.data : const_cast<float*>(dense_a(*call));
  float* products = products_of(*call);
  for (uint32_t s = 0; s < kept.segments; ++s) {
    float* direct = direct_output(*call, s, false);
    kept.b[s]->data = find_tensor(*call, ASSAY_B, s)->data;
    kept.d[s]->data = direct ? direct : products;
    products += element_count(*find_tensor(*call, ASSAY_D, s));
  }
  if (ggml_graph_compute(kept.graph, &kept.plan) != GGML_STATUS_SUCCESS) return ASSAY_FAILED;
  for (uint32_t s = 0; s < kept.segments; ++s)
    if (!direct_output(*call, s, false)) write_products(*call, s, static_cast<const float*>(kept.d[s]->data));
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("ggml", assay::a_and_products_bytes, nullptr, nullptr, assay::run)

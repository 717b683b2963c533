/* The CUDA kernel ABI: what a kernel gets. One struct by value, the same for every variant; host and device read it
 * alike. */
#ifndef ASSAY_CUDA_H
#define ASSAY_CUDA_H

#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
#else
#include <stdint.h>
#endif

#define ASSAY_CUDA_ABI_VERSION 5u
#define ASSAY_CUDA_SEGMENTS 3
#define ASSAY_CUDA_TENSORS (1 + 4 * ASSAY_CUDA_SEGMENTS)
#define ASSAY_CUDA_PARAMS 4

/* I32: positions and lengths, which an op gets as small tensors in device memory: a graph replays unchanged. */
enum assay_cuda_dtype {
  ASSAY_CUDA_F32 = 0,
  ASSAY_CUDA_F16 = 1,
  ASSAY_CUDA_BF16 = 2,
  ASSAY_CUDA_Q8_0 = 3,
  ASSAY_CUDA_I32 = 4,
  ASSAY_CUDA_Q4_0 = 5,
  ASSAY_CUDA_Q5_0 = 6,
  ASSAY_CUDA_Q4_K = 7,
  ASSAY_CUDA_Q6_K = 8,
  ASSAY_CUDA_Q4_1 = 9,
  ASSAY_CUDA_Q5_1 = 10,
  ASSAY_CUDA_Q5_K = 11
};
enum assay_cuda_layout { ASSAY_CUDA_STRIDED = 0, ASSAY_CUDA_BLOCKS = 1, ASSAY_CUDA_Q8_0_SPLIT = 2 };
enum assay_cuda_role {
  ASSAY_CUDA_A = 0,
  ASSAY_CUDA_B = 1,
  ASSAY_CUDA_C = 2,
  ASSAY_CUDA_D = 3,
  ASSAY_CUDA_BIAS = 4,
  ASSAY_CUDA_INDEX = 5,  /* I32: the position of the first row, or row numbers */
  ASSAY_CUDA_CACHE = 6,  /* segment 0: keys, 1: values of earlier tokens */
  ASSAY_CUDA_FACTORS = 7 /* of rope's frequencies, F32 */
};

/* Element (i0,i1,i2) of [batch, rows, columns] lies at data + Σ i·strides; strides in elements, in blocks of
 * the tensor's dtype where its layout is BLOCKS (as GGUF lays them out). A is [batch, m, k], C and D are [batch, m, n], BIAS is [1, 1, n], B is [batch, n, k] whatever its
 * storage (strides tell). `scales`: only where Q8_0 is split, k/32 halves a row of B. Addresses are 64-byte aligned;
 * rows need not be. */
typedef struct assay_cuda_tensor {
  void* data;
  void* scales;
  int64_t strides[3];
  int32_t dims[3];
  uint8_t role, segment, dtype, layout; /* assay_cuda_role, index, assay_cuda_dtype, assay_cuda_layout */
  int64_t bytes, scale_bytes;           /* what it takes at data and at scales */
} assay_cuda_tensor;

typedef struct assay_cuda_segment {
  assay_cuda_tensor b, d, c, bias; /* bias.data is null without one; beta = 0: C holds NaN and is never read */
} assay_cuda_segment;

/* What products of one row need, again and side by side: each line of constants that a launch touches comes from
 * memory, and three of them in turn took half a microsecond on an H200. The first 48 bytes, where Hopper's line ends,
 * are what every launch needs before its weights are asked for; the next 64 those of fused outputs, bias and scales.
 * assay_cuda_set_brief() makes it. */
typedef struct assay_cuda_brief {
  const void *a, *b; /* b: the prepared weights where they are given */
  void* d;
  int32_t k, n;    /* n: of the first segment, as b and d */
  int32_t stride;  /* from row to row of B in memory, in elements or blocks; k where prepared */
  uint32_t pieces; /* of 16 bytes in b, if that is all there is to read (one segment, no scales, whole 16 bytes, less
                      than 32 GB); else 0 */
  uint16_t segments;
  uint8_t adds_c, biased; /* whether beta is not 0; bit s: segment s has a bias */
  float alpha;

  float beta;
  uint32_t zero;                           /* a 0 that the compiler does not know */
  int32_t more_n[ASSAY_CUDA_SEGMENTS - 1]; /* of the other segments */
  const void* more_b[ASSAY_CUDA_SEGMENTS - 1];
  void* more_d[ASSAY_CUDA_SEGMENTS - 1];
  struct {
    const void *bias, *scales; /* null without */
  } beside[ASSAY_CUDA_SEGMENTS];

  int64_t bytes[ASSAY_CUDA_SEGMENTS], scale_bytes[ASSAY_CUDA_SEGMENTS];
} assay_cuda_brief;

/* The same of the other ops: two lines of constants. Dense operands are all that these numbers tell of.
 * assay_cuda_set_operands() makes it. */
#define ASSAY_CUDA_OPERANDS 8
typedef struct assay_cuda_operands {
  int32_t rows, columns;                         /* of the first output; of the first tensor */
  int32_t heads, kv_heads, head_size, capacity;  /* where there is a cache, else 0 */
  float params[ASSAY_CUDA_PARAMS];               /* in the op's order, 0 where there is none */
  void* data[ASSAY_CUDA_OPERANDS];               /* of each tensor, in the op's order; null where there is none */
  void* workspace;
} assay_cuda_operands;

/* Of a copy, which has neither cache nor parameters: its order in their place. */
typedef struct assay_cuda_copy {
  int32_t rows, columns, batches; /* of D; batches is 0 where a stride is no 32-bit number */
  int32_t repeat;                 /* D's batches for one of A's */
  int32_t a_strides[3], d_strides[3];
  void *a, *d;
} assay_cuda_copy;

/* Of the other ops, [batch, rows, columns] of each operand (numbers behind a role are segments); F32 inside, one rounding
 * at the end, whatever the types:
 *   rms_norm        A [1,m,n], B [1,1,n], D [1,m,n] = A · B / √(mean of A² over the row + ASSAY_CUDA_EPS). With C [1,m,n] A + C takes
 *                   A's place, and D 1 [1,m,n] is that sum.
 *   swiglu          A 0 = gate, A 1 = up, D [1,m,n] = gate / (1 + exp(−gate)) · up.
 *   matmul_swiglu   A [1,m,k], B 0 = gate, B 1 = up [1,n,k], D [1,m,n] = swiglu of the two products.
 *   embedding       B [1,rows,n] the table, INDEX [1,1,m] row numbers, D [1,m,n] those rows.
 *   rope            A 0 = q [1,m,heads·size], A 1 = k, A 2 = v [1,m,kv_heads·size]; INDEX [1,1,1] the position p of row 0;
 *                   FACTORS [1,1,dimensions/2], if any, divide frequencies. D [1,m,heads·size] = q turned; CACHE 0, 1
 *                   [kv_heads,capacity,size]: rows p … p+m−1 get k turned and v as it is; the others stay. Row i is turned
 *                   by (p+i)·ASSAY_CUDA_ROPE_BASE^(−2j/dimensions)/factor j. ASSAY_CUDA_ROPE_STYLE 0 ("neox") turns values j and
 *                   j + dimensions/2 of a head, 1 ("pairs") 2j and 2j+1; values from ASSAY_CUDA_ROPE_DIMENSIONS on stay.
 *   attention       A = q [1,m,heads·size], CACHE 0 = keys, 1 = values [kv_heads,capacity,size]; INDEX [1,1,1] the position
 *                   p of row 0. Row i sees the first p+i+1 rows of the cache; heads/kv_heads query heads in a row share
 *                   one. D [1,m,heads·size] = softmax(ASSAY_CUDA_SCALE · q·keys) · values.
 *   argmax          A [1,m,n], D [1,m,1] I32: the first place of a row's largest value.
 *   top_k           A [1,m,n], D 0 [1,m,k] the k largest values of a row, largest first, D 1 [1,m,k] I32 their places;
 *                   of equal values the earlier one is first.
 *   copy            A → D of the same dims in another order or type (strides tell); D's batch b is A's batch
 *                   b / (D's batches / A's batches). */
enum assay_cuda_op {
  ASSAY_CUDA_MATMUL = 1,
  ASSAY_CUDA_RMS_NORM = 2,
  ASSAY_CUDA_SWIGLU = 3,
  ASSAY_CUDA_EMBEDDING = 4,
  ASSAY_CUDA_ROPE = 5,
  ASSAY_CUDA_ATTENTION = 6,
  ASSAY_CUDA_ARGMAX = 7,
  ASSAY_CUDA_TOP_K = 8,
  ASSAY_CUDA_COPY = 9,
  ASSAY_CUDA_MATMUL_SWIGLU = 10
};
enum assay_cuda_param_id {
  ASSAY_CUDA_ALPHA = 1,
  ASSAY_CUDA_BETA = 2,
  ASSAY_CUDA_EPS = 3,
  ASSAY_CUDA_ROPE_BASE = 4,
  ASSAY_CUDA_ROPE_DIMENSIONS = 5,
  ASSAY_CUDA_ROPE_STYLE = 6,
  ASSAY_CUDA_SCALE = 7
};

typedef struct assay_cuda_param {
  uint32_t id; /* assay_cuda_param_id */
  float value;
} assay_cuda_param;

/* The operands of a matmul, by name. segment[s] for s < segments; the rest is zero. A kernel's D is alpha·A·B + beta·C +
 * bias, summed in F32, rounded once. */
typedef struct assay_cuda_matmul {
  assay_cuda_tensor a;
  assay_cuda_segment segment[ASSAY_CUDA_SEGMENTS];
} assay_cuda_matmul;

typedef struct assay_cuda_call {
  union {
    assay_cuda_brief brief;       /* of a matmul */
    assay_cuda_operands operands; /* of another op */
    assay_cuda_copy copy;         /* of a copy */
  };
  uint32_t struct_size, abi_version;
  uint32_t op, segments; /* assay_cuda_op; of a matmul, else 0 */
  uint32_t param_count, tensor_count;
  uint32_t prepared_given, reserved;
  void* workspace; /* content undefined at every launch */
  void* prepared;  /* what prepare wrote, or null */
  int64_t workspace_bytes, prepared_bytes;
  assay_cuda_param params[ASSAY_CUDA_PARAMS]; /* in the op's order: of a matmul alpha, beta */
  union {
    assay_cuda_tensor tensors[ASSAY_CUDA_TENSORS]; /* in the op's order, told by their roles */
    assay_cuda_matmul matmul;
  };
} assay_cuda_call;

#ifndef __CUDACC_RTC__
/* Of a matmul; to be called last, when everything else is set. */
static inline void assay_cuda_set_brief(assay_cuda_call* call) {
  const assay_cuda_segment* s = call->matmul.segment;
  assay_cuda_brief* to = &call->brief;
  to->a = call->matmul.a.data;
  to->b = call->prepared_given ? call->prepared : s->b.data;
  to->d = s->d.data;
  to->k = s->b.dims[2];
  to->n = s->b.dims[1];
  to->stride =
      call->prepared_given ? s->b.dims[2] : (int32_t)(s->b.strides[1] != 1 ? s->b.strides[1] : s->b.strides[2]);
  to->pieces = call->segments == 1 && s->b.scale_bytes == 0 && s->b.bytes % 16 == 0 && s->b.bytes < ((int64_t)1 << 35)
                   ? (uint32_t)(s->b.bytes / 16)
                   : 0;
  to->segments = (uint16_t)call->segments;
  to->adds_c = call->params[1].value != 0;
  to->biased = 0;
  to->alpha = call->params[0].value;
  to->beta = call->params[1].value;
  to->zero = 0;
  for (int i = 0; i < ASSAY_CUDA_SEGMENTS; ++i) {
    if (s[i].bias.data) to->biased = (uint8_t)(to->biased | 1 << i);
    to->beside[i].bias = s[i].bias.data;
    to->beside[i].scales = s[i].b.scales;
    to->bytes[i] = s[i].b.bytes;
    to->scale_bytes[i] = s[i].b.scale_bytes;
    if (i == 0) continue;
    to->more_n[i - 1] = s[i].b.dims[1];
    to->more_b[i - 1] = s[i].b.data;
    to->more_d[i - 1] = s[i].d.data;
  }
}

/* Of another op; likewise. */
static inline void assay_cuda_set_operands(assay_cuda_call* call) {
  assay_cuda_operands* to = &call->operands;
  to->workspace = call->workspace;
  to->columns = call->tensors[0].dims[2];
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const assay_cuda_tensor* t = &call->tensors[i];
    if (i < ASSAY_CUDA_OPERANDS) to->data[i] = t->data;
    if (t->role == ASSAY_CUDA_D && t->segment == 0) to->rows = t->dims[1];
    if (t->role != ASSAY_CUDA_CACHE) continue;
    to->kv_heads = t->dims[0], to->capacity = t->dims[1], to->head_size = t->dims[2];
  }
  if (call->op == ASSAY_CUDA_COPY) {
    const assay_cuda_tensor *a = &call->tensors[0], *d = &call->tensors[1];
    assay_cuda_copy copy = {d->dims[1], d->dims[2], d->dims[0], d->dims[0] / a->dims[0], {0, 0, 0}, {0, 0, 0}, a->data, d->data};
    for (int i = 0; i < 3; ++i) {
      copy.a_strides[i] = (int32_t)a->strides[i], copy.d_strides[i] = (int32_t)d->strides[i];
      if (copy.a_strides[i] != a->strides[i] || copy.d_strides[i] != d->strides[i]) copy.batches = 0;
    }
    call->copy = copy;
    return;
  }
  to->heads = to->head_size > 0 ? to->columns / to->head_size : 0;
  for (int i = 0; i < ASSAY_CUDA_PARAMS; ++i) to->params[i] = call->params[i].value;
}
#endif

/* A source's entries: run_LAYOUT_A_B_D for each combination that its manifest promises (layout: A, then B as they lie
 * in memory; types f16 bf16 f32 q8_0 q4_0 …, and q8_0_split for the split storage), or one plain `run` that looks at the
 * tensors' types itself. Of a spec with several outputs fused_LAYOUT_A_B_D is run if there is one: a case less for the
 * others to tell apart. Where weights are repacked, prepare_LAYOUT_A_B_D or `prepare` likewise: reads B, writes
 * `prepared`. */
#ifdef __CUDACC__
#ifndef ASSAY_BOUNDS
#define ASSAY_BOUNDS
#endif
#define ASSAY_ENTRY(layout, a, b, d) \
  extern "C" __global__ void ASSAY_BOUNDS run_##layout##_##a##_##b##_##d(const __grid_constant__ assay_cuda_call call)
#define ASSAY_FUSED_ENTRY(layout, a, b, d) \
  extern "C" __global__ void ASSAY_BOUNDS fused_##layout##_##a##_##b##_##d(const __grid_constant__ assay_cuda_call call)
#define ASSAY_RUN extern "C" __global__ void ASSAY_BOUNDS run(const __grid_constant__ assay_cuda_call call)
#define ASSAY_PREPARE extern "C" __global__ void prepare(const __grid_constant__ assay_cuda_call call)
#endif

#endif

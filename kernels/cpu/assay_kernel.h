/* The kernel ABI: what a compute kernel gets, and what it gives. C, versioned; shipped and dropped-in kernels alike. */
#ifndef ASSAY_KERNEL_H
#define ASSAY_KERNEL_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_ABI_VERSION 3u

/* I32: positions and lengths, which an op gets as small tensors in device memory: what changes from token to token is
 * no parameter. The block types are GGUF's: 32 values a block, of the _K types 256. */
enum assay_dtype {
  ASSAY_F32 = 0,
  ASSAY_F16 = 1,
  ASSAY_BF16 = 2,
  ASSAY_Q8_0 = 3,
  ASSAY_I32 = 4,
  ASSAY_Q4_0 = 5,
  ASSAY_Q5_0 = 6,
  ASSAY_Q4_K = 7,
  ASSAY_Q6_K = 8,
  ASSAY_Q4_1 = 9,
  ASSAY_Q5_1 = 10,
  ASSAY_Q5_K = 11
};

/* How a tensor lies in memory. STRIDED: element (i0,i1,i2) at data + Σ i·stride elements, dims and strides outermost
 * first. BLOCKS: rows of blocks of the tensor's dtype, one behind the other as GGUF lays them out; strides in blocks,
 * addresses even and no more. Q8_0_SPLIT: int8 values at data (row-major, strided), f16 scales at scales, k/32 a row.
 */
enum assay_layout { ASSAY_STRIDED = 0, ASSAY_BLOCKS = 1, ASSAY_Q8_0_SPLIT = 2 };

enum assay_role {
  ASSAY_A = 0,
  ASSAY_B = 1,
  ASSAY_C = 2,
  ASSAY_D = 3,
  ASSAY_BIAS = 4,
  ASSAY_INDEX = 5,  /* I32: the position of the first row, or row numbers */
  ASSAY_CACHE = 6,  /* segment 0: keys, 1: values of earlier tokens */
  ASSAY_FACTORS = 7 /* of rope's frequencies, F32 */
};

enum assay_op {
  ASSAY_MATMUL = 1,
  ASSAY_RMS_NORM = 2,
  ASSAY_SWIGLU = 3,
  ASSAY_EMBEDDING = 4,
  ASSAY_ROPE = 5,
  ASSAY_ATTENTION = 6,
  ASSAY_ARGMAX = 7,
  ASSAY_TOP_K = 8,
  ASSAY_COPY = 9,
  ASSAY_MATMUL_SWIGLU = 10
};

/* Parameters of an op, by id. */
enum assay_param_id {
  ASSAY_ALPHA = 1,
  ASSAY_BETA = 2,
  ASSAY_EPS = 3,
  ASSAY_ROPE_BASE = 4,
  ASSAY_ROPE_DIMENSIONS = 5,
  ASSAY_ROPE_STYLE = 6,
  ASSAY_SCALE = 7
};

/* For matmul every A, C and D tensor is [batch, m, columns]; A is [batch, m, k] whatever its storage order (strides
 * tell). B is [batch, n, k] in logical order n, k whatever its storage (strides tell: NT has the stride of k = 1, NN
 * that of n = 1). BIAS is [1, 1, n]. A fused spec has one B, D (and BIAS) per segment.
 * Of the other ops, [batch, rows, columns] of each operand (numbers behind a role are segments); F32 inside, one
 * rounding at the end, whatever the types: rms_norm        A [1,m,n], B [1,1,n], D [1,m,n] = A · B / √(mean of A² over
 * the row + ASSAY_EPS). With C [1,m,n] A + C takes A's place, and D 1 [1,m,n] is that sum. swiglu          A 0 = gate,
 * A 1 = up, D [1,m,n] = gate / (1 + exp(−gate)) · up. matmul_swiglu   A [1,m,k], B 0 = gate, B 1 = up [1,n,k], D
 * [1,m,n] = swiglu of the two products. embedding       B [1,rows,n] the table, INDEX [1,1,m] row numbers, D [1,m,n]
 * those rows. rope            A 0 = q [1,m,heads·size], A 1 = k, A 2 = v [1,m,kv_heads·size]; INDEX [1,1,1] the
 * position p of row 0; FACTORS [1,1,dimensions/2], if any, divide frequencies. D [1,m,heads·size] = q turned; CACHE 0,
 * 1 [kv_heads,capacity,size]: rows p … p+m−1 get k turned and v as it is; the others stay. Row i is turned by
 * (p+i)·ASSAY_ROPE_BASE^(−2j/dimensions)/factor j. ASSAY_ROPE_STYLE 0 ("neox") turns values j and j + dimensions/2 of a
 * head, 1 ("pairs") 2j and 2j+1; values from ASSAY_ROPE_DIMENSIONS on stay. attention       A = q [1,m,heads·size],
 * CACHE 0 = keys, 1 = values [kv_heads,capacity,size]; INDEX [1,1,1] the position p of row 0. Row i sees the first
 * p+i+1 rows of the cache; heads/kv_heads query heads in a row share one. D [1,m,heads·size] = softmax(ASSAY_SCALE ·
 * q·keys) · values. argmax          A [1,m,n], D [1,m,1] I32: the first place of a row's largest value. top_k A
 * [1,m,n], D 0 [1,m,k] the k largest values of a row, largest first, D 1 [1,m,k] I32 their places; of equal values the
 * earlier one is first. copy            A → D of the same dims in another order or type (strides tell); D's batch b is
 * A's batch b / (D's batches / A's batches). */
typedef struct assay_tensor {
  void* data;   /* aligned to 64 bytes where assay allocates it, to 32 where it lies in a file that is mapped */
  void* scales; /* Q8_0_SPLIT only */
  uint32_t role, segment;
  uint32_t dtype, layout;
  int64_t dims[4];    /* [batch, rows, columns, 1] */
  int64_t strides[4]; /* in elements (in blocks for BLOCKS) */
} assay_tensor;

typedef struct assay_param {
  uint32_t id, reserved;
  double value;
} assay_param;

typedef struct assay_call {
  uint32_t struct_size, abi_version;
  uint32_t op, tensor_count;
  const assay_tensor* tensors;
  const assay_param* params;
  uint32_t param_count, reserved;
  void* workspace; /* 64-byte aligned, content undefined at every call */
  size_t workspace_bytes;
  const void* prepared; /* what prepare wrote, or NULL */
  size_t prepared_bytes;
} assay_call;

/* The calling thread among those that run this call. */
typedef struct assay_thread {
  uint32_t struct_size, index, count;
  uint32_t available; /* threads that a kernel with its own pool, or a region, may use: one per CPU */
  void* team;
  /* Waits for all `count` threads. */
  void (*barrier)(const struct assay_thread*);
  /* Only where count = 1 and the kernel is entered once (manifest "threads": "region"): runs fn on every thread of the
   * pool. */
  void (*parallel)(const struct assay_thread*, void (*fn)(const struct assay_thread*, void*), void* argument);
} assay_thread;

/* run and prepare return 0, or one of these. */
enum assay_status { ASSAY_OK = 0, ASSAY_UNSUPPORTED = 1, ASSAY_FAILED = 2 };

typedef struct assay_kernel {
  uint32_t struct_size, abi_version;
  const char* name;
  /* Bytes of workspace for this call with so many threads; NULL: none. */
  size_t (*workspace_bytes)(const assay_call*, uint32_t thread_count);
  /* Repacking of the weights, once before use: bytes needed, then the work (`prepared` 64-byte aligned), entered by
   * every thread of the team like run, whatever "threads" says. Both NULL: none. Kernels whose manifests name the same
   * "storage" make the same bytes of the same weights. */
  size_t (*prepared_bytes)(const assay_call*);
  int (*prepare)(const assay_call*, void* prepared, const assay_thread*);
  /* Entered by every thread of the team (manifest "threads": "team", the default), or once ("region", "own").
   * Output is complete when all have returned. Floating-point state is left as found. Inputs are never written. */
  int (*run)(const assay_call*, const assay_thread*);
} assay_kernel;

/* The one symbol that a module exports; modules are compiled with everything else hidden. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const assay_kernel*
assay_kernel_entry(void);

#ifdef __cplusplus
}
#endif
#endif

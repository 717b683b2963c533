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

enum assay_role { ASSAY_A = 0, ASSAY_B = 1, ASSAY_C = 2, ASSAY_D = 3, ASSAY_BIAS = 4 };

enum assay_op { ASSAY_MATMUL = 1, ASSAY_RMS_NORM = 2 };

/* Parameters of an op, by id. */
enum assay_param_id { ASSAY_ALPHA = 1, ASSAY_BETA = 2, ASSAY_EPS = 3 };

/* For matmul every A, C and D tensor is [batch, m, columns]; A is [batch, m, k] whatever its storage order (strides
 * tell). B is [batch, n, k] in logical order n, k whatever its storage (strides tell: NT has the stride of k = 1, NN
 * that of n = 1). BIAS is [1, 1, n]. A fused spec has one B, D (and BIAS) per segment. For rms_norm A and D are
 * [1, m, n], B is [1, 1, n]: D = A · B / √(mean of A² over the row + eps). */
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

/* Kernels chosen by shape: plain C11, for C and C++ alike. It needs nothing beside this folder; example.c shows its
 * use. */
#ifndef DROPIN_H
#define DROPIN_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*@constants@*/

/* One operand: [batch, rows, columns] with strides in elements, in blocks of its type where `layout` is no
 * DROPIN_STRIDED. Of a product A is [batch, m, k], B [batch, n, k] however it lies, D and C [batch, m, n], BIAS [1, 1,
 * n]. by_columns: columns lie together, not rows (B of k*n weights). Addresses are aligned to 64 bytes, rows need not
 * be. */
typedef struct dropin_tensor {
  void *data, *scales; /* scales: only where scale_bytes is not 0 */
  uint32_t role, segment, type, layout, by_columns;
  int64_t dims[3], strides[3];
  int64_t bytes, scale_bytes;
} dropin_tensor;

typedef struct dropin_param {
  uint32_t id;
  double value;
} dropin_param;

enum { DROPIN_MOST_TENSORS = 16, DROPIN_MOST_PARAMS = 8 };

/* One launch: what it computes on which memory. dropin_begin fills in all but the addresses. */
typedef struct dropin_call {
  uint32_t op, tensor_count, param_count;
  dropin_tensor tensors[DROPIN_MOST_TENSORS];
  dropin_param params[DROPIN_MOST_PARAMS];
  void* workspace; /* 64-byte aligned, of dropin_workspace_bytes */
  size_t workspace_bytes;
  void* prepared; /* 64-byte aligned, of dropin_prepared_bytes; written by dropin_prepare, read by dropin_run */
  size_t prepared_bytes;
} dropin_call;

typedef struct dropin_kernel dropin_kernel;

/* A shape that was measured, and the kernel that was fastest on it. */
typedef struct dropin_spec {
  const char *line, *variant, *accuracy;
  const char* storage; /* what prepare makes of the weights: specs with equal names share it; "": nothing to prepare */
  const char* note;
  double median_us, percent_of_floor;
  dropin_sizes sizes;
  uint32_t op, tensor_count, param_count;
  const dropin_tensor* tensors;
  const dropin_param* params;
  const dropin_kernel* kernel;
} dropin_spec;

extern const dropin_spec dropin_specs[];
extern const size_t dropin_spec_count;

/* The first spec with this op, sizes and types of A, B and D; NULL if there is none. Others (another layout, a bias) by
 * giving the last one as `after`. */
const dropin_spec* dropin_find(uint32_t op, const dropin_sizes* sizes, uint32_t a, uint32_t b, uint32_t d,
                               const dropin_spec* after);

/* A call of this spec; addresses are NULL. */
void dropin_begin(dropin_call* call, const dropin_spec* spec);
/* The operand of that role; NULL if there is none. Fused outputs have a segment each, from 0 on. */
dropin_tensor* dropin_operand(dropin_call* call, uint32_t role, uint32_t segment);
/* Other sizes, dense, of the same type and layout. Columns of block types are whole blocks. */
void dropin_resize(dropin_tensor* tensor, int64_t batch, int64_t rows, int64_t columns);

/* The spec whose kernel should run this call: of these very shapes (*measured = 1), else the nearest whose kernel can
 * (*measured = 0: nobody timed it there); NULL if none can. Types, layouts and parameters must be a spec's. */
const dropin_spec* dropin_choose(const dropin_call* call, int* measured);

/*@device@*/

#ifdef __cplusplus
}
#endif
#endif

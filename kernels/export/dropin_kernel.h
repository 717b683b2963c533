/* What a kernel is made of: its rules, its entry. For the files of this folder alone. */
#ifndef DROPIN_KERNEL_H
#define DROPIN_KERNEL_H
#include "dropin.h"

/* Which dimension of which operand is a size of an op; with `summed` added up over segments. */
typedef struct dropin_size_place {
  uint32_t op, size, role, dim, summed;
} dropin_size_place;

/* What a kernel takes of one size: from least to most, one of `values` where there are any, a multiple of each. */
typedef struct dropin_rule {
  uint32_t size;
  int64_t least, most;
  const int64_t *values, *multiples; /* ended by 0 */
} dropin_rule;

/*@device@*/

struct dropin_kernel {
  const char* variant;
  int takes_strides, prepares, keeps_b;
  const dropin_rule* rules;
  size_t rule_count;
  dropin_code code;
};

extern const dropin_kernel dropin_kernels[];
extern const size_t dropin_kernel_count;
extern const dropin_size_place dropin_size_places[];
extern const size_t dropin_size_place_count;

/* A size of a call by its place in dropin_sizes; 1 if its op has none of that name. */
int64_t dropin_size_of(const dropin_call* call, uint32_t size);
/* Whether the kernel can run a call that differs from the spec in its sizes alone. */
int dropin_can_run(const dropin_kernel* kernel, const dropin_spec* spec, const dropin_call* call);

#endif

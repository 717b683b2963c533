/* What vectors.h is made of. */
#ifndef DROPIN_TEST_VECTOR_H
#define DROPIN_TEST_VECTOR_H
#include "../dropin_kernel.h"

/* Inputs are drawn from a pool of whole elements or blocks, so that a seed says what they are. */
typedef struct test_pool {
  const unsigned char* bytes;
  uint32_t unit, count; /* count: a power of two */
} test_pool;

/* Of one operand; without a pool it stays NaN: what is written, or must not be read. */
typedef struct test_fill {
  const test_pool *data, *scales;
  uint64_t seed;
  int is_output;
} test_fill;

/* Elements [first, end) of all outputs, one output after another. */
typedef struct test_range {
  int64_t first, end;
} test_range;

/* What an element of those that are written must be, or their sum over a stretch weighted by numbers from -1 to 1. */
typedef struct test_point {
  int64_t element;
  double value, bound;
} test_point;
typedef struct test_sum {
  double value, bound;
} test_sum;

typedef struct test_vector {
  const dropin_spec* spec;
  int is_measured;
  const test_fill* fills;    /* one an operand */
  const test_range* written; /* all else stays as it was */
  size_t written_count;
  const test_point* points;
  size_t point_count;
  const test_sum* sums;
  size_t sum_count;
  int64_t stretch;
  uint64_t sum_seed;
} test_vector;

#endif

/* Runs each kernel on its measured shape and on an odd one, and compares with values that assay computed in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dropin_kernel.h"
#include "vectors.h"
/*@device@*/

enum { kGuard = 64, kPoison = 0xff }; /* a byte of NaN in every float type */

/* splitmix64 of a counter. */
static uint64_t bits_of(uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void* host_memory(size_t bytes) {
  void* p = malloc(bytes ? bytes : 1);
  if (!p) {
    fprintf(stderr, "no memory for %zu bytes\n", bytes);
    exit(2);
  }
  return p;
}

/* Between two guards of NaN; filled from the pool, or all NaN without one. */
static unsigned char* image_of(size_t bytes, const test_pool* pool, uint64_t seed) {
  unsigned char* image = (unsigned char*)host_memory(bytes + 2 * kGuard);
  memset(image, kPoison, bytes + 2 * kGuard);
  for (size_t i = 0; pool && i < bytes / pool->unit; ++i)
    memcpy(image + kGuard + i * pool->unit, pool->bytes + ((bits_of(seed + i) >> 33) & (pool->count - 1)) * pool->unit,
           pool->unit);
  return image;
}

static int guards_are_whole(const unsigned char* image, size_t bytes) {
  for (size_t i = 0; i < kGuard; ++i)
    if (image[i] != kPoison || image[kGuard + bytes + i] != kPoison) return 0;
  return 1;
}

static double decode(uint32_t type, const unsigned char* at) {
  uint32_t word = 0;
  uint16_t half = 0;
  int32_t whole;
  float value;
  if (type == DROPIN_I32) {
    memcpy(&whole, at, 4);
    return whole;
  }
  if (type == DROPIN_F32) {
    memcpy(&value, at, 4);
    return value;
  }
  memcpy(&half, at, 2);
  if (type == DROPIN_BF16) {
    word = (uint32_t)half << 16;
    memcpy(&value, &word, 4);
    return value;
  }
  const int exponent = half >> 10 & 31;
  const double mantissa = half & 1023, sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

static int fails(const char* variant, const char* line, const char* what) {
  printf("FAIL %s on %s: %s\n", variant, line, what);
  return 1;
}

/* Moves what must be written to the front; the rest must still be NaN. */
static int keep_written(const test_vector* v, double* d, size_t* count) {
  size_t at = 0, kept = 0;
  char text[80];
  for (size_t r = 0; r <= v->written_count; ++r) {
    const size_t first = r < v->written_count ? (size_t)v->written[r].first : *count,
                 end = r < v->written_count ? (size_t)v->written[r].end : *count;
    for (; at < first; ++at)
      if (!isnan(d[at])) {
        snprintf(text, sizeof text, "element %zu was written, and must stay as it was", at);
        return fails(v->spec->variant, v->spec->line, text);
      }
    for (; at < end; ++at) d[kept++] = d[at];
  }
  *count = kept;
  return 0;
}

/* All that is written, one output after another. */
static int compare(const test_vector* v, const double* d, size_t count, double* used) {
  const char *variant = v->spec->variant, *line = v->spec->line;
  char text[160];
  for (size_t i = 0; i < count; ++i)
    if (!isfinite(d[i])) {
      snprintf(text, sizeof text, "element %zu was never written, or is not finite", i);
      return fails(variant, line, text);
    }
  for (size_t i = 0; i < v->point_count; ++i) {
    const test_point* p = &v->points[i];
    const double off = fabs(d[p->element] - p->value);
    if (off > *used * p->bound) *used = off / p->bound;
    if (off <= p->bound) continue;
    snprintf(text, sizeof text, "element %lld is %.9g, should be %.9g: off by %.3g, allowed %.3g",
             (long long)p->element, d[p->element], p->value, off, p->bound);
    return fails(variant, line, text);
  }
  for (size_t s = 0; s < v->sum_count; ++s) {
    double sum = 0;
    const size_t first = s * (size_t)v->stretch,
                 end = first + (size_t)v->stretch < count ? first + (size_t)v->stretch : count;
    for (size_t i = first; i < end; ++i) sum += ((double)(bits_of(v->sum_seed + i) >> 11) * 0x1p-52 - 1) * d[i];
    const double off = fabs(sum - v->sums[s].value);
    if (off <= v->sums[s].bound) continue;
    snprintf(text, sizeof text,
             "elements %zu..%zu are wrong somewhere: their weighted sum is off by %.3g, allowed %.3g", first, end - 1,
             off, v->sums[s].bound);
    return fails(variant, line, text);
  }
  return 0;
}

typedef struct operand {
  unsigned char *data, *scales; /* of the host, guards included */
  unsigned char *device_data, *device_scales;
} operand;

static void put(unsigned char* to, const unsigned char* image, size_t bytes) {
  device_write(to - kGuard, image, bytes + 2 * kGuard);
}

/* Nothing may be written but outputs, and those within their bounds. */
static int surroundings_changed(const test_vector* v, const dropin_call* call, const operand* operands,
                                int skips_weights) {
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const dropin_tensor* t = &call->tensors[i];
    const size_t bytes = (size_t)t->bytes;
    if (skips_weights && t->role == DROPIN_B) continue;
    unsigned char* now = (unsigned char*)host_memory(bytes + 2 * kGuard);
    device_read(now, operands[i].device_data - kGuard, bytes + 2 * kGuard);
    const int whole =
        v->fills[i].is_output ? guards_are_whole(now, bytes) : memcmp(now, operands[i].data, bytes + 2 * kGuard) == 0;
    free(now);
    if (!whole) return 1;
  }
  return 0;
}

static int run_once(const test_vector* v, dropin_call* call, const operand* operands, int round, double* used) {
  const dropin_spec* spec = v->spec;
  const char *variant = spec->variant, *line = spec->line;
  unsigned char *workspace = NULL, *prepared = NULL;
  call->workspace_bytes = device_workspace_bytes(spec, call, round);
  if (call->workspace_bytes) workspace = device_new(call->workspace_bytes + 2 * kGuard) + kGuard;
  call->prepared_bytes = device_prepared_bytes(spec, call);
  if (call->prepared_bytes) prepared = device_new(call->prepared_bytes + 2 * kGuard) + kGuard;
  call->workspace = workspace;
  call->prepared = prepared;
  unsigned char* poison =
      image_of(call->workspace_bytes > call->prepared_bytes ? call->workspace_bytes : call->prepared_bytes, NULL, 0);
  if (workspace) put(workspace, poison, call->workspace_bytes);
  if (prepared) put(prepared, poison, call->prepared_bytes);
  free(poison);
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    put(operands[i].device_data, operands[i].data, (size_t)call->tensors[i].bytes);
    if (operands[i].scales) put(operands[i].device_scales, operands[i].scales, (size_t)call->tensors[i].scale_bytes);
  }
  if (spec->kernel->prepares) {
    if (!prepared) return fails(variant, line, "it asks for no bytes to prepare into");
    if (device_prepare(spec, call, round) != 0) return fails(variant, line, "prepare reports an error");
    for (uint32_t i = 0; i < call->tensor_count && !spec->kernel->keeps_b; ++i) {
      if (call->tensors[i].role != DROPIN_B) continue; /* from now on what was prepared must do */
      unsigned char* nothing = image_of((size_t)call->tensors[i].bytes, NULL, 0);
      put(operands[i].device_data, nothing, (size_t)call->tensors[i].bytes);
      free(nothing);
    }
  }
  const int status = device_run(spec, call, round);
  if (status != 0)
    return fails(variant, line,
                 status == 1 ? "the kernel says it does not support this" : "the kernel reports an error");
  if (surroundings_changed(v, call, operands, spec->kernel->prepares && !spec->kernel->keeps_b))
    return fails(variant, line, "an input, or memory beside an operand, was written");

  size_t count = 0, at = 0;
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (v->fills[i].is_output)
      count += (size_t)(call->tensors[i].dims[0] * call->tensors[i].dims[1] * call->tensors[i].dims[2]);
  double* d = (double*)host_memory(count * sizeof *d);
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const dropin_tensor* t = &call->tensors[i];
    if (!v->fills[i].is_output) continue;
    const size_t elements = (size_t)(t->dims[0] * t->dims[1] * t->dims[2]), size = (size_t)t->bytes / elements;
    unsigned char* bytes = (unsigned char*)host_memory((size_t)t->bytes);
    device_read(bytes, operands[i].device_data, (size_t)t->bytes);
    for (size_t e = 0; e < elements; ++e) d[at++] = decode(t->type, bytes + e * size);
    free(bytes);
  }
  const int failed = keep_written(v, d, &count) || compare(v, d, count, used);
  free(d);
  return failed;
}

static int run_vector(const test_vector* v) {
  dropin_call call;
  operand operands[DROPIN_MOST_TENSORS];
  double used = 0;
  int failed = 0, measured = 0;
  dropin_begin(&call, v->spec);
  for (uint32_t i = 0; i < call.tensor_count; ++i) {
    dropin_tensor* t = &call.tensors[i];
    const test_fill* fill = &v->fills[i];
    operand* o = &operands[i];
    memset(o, 0, sizeof *o);
    o->data = image_of((size_t)t->bytes, fill->data, fill->seed);
    t->data = o->device_data = device_new((size_t)t->bytes + 2 * kGuard) + kGuard;
    if (!t->scale_bytes) continue;
    o->scales = image_of((size_t)t->scale_bytes, fill->scales, ~fill->seed);
    t->scales = o->device_scales = device_new((size_t)t->scale_bytes + 2 * kGuard) + kGuard;
  }
  const dropin_spec* chosen = dropin_choose(&call, &measured);
  if (!chosen) failed = fails(v->spec->variant, v->spec->line, "no kernel is chosen for it");
  if (measured && !v->is_measured) failed = fails(v->spec->variant, v->spec->line, "nobody measured this shape");
  if (!measured && v->is_measured) failed = fails(v->spec->variant, v->spec->line, "its own shape is not found");
  for (int round = 0; round < device_rounds() && !failed; ++round) failed = run_once(v, &call, operands, round, &used);
  if (!failed)
    printf("ok   %s on %s: %zu points, %zu sums of %lld, %.2f of the bound\n", v->spec->variant, v->spec->line,
           v->point_count, v->sum_count, (long long)v->stretch, used);
  device_release();
  for (uint32_t i = 0; i < call.tensor_count; ++i) {
    free(operands[i].data);
    free(operands[i].scales);
  }
  return failed;
}

int main(void) {
  int failed = 0;
  if (!device_open()) return 2;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; ++i) failed += run_vector(&vectors[i]);
  device_close();
  printf("%zu checks, %d failed\n", sizeof vectors / sizeof *vectors, failed);
  return failed != 0;
}

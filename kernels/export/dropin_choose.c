/* Which kernel runs a call: looked up by shape, else the nearest shape whose kernel can. */
#include <math.h>
#include <string.h>

#include "dropin_kernel.h"

const dropin_spec* dropin_find(uint32_t op, const dropin_sizes* sizes, uint32_t a, uint32_t b, uint32_t d,
                               const dropin_spec* after) {
  for (const dropin_spec* s = after ? after + 1 : dropin_specs; s != dropin_specs + dropin_spec_count; ++s) {
    int same = s->op == op && memcmp(&s->sizes, sizes, sizeof *sizes) == 0;
    for (uint32_t i = 0; i < s->tensor_count; ++i) {
      const dropin_tensor* t = &s->tensors[i];
      same &= (t->role != DROPIN_A || t->type == a) && (t->role != DROPIN_B || t->type == b) &&
              (t->role != DROPIN_D || t->type == d);
    }
    if (same) return s;
  }
  return NULL;
}

void dropin_begin(dropin_call* call, const dropin_spec* spec) {
  memset(call, 0, sizeof *call);
  call->op = spec->op;
  call->tensor_count = spec->tensor_count;
  call->param_count = spec->param_count;
  memcpy(call->tensors, spec->tensors, spec->tensor_count * sizeof *spec->tensors);
  if (spec->param_count) memcpy(call->params, spec->params, spec->param_count * sizeof *spec->params);
}

dropin_tensor* dropin_operand(dropin_call* call, uint32_t role, uint32_t segment) {
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (call->tensors[i].role == role && call->tensors[i].segment == segment) return &call->tensors[i];
  return NULL;
}

/* Columns that one element, or one block, holds. */
static int64_t unit_of(const dropin_tensor* t) {
  return t->by_columns || t->strides[1] <= 0 ? 1 : t->dims[2] / t->strides[1];
}

static void set_dense(dropin_tensor* t, int64_t unit, int64_t batch, int64_t rows, int64_t columns) {
  t->dims[0] = batch, t->dims[1] = rows, t->dims[2] = columns;
  t->strides[0] = rows * (columns / unit);
  t->strides[1] = t->by_columns ? 1 : columns / unit;
  t->strides[2] = t->by_columns ? rows : 1;
}

void dropin_resize(dropin_tensor* t, int64_t batch, int64_t rows, int64_t columns) {
  const int64_t unit = unit_of(t), old = t->dims[0] * t->dims[1] * t->dims[2];
  const int64_t now = batch * rows * columns;
  t->bytes = t->bytes / (old / unit) * (now / unit);
  if (t->scale_bytes) t->scale_bytes = (int64_t)((double)t->scale_bytes / (double)old * (double)now + 0.5);
  set_dense(t, unit, batch, rows, columns);
}

int64_t dropin_size_of(const dropin_call* call, uint32_t size) {
  int64_t value = 0;
  int found = 0;
  for (size_t p = 0; p < dropin_size_place_count; ++p) {
    const dropin_size_place* place = &dropin_size_places[p];
    if (place->op != call->op || place->size != size) continue;
    for (uint32_t i = 0; i < call->tensor_count; ++i) {
      if (call->tensors[i].role != place->role) continue;
      value = (place->summed ? value : 0) + call->tensors[i].dims[place->dim];
      found = 1;
    }
  }
  return found ? value : 1;
}

static const dropin_tensor* same_operand(const dropin_call* call, const dropin_tensor* of) {
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (call->tensors[i].role == of->role && call->tensors[i].segment == of->segment) return &call->tensors[i];
  return NULL;
}

/* Whether they differ in sizes and strides alone. */
static int is_alike(const dropin_spec* spec, const dropin_call* call) {
  if (spec->op != call->op || spec->tensor_count != call->tensor_count || spec->param_count != call->param_count)
    return 0;
  for (uint32_t i = 0; i < spec->param_count; ++i)
    if (spec->params[i].id != call->params[i].id || spec->params[i].value != call->params[i].value) return 0;
  for (uint32_t i = 0; i < spec->tensor_count; ++i) {
    const dropin_tensor *s = &spec->tensors[i], *c = same_operand(call, s);
    if (!c || c->type != s->type || c->layout != s->layout || c->by_columns != s->by_columns) return 0;
  }
  return 1;
}

static int is_dense(const dropin_tensor* of_spec, const dropin_tensor* t) {
  dropin_tensor dense = *t;
  set_dense(&dense, unit_of(of_spec), t->dims[0], t->dims[1], t->dims[2]);
  return memcmp(dense.strides, t->strides, sizeof t->strides) == 0;
}

static int keeps(const dropin_rule* rule, int64_t value) {
  int ok = value >= rule->least && value <= rule->most, listed = rule->values[0] == 0;
  for (const int64_t* v = rule->values; *v; ++v) listed |= *v == value;
  for (const int64_t* m = rule->multiples; *m; ++m) ok &= value % *m == 0;
  return ok && listed;
}

int dropin_can_run(const dropin_kernel* kernel, const dropin_spec* spec, const dropin_call* call) {
  if (!is_alike(spec, call)) return 0;
  for (size_t r = 0; r < kernel->rule_count; ++r)
    if (!keeps(&kernel->rules[r], dropin_size_of(call, kernel->rules[r].size))) return 0;
  for (uint32_t i = 0; i < spec->tensor_count; ++i) {
    const dropin_tensor *s = &spec->tensors[i], *c = same_operand(call, s);
    /* One batch, where the spec has one, may be all that the kernel counts with. */
    if ((s->dims[0] == 1) != (c->dims[0] == 1)) return 0;
    if (!kernel->takes_strides && !is_dense(s, c)) return 0;
    if (c->layout != DROPIN_STRIDED && c->dims[2] % unit_of(s) != 0) return 0;
  }
  return 1;
}

const dropin_spec* dropin_choose(const dropin_call* call, int* measured) {
  const dropin_spec* best = NULL;
  double least = HUGE_VAL;
  for (const dropin_spec* s = dropin_specs; s != dropin_specs + dropin_spec_count; ++s) {
    double distance = 0;
    if (!dropin_can_run(s->kernel, s, call)) continue;
    for (uint32_t i = 0; i < s->tensor_count; ++i)
      for (int dim = 0; dim < 3; ++dim)
        distance += fabs(log2((double)same_operand(call, &s->tensors[i])->dims[dim] / (double)s->tensors[i].dims[dim]));
    if (distance >= least) continue;
    least = distance;
    best = s;
  }
  if (measured) *measured = least == 0;
  return best;
}

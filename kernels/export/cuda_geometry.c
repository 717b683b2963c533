/* Launch geometry and entry names, from a call's shapes and types. Needs no CUDA. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dropin_kernel.h"

/*@tables@*/

static int64_t segment_count(const dropin_call* call) {
  int64_t count = 0;
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (call->tensors[i].role == DROPIN_B && call->tensors[i].segment >= count) count = call->tensors[i].segment + 1;
  return count;
}

dropin_geometry dropin_geometry_of(const dropin_spec* spec, const dropin_call* call, int64_t processors) {
  dropin_launch_sizes s = {1, 0, 0, 0, 0, 0, 1, 0, 0, 0};
  dropin_geometry g = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 1, 0, 0, 0, 0};
  double* const parts[3] = {&s.n0, &s.n1, &s.n2};
  s.sms = (double)processors;
  s.segments = (double)segment_count(call);
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const dropin_tensor* t = &call->tensors[i];
    for (size_t p = 0; p < dropin_size_place_count; ++p) {
      const dropin_size_place* place = &dropin_size_places[p];
      if (place->op != call->op || place->role != t->role) continue;
      const double value = (double)t->dims[place->dim];
      const char* name = size_names[place->size];
      if (strcmp(name, "m") == 0) s.m = value;
      if (strcmp(name, "k") == 0) s.k = value;
      if (strcmp(name, "batch") == 0) s.batch = value;
      if (strcmp(name, "n") != 0) continue;
      s.n += value;
      if (t->segment < 3) *parts[t->segment] = value;
    }
    if (t->role == DROPIN_B) s.bytes += (double)(t->bytes + t->scale_bytes);
  }
  spec->kernel->code.geometry(&s, &g);
  return g;
}

void dropin_entry_name(const dropin_call* call, const char* what, char* name, size_t size) {
  size_t used = (size_t)snprintf(name, size, "%s_", what);
  for (size_t p = 0; p < sizeof name_parts / sizeof *name_parts; ++p)
    for (uint32_t i = 0; i < call->tensor_count && name_parts[p].orders; ++i) {
      const dropin_tensor* t = &call->tensors[i];
      if (name_parts[p].op != call->op || t->role != name_parts[p].role || t->segment > 0 || used >= size) continue;
      used +=
          (size_t)snprintf(name + used, size - used, "%s", (t->role == DROPIN_B) != (t->by_columns != 0) ? "t" : "n");
    }
  int first = name[used - 1] == '_';
  for (size_t p = 0; p < sizeof name_parts / sizeof *name_parts; ++p)
    for (uint32_t i = 0; i < call->tensor_count && name_parts[p].types; ++i) {
      const dropin_tensor* t = &call->tensors[i];
      if (name_parts[p].op != call->op || t->role != name_parts[p].role || t->segment > 0 || used >= size) continue;
      used += (size_t)snprintf(name + used, size - used, "%s%s%s", first ? "" : "_", type_names[t->type],
                               t->scale_bytes ? "_split" : "");
      first = 0;
    }
}

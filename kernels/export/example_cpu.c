/* The first spec on numbers of ones: what an engine does with a layer. Build and run it: make example. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dropin.h"

static void* memory(size_t bytes) {
  void* p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  if (!p) exit(2);
  memset(p, 0, bytes);
  return p;
}

int main(void) {
  /* At start: a team, and of each weight the spec of its shape. An engine knows its sizes and asks
   *   dropin_sizes sizes = {...};
   *   spec = dropin_find(op, &sizes, type of A, type of B, type of D, NULL);  */
  const dropin_spec* spec = &dropin_specs[0];
  dropin_team* team = dropin_team_start(2);
  if (!team) return 2;
  dropin_call call;
  dropin_begin(&call, spec);
  for (uint32_t i = 0; i < call.tensor_count; ++i) {
    call.tensors[i].data = memory((size_t)call.tensors[i].bytes);
    if (call.tensors[i].scale_bytes) call.tensors[i].scales = memory((size_t)call.tensors[i].scale_bytes);
  }
  call.workspace_bytes = dropin_workspace_bytes(spec, &call, team);
  call.workspace = memory(call.workspace_bytes);
  call.prepared_bytes = dropin_prepared_bytes(spec, &call);
  call.prepared = call.prepared_bytes ? memory(call.prepared_bytes) : NULL;
  if (call.prepared && dropin_prepare(spec, &call, team) != 0) return 2;

  /* For each token: */
  const int status = dropin_run(spec, &call, team);
  printf("%s on %s: %s\n", spec->variant, spec->line, status == 0 ? "done" : "failed");
  dropin_team_stop(team);
  return status;
}

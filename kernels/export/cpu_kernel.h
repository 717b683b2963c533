#include "kernels/assay_kernel.h"

/* How `run` is entered: on every thread of the team at once, or once, with a region to fork from. */
enum { DROPIN_TEAM = 0, DROPIN_REGION = 1 };

typedef struct dropin_code {
  const assay_kernel* (*entry)(void);
  int threading;
} dropin_code;

// nn_bulk_mma: k×n weights turned into n×k once before use (prepare), then the bulk copies of bulk_mma.
#define PREPARED 1
#include "bulk_mma.cu"
#include "turn_weights.h"

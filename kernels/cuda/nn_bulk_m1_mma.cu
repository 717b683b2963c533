// nn_bulk_m1_mma: k×n weights turned into n×k once before use (prepare), then the products of bulk_m1_mma.
#define PREPARED 1
#include "bulk_m1_mma.cu"
#include "turn_weights.h"

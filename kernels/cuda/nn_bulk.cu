// nn_bulk: k×n weights turned into n×k once before use (prepare), then the bulk copies of bulk_m1.
#define PREPARED 1
#include "bulk_m1.cu"
#include "turn_weights.h"

// nn_prepared_mma: k×n weights turned into n×k once before use (prepare), then the products of dot_m1_mma.
#define PREPARED 1
#include "dot_m1_mma.cu"
#include "turn_weights.h"

// nn_prepared: k×n weights turned into n×k once before use (prepare), then the dot products of dot_m1.
#define PREPARED 1
#include "dot_m1.cu"
#include "turn_weights.h"

// mlx/nn_transposed: k×n weights stored the other way before use (prepare), then mlx's tiles along k.
#define PREPARED 1
#include "mlx.cu"
#include "turn_weights.h"

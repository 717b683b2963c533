// What costs a source of this folder most to read: intrinsics. Compiled once for all that have the same flags.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

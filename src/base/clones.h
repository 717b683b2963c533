// A mark for loops that choose their vector width at run time: the harness is built for any processor of its kind.
#pragma once

// Not under a sanitizer, whose runtime is not there yet when the loader makes that choice; clang has no such attribute
// for two of the three.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ASSAY_CLONES __attribute__((target_clones("default", "avx2,fma", "avx512f")))
#else
#define ASSAY_CLONES
#endif

// The end of a process that found a bug in assay.
#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace assay {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "assay: bug: check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace assay

// A loop whose passes run on all processors that this process may use.
#pragma once
#include <cstdint>
#include <functional>

namespace assay {

/// pass(0) … pass(count - 1), in any order, on several threads; each pass must be free of the others. All threads have
/// ended on return, so that the caller may fork. What the first pass threw is thrown again; the others then end early.
void in_parallel(int64_t count, const std::function<void(int64_t)>& pass);

}  // namespace assay

// A trace's timeline as ui.perfetto.dev opens it: JSON of the Trace Event Format.
#pragma once
#include <string>

#include "analysis/timeline.h"

namespace assay {

/// Slices ("X") on a track for ops with their waits, one for the device, one for internal kernels and one for tokens;
/// counters ("C") of tokens and positions. Times in µs since the first slice began.
std::string perfetto_json(const std::string& trace, const Timeline& timeline, const StringTable& strings);

/// "matmul/gemv (Q)" of a path of scopes that ends so.
std::string slice_name(std::string_view op_name);

}  // namespace assay

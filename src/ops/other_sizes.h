// A spec's like of other sizes: what a kernel keeps of its first launch is wrong there.
#pragma once
#include <optional>

#include "spec/spec.h"

namespace assay {

/// Small, with another n, k, m, batch, number of heads, rows or capacity, as far as its op has them and one can be
/// found; nothing where no size can be another.
std::optional<Spec> with_other_sizes(const Spec& spec);

}  // namespace assay

// A spec's like of other sizes: what a kernel keeps of its first launch is wrong there.
#pragma once
#include <vector>

#include "spec/spec.h"

namespace assay {

/// Small, with another n, k, m, batch, number of heads, rows or capacity, as far as its op has them and one can be
/// found; none where no size can be another. The first has an odd n where it may have one: who takes n to be a multiple
/// of its threads leaves outputs out. The second is for kernels that take no such n.
std::vector<Spec> with_other_sizes(const Spec& spec);

}  // namespace assay

// Several visits to one spec, minutes apart, as one set of records: what the machine was like in one of them decides
// nothing.
#pragma once
#include <vector>

#include "stats/summary.h"
#include "store/record.h"

namespace assay {

/// Merges a later visit's records (of some of the same variants) into the first's: samples one after another, errors
/// and costs together, an outcome that is no pass wins. Turn medians are brought to a common level first: memory was
/// seen to change its rate twofold between visits, which says nothing about kernels. Ceilings become geometric means. Gives what the later
/// visit's turns were multiplied by.
double merge_visit(std::vector<CaseRecord*>& first, const std::vector<CaseRecord>& later);

/// Whether a contender's turns say too little to rank it: their median's interval is wider than half the median.
bool is_noisy(const Summary& turns);

/// A contender that passed is noisy while they do, and passes again when they do not.
void judge_noise(CaseRecord& record);

}  // namespace assay

// Several visits to one spec, minutes apart, as one set of records: what the machine was like in one of them decides
// nothing.
#pragma once
#include <vector>

#include "stats/summary.h"
#include "store/record.h"

namespace assay {

/// Merges a later visit's records (of some of the same variants) into the first's: samples one after another, errors
/// and costs together, an outcome that is no pass wins. Turn medians are brought to a common level first: memory was
/// seen to change its rate twofold between visits, which says nothing about kernels. Ceilings become geometric means.
/// Gives what the later visit's turns were multiplied by.
double merge_visit(std::vector<CaseRecord*>& first, const std::vector<CaseRecord>& later);

/// A contender after some visits: its class, its turns of all of them, and the median of each in µs (NaN: not in it).
struct VisitedCase {
  Accuracy accuracy = Accuracy::exact;
  Summary merged;
  std::vector<double> visit_us;
};

/// Whether a further visit would hardly change who is the best: in each visit the best of all of them, of each class
/// and the more accurate ones, was within 3 % of that visit's best, and its interval is at most 5 % wide.
bool visits_agree(const std::vector<VisitedCase>& cases);

/// Whether a case may yet turn out to be the best of its class and the more accurate ones, or to tie with it.
bool may_be_best(const VisitedCase& one, const std::vector<VisitedCase>& cases);

/// Whether a contender's turns say too little to rank it: their median's interval is wider than half the median.
bool is_noisy(const Summary& turns);

/// A contender that passed is noisy while they do, and passes again when they do not.
void judge_noise(CaseRecord& record);

}  // namespace assay

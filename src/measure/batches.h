// The cases of one spec that do not fit into memory side by side: measured in batches, and brought to one level.
#pragma once
#include <cstdint>
#include <vector>

#include "measure/rounds.h"

namespace assay {

/// What a case takes beside the inputs that all share, at most: repacked copies of the weights, outputs, a process.
int64_t case_bytes(const Spec& spec, const Variant& variant, const RoundsContext& context);

/// Which cases, by index, live at the same time: each in the first batch that has room for it, a batch's sum at most
/// `room`. Those that do not fit alone are in none.
std::vector<std::vector<size_t>> make_batches(const std::vector<int64_t>& bytes, int64_t room);

/// As run_rounds, of as many cases at a time as memory_room allows: the usual spec is one batch. Where there are more,
/// the turns of the later ones are multiplied by what the reader says has changed since the first. A case that does not
/// fit alone is device_limit.
std::vector<CaseRecord> run_in_batches(const Spec& spec, const std::vector<CaseToRun>& cases,
                                       const RoundsContext& context);

}  // namespace assay

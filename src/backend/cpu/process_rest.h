// Whether something in this process may yet act unasked: a thread that runs or sleeps by the clock, or a timer.
#pragma once
#include <vector>

#include "backend/measured_device.h"

namespace assay {

/// Whether nothing may. Of threads other than the calling one, as the kernel of the system shows them in /proc; true
/// where it shows none. Pools that wait for work wait for each other, not for the clock; those that spin first do so
/// for some ms. What was done before is to be looked at after this: who acts in between has come to rest by then.
/// but: threads that count for nothing, as those that were there before a kernel was loaded.
Rest process_rest(const std::vector<int>& but = {});
inline bool process_is_at_rest() { return process_rest() == Rest::at_rest; }

}  // namespace assay

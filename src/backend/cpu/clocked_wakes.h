// Whether something in this process waits for a time to come: a thread that sleeps by the clock, or a timer.
#pragma once

namespace assay {

/// Of threads other than the calling one, as the kernel of the system shows them in /proc; false where it shows none.
/// Pools that wait for work wait for each other, not for the clock. One glance: who has just been woken, or
/// spins until the time has come, is not seen.
bool wakes_by_clock();

}  // namespace assay

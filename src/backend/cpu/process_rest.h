// Whether something in this process may yet act unasked: a thread that runs or sleeps by the clock, or a timer.
#pragma once

namespace assay {

/// Whether nothing may. Of threads other than the calling one, as the kernel of the system shows them in /proc; true
/// where it shows none. Pools that wait for work wait for each other, not for the clock; those that spin first do so
/// for some ms. What was done before is to be looked at after this: who acts in between has come to rest by then.
bool process_is_at_rest();

}  // namespace assay

// How fast the device that a trace ran on can read.
#pragma once
#include <string>

namespace assay {

/// GB/s: `ceiling` as given, or what the device of that name was measured to read (now, if never before). Without it,
/// what the store has of a device here that is called `device_name`; 0 where nothing is known. Notes go to stderr.
double trace_ceiling(const std::string& ceiling, const std::string& device_name);

}  // namespace assay

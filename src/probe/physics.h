// Nothing beats physics: is a reported time one that the memory, as just measured, could have delivered?
#pragma once
#include <span>
#include <string>

namespace assay {

/// Launches that did nothing but read so many bytes each, in µs.
struct ReadSamples {
  std::span<const double> us;
  int64_t bytes = 0;
};

/// A launch that must read cold_bytes, against reads measured around it: long ones, and single launches of the same bytes. Accuses
/// only when the first and the second half of all, taken apart, miss by more than their joint spread. "" or the message.
std::string beats_physics(std::span<const double> device_us, int64_t cold_bytes, std::span<const ReadSamples> reads, int64_t flops,
                          double peak_gflops);

}  // namespace assay

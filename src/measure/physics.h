// Nothing beats physics: is a reported time one that the memory, as just measured, could have delivered?
#pragma once
#include <span>
#include <string>

namespace assay {

/// By how much a kernel may read faster than the best reader of the family before it is a liar: what the readers
/// themselves may miss.
inline constexpr double kReaderMargin = 0.02;

/// Launches that did nothing but read so many bytes each, in µs.
struct ReadSamples {
  std::span<const double> us;
  int64_t bytes = 0;
};

/// A launch that must read `bytes` (the spec's, whatever a kernel says that it reads), against reads measured around
/// it: long ones, and single launches of the same bytes. Accuses only when the first and the second half of all, taken
/// apart, miss by more than the spread of the best reads and kReaderMargin. How far the accused's own times spread is
/// no excuse. "" or the message.
std::string beats_physics(std::span<const double> device_us, int64_t bytes, std::span<const ReadSamples> reads,
                          int64_t flops, double peak_gflops);

/// The hardware's own witness: a launch that must read so many cold bytes, of which memory was seen to give `counted`
/// (NaN: nobody counted). Accuses below half. "" or the message.
std::string reads_too_little(double counted, int64_t must_read);

}  // namespace assay

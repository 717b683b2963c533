// Nothing beats physics: is a reported time one that the memory, as just measured, could have delivered?
#pragma once
#include <span>
#include <string>

namespace assay {

/// The times of the bytes that a launch must read from cold memory, against bulk reads measured around them. Accuses only when the
/// first and the second half of both, taken apart, miss by more than their joint spread. "" or the message. µs, bytes.
std::string beats_physics(std::span<const double> device_us, int64_t cold_bytes, std::span<const double> bulk_us, int64_t bulk_bytes,
                          int64_t flops, double peak_gflops);

}  // namespace assay

// Nothing beats physics.
#include "measure/physics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "stats/summary.h"

namespace assay {

std::string beats_physics(std::span<const double> device_us, int64_t bytes, std::span<const ReadSamples> reads,
                          int64_t flops, double peak_gflops) {
  constexpr size_t kLeastClaims = 4, kLeastReads = 4, kMany = 8;
  // A machine that halves its rate every now and then must not acquit whoever claims three times what it gives.
  constexpr double kMostSpread = 0.4;
  if (device_us.size() < kLeastClaims) return "";
  double fastest_claim = 0, floor = 0;
  for (const bool second : {false, true}) {
    const auto half = [second](std::span<const double> s) {
      return second ? s.subspan(s.size() / 2) : s.first(s.size() / 2);
    };
    // The best rate that this half shows, not its median: a busy machine must not make an honest kernel look like a
    // liar. How well that is known the fastest quarter of the reads says; the rest of them were disturbed.
    double memory_us = HUGE_VAL, read_spread = 0;
    for (const ReadSamples& read : reads) {
      if (read.us.size() < kLeastReads || read.bytes <= 0) continue;
      const double best = percentile(half(read.us), 0), us = double(bytes) * best / double(read.bytes);
      if (us < memory_us) read_spread = std::min(percentile(half(read.us), 25) / best - 1, kMostSpread);
      memory_us = std::min(memory_us, us);
    }
    if (std::isinf(memory_us)) return "";
    // Of the claims the first and the last third as well: a single turn in the middle whose weights lay in a cache by
    // chance, as was seen on a busy machine, must not be what both halves show.
    const auto third = [second](std::span<const double> s) {
      return second ? s.last(s.size() / 3) : s.first(s.size() / 3);
    };
    // A quarter of the launches is enough, where they are many: slow ones beside them, its own or the machine's, are no
    // excuse.
    const double share = half(device_us).size() >= kMany ? 25 : 50;
    const double claimed_us = std::max(percentile(half(device_us), share), percentile(third(device_us), share));
    const double compute_us = peak_gflops > 0 ? double(flops) / peak_gflops * 1e-3 : 0;
    floor = std::max(memory_us, compute_us);
    if (claimed_us * (1 + read_spread + kReaderMargin) >= floor) return "";
    fastest_claim = claimed_us;
  }
  return fmt::format("reports {:.3g} us where reading its {} bytes takes {:.3g} us at the best rate measured around it",
                     fastest_claim, bytes, floor);
}

std::string reads_too_little(double counted, int64_t must_read) {
  constexpr double kLeastShare = 0.5;  // caches keep some of it, and counters are coarse
  if (!(counted < kLeastShare * double(must_read))) return "";
  return fmt::format("memory gave {:.0f} bytes a launch by the hardware's count, where {} must be read", counted,
                     must_read);
}

}  // namespace assay

// Nothing beats physics.
#include "probe/physics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "stats/summary.h"

namespace assay {

std::string beats_physics(std::span<const double> device_us, int64_t cold_bytes, std::span<const ReadSamples> reads, int64_t flops,
                          double peak_gflops) {
  constexpr size_t kLeastClaims = 4, kLeastReads = 4;
  if (device_us.size() < kLeastClaims) return "";
  double fastest_claim = 0, floor = 0;
  for (const bool second : {false, true}) {
    const auto half = [second](std::span<const double> s) {
      return second ? s.subspan(s.size() / 2) : s.first(s.size() / 2);
    };
    // The best rate that this half shows, not its median: a busy machine must not make an honest kernel look like a liar.
    double memory_us = HUGE_VAL, read_spread = 0;
    for (const ReadSamples& read : reads) {
      if (read.us.size() < kLeastReads || read.bytes <= 0) continue;
      const Summary s = summarize(half(read.us));
      const double us = double(cold_bytes) * s.min / double(read.bytes);
      if (us < memory_us) read_spread = s.spread;
      memory_us = std::min(memory_us, us);
    }
    if (std::isinf(memory_us)) return "";
    const Summary claimed = summarize(half(device_us));
    const double compute_us = peak_gflops > 0 ? double(flops) / peak_gflops * 1e-3 : 0;
    floor = std::max(memory_us, compute_us);
    if (claimed.median * (1 + claimed.spread + read_spread) >= floor) return "";
    fastest_claim = claimed.median;
  }
  return fmt::format("reports {:.3g} us where reading its {} bytes takes {:.3g} us at the best rate measured around it", fastest_claim,
                     cold_bytes, floor);
}

}  // namespace assay

// Nothing beats physics.
#include "probe/physics.h"

#include <fmt/format.h>

#include <algorithm>

#include "stats/summary.h"

namespace assay {

std::string beats_physics(std::span<const double> device_us, int64_t cold_bytes, std::span<const double> bulk_us, int64_t bulk_bytes,
                          int64_t flops, double peak_gflops) {
  if (device_us.size() < 4 || bulk_us.size() < 2 || bulk_bytes <= 0) return "";
  double fastest_claim = 0, floor = 0;
  for (const bool second : {false, true}) {
    const auto half = [second](std::span<const double> s) {
      return second ? s.subspan(s.size() / 2) : s.first(s.size() / 2);
    };
    const Summary claimed = summarize(half(device_us)), bulk = summarize(half(bulk_us));
    // The best rate that this half shows, not its median: a busy machine must not make an honest kernel look like a liar.
    const double memory_us = double(cold_bytes) * bulk.min / double(bulk_bytes);
    const double compute_us = peak_gflops > 0 ? double(flops) / peak_gflops * 1e-3 : 0;
    floor = std::max(memory_us, compute_us);
    const double joint_spread = claimed.spread + bulk.spread;
    if (claimed.median * (1 + joint_spread) >= floor) return "";
    fastest_claim = claimed.median;
  }
  return fmt::format("reports {:.3g} us where reading its {} bytes takes {:.3g} us at the best rate measured around it", fastest_claim,
                     cold_bytes, floor);
}

}  // namespace assay

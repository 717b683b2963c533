// What a device was measured to reach: read bandwidth by footprint, copy bandwidth, arithmetic per type, dispatch
// floor.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "backend/device.h"
#include "store/store.h"

namespace assay {

struct CeilingPoint {
  int64_t bytes = 0;
  double value = 0;   // median: GB/s or GFLOP/s
  double spread = 0;  // relative, (p75 − p25) / median
};

struct NamedPeak {
  std::string name;               // "f32", "bf16", "int8"
  double gflops = 0, spread = 0;  // the best seen: a busy machine must not lower what physics allows
};

struct Ceilings {
  std::vector<CeilingPoint> read;  // by footprint, smallest first; each is read again and again
  CeilingPoint copy;               // bytes read plus bytes written
  std::vector<NamedPeak> peaks;
  double dispatch_us = 0, dispatch_spread = 0;  // an empty kernel, entry to return
  int64_t footprint = 0;  // the smallest whose rate is within 5 % of the largest's: what "cold" rotates over

  /// Bytes to measure read rates up to: `wanted`, or more where that is too little beside the device's cache; at most a
  /// quarter of its memory.
  static int64_t largest_read(const DeviceInfo& device, int64_t wanted);

  double memory_gbps() const { return read.empty() ? 0 : read.back().value; }
  /// At the smallest footprint measured that is not below `bytes`, the largest where all are; 0: none was measured.
  double read_gbps(int64_t bytes) const;
  double best_gflops() const;
  /// Of what lies in caches.
  double best_read_gbps() const;
};

/// The variants of a manifest that measure ceilings; Error if one is missing.
struct CeilingKernels {
  std::vector<const Variant*> readers;  // ceiling/…: B once; the baseline first
  std::vector<const Variant*> peaks;
};
CeilingKernels find_ceiling_kernels(const std::vector<const Variant*>& variants);

/// Measures in a process of its own, up to `largest` bytes. Takes about two seconds. Error if that process fails.
Ceilings measure_ceilings(const Backend& backend, const DeviceInfo& device,
                          const std::vector<std::pair<const Variant*, BuiltModule>>& kernels, int64_t largest);

std::string to_json(const Ceilings& ceilings);
Ceilings ceilings_from_json(const std::string& text);

}  // namespace assay

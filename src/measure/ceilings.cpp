// Measuring what a device reaches, in a process of its own.
#include "measure/ceilings.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "backend/measured_device.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "measure/measuring_child.h"
#include "proof/inputs.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr std::string_view kPeak = "peak_";
constexpr int64_t kColumns = 1024;                   // of f32: 4 KB rows
constexpr int64_t kMultiplyAdds = int64_t(1) << 25;  // of one pass of an arithmetic peak
constexpr double kBudgetNs = 40e6;                   // for one point
constexpr double kFootprintTolerance = 0.05;
constexpr int64_t kLeastFootprint =
    int64_t(64) << 20;          // caches of 32 MB are common, and what a virtual machine announces is no bound
constexpr double kLimitS = 60;  // for all points
constexpr double kSequenceUs = 2000, kLongUs = 500;
constexpr int64_t kMostPasses = int64_t(1) << 24;
constexpr int64_t kMemoryOverLargest =
    4;  // half as much again is read and copied; others may take their part meanwhile
constexpr int64_t kLeastLargest = int64_t(8) << 20;
constexpr int64_t kFootprintOverL2 =
    16;  // a cache may keep its part of a footprint for good while the rest streams through: 6 %

/// Runs in the child: launches of one kernel over the first bytes of one arena.
class Bench {
 public:
  Bench(MeasuredDevice& device, int launches, Address memory, Address scratch)
      : device_(device), launches_(launches), memory_(memory), scratch_(scratch) {}

  /// Median and spread of µs a launch that sees B as [passes, bytes/4096, 1024] f32, D as big as B.
  Summary time(LoadedKernel& kernel, int64_t bytes, int64_t passes) {
    Launch launch;
    launch.kernel = &kernel;
    launch.op = &op_of_readers();
    Tensor b;
    b.operand = Operand::b;
    b.dims[0] = passes, b.dims[1] = std::max(bytes / (4 * kColumns), int64_t(1)), b.dims[2] = kColumns;
    b.strides[1] = kColumns, b.strides[2] = 1;
    b.bytes = bytes;
    b.data = memory_;
    Tensor d = b;
    d.operand = Operand::d;
    d.data = scratch_;
    launch.tensors = {b, d};
    launch.workspace_bytes = kernel.workspace_bytes(launch);
    if (!workspace_) workspace_ = device_.allocate(1 << 16);
    ASSAY_CHECK(launch.workspace_bytes <= (1 << 16));
    launch.workspace = workspace_;
    launch.bytes = bytes * passes;
    std::vector<double> samples;
    const int64_t began = now_ns();
    std::vector<double> disturbed;
    const double once_us = device_.time({&launch, 1})[0].device_us;  // a warm-up
    const std::vector<Launch> sequence(size_t(std::clamp(kSequenceUs / std::max(once_us, 0.1), 1.0, double(launches_))),
                                       launch);
    for (int i = 0; i < 4 || (i < 200 && double(now_ns() - began) < kBudgetNs); ++i) {
      const LaunchTimes t = device_.time(sequence)[0];
      (t.disturbed ? disturbed : samples).push_back(t.device_us);
    }
    return summarize(samples.empty() ? disturbed : samples);
  }

  /// The same with as many passes as make a launch take long_us; `passes` then says how many.
  Summary time_long(LoadedKernel& kernel, int64_t bytes, int64_t& passes, double long_us) {
    Summary s = time(kernel, bytes, passes);
    while (s.median < long_us && passes < kMostPasses) {
      passes *= std::clamp(int64_t(long_us / std::max(s.median, 0.1)), int64_t(2), int64_t(64));
      s = time(kernel, bytes, passes);
    }
    return s;
  }

 private:
  MeasuredDevice& device_;
  const int launches_;
  Address memory_, scratch_, workspace_ = nullptr;
};

Ceilings measure(MeasuredDevice& device, const DeviceInfo& info,
                 const std::vector<std::pair<const Variant*, BuiltModule>>& kernels, InputArena& arena,
                 int64_t largest) {
  const auto load = [&](const std::string& peak) {
    for (const auto& [variant, module] : kernels)
      if (variant->family == "peak_" + peak) return device.load(*variant, module);
    fail("the backend's manifest has no family \"peak_{}\"", peak);
  };
  Ceilings result;
  // The copy's target and the source of "what lies in memory": half of the largest each.
  const Address memory = device.import(arena.bytes()), scratch = device.allocate(largest / 2);
  device.fill(scratch, 0, largest / 2);
  Bench bench(device, info.launches_per_sample, memory, scratch);

  const auto again = load("read_again");
  std::vector<double> best;
  for (int64_t bytes = 1 << 15; bytes <= largest; bytes *= 2) {
    int64_t passes = std::max((int64_t(8) << 20) / bytes, int64_t(1));
    const Summary s = bench.time_long(*again, bytes, passes, info.launches_per_sample > 1 ? kLongUs : 0);
    result.read.push_back({bytes, double(bytes * passes) / s.median * 1e-3, s.spread});
    best.push_back(double(bytes * passes) / s.min * 1e-3);
  }
  // Downwards from the largest, by best rates: one slow reading of a small size must not make a cache look like memory.
  result.footprint = largest;
  const int64_t least = std::max(kLeastFootprint, kFootprintOverL2 * info.limits.l2_bytes);
  for (size_t i = result.read.size(); i-- > 0 && result.read[i].bytes >= least;) {
    if (best[i] > best.back() * (1 + kFootprintTolerance)) break;
    result.footprint = result.read[i].bytes;
  }
  const Summary copied = bench.time(*load("copy"), largest / 2, 1);
  result.copy = {largest / 2, double(largest) / copied.median * 1e-3, copied.spread};
  for (const auto& [variant, module] : kernels) {
    const std::string type = variant->family.substr(kPeak.size());
    if (type == "read_again" || type == "copy" || type == "dispatch") continue;
    const auto kernel = device.load(*variant, module);
    int64_t passes = 1;
    const Summary s = bench.time_long(*kernel, kMultiplyAdds * 4, passes, kLongUs);  // tiles are done in 5 µs
    result.peaks.push_back({type, 2.0 * double(kMultiplyAdds * passes) / s.min * 1e-3, s.spread});
  }
  const Summary empty = bench.time(*load("dispatch"), 4096, 1);
  result.dispatch_us = empty.median;
  result.dispatch_spread = empty.spread;
  return result;
}

}  // namespace

int64_t Ceilings::largest_read(const DeviceInfo& device, int64_t wanted) {
  int64_t largest = wanted;
  while (largest < kFootprintOverL2 * device.limits.l2_bytes) largest *= 2;
  const int64_t most = device.memory_bytes / kMemoryOverLargest;
  // Whole powers: what is free differs from run to run, and the ceilings are kept by this size.
  return largest <= most ? largest : int64_t(std::bit_floor(uint64_t(std::max(most, int64_t(0)))));
}

double Ceilings::read_gbps(int64_t bytes) const {
  for (const CeilingPoint& point : read)
    if (point.bytes >= bytes) return point.value;
  return memory_gbps();
}

double Ceilings::best_gflops() const {
  double best = 0;
  for (const NamedPeak& peak : peaks) best = std::max(best, peak.gflops);
  return best;
}

double Ceilings::best_read_gbps() const {
  double best = 0;
  for (const CeilingPoint& point : read) best = std::max(best, point.value);
  return best;
}

CeilingKernels find_ceiling_kernels(const std::vector<const Variant*>& variants) {
  CeilingKernels found;
  for (const Variant* variant : variants) {
    if (variant->role != Role::ceiling || !variant->disabled.empty()) continue;
    if (variant->family == "ceiling")
      found.readers.insert(variant->baseline ? found.readers.begin() : found.readers.end(), variant);
    if (variant->family.rfind("peak_", 0) == 0) found.peaks.push_back(variant);
  }
  if (found.readers.empty() || found.peaks.empty())
    fail("the backend's manifest has no families \"ceiling\" and \"peak_…\": nothing can be judged without them");
  return found;
}

Ceilings measure_ceilings(const Backend& backend, const DeviceInfo& info,
                          const std::vector<std::pair<const Variant*, BuiltModule>>& kernels, int64_t largest) {
  if (largest < kLeastLargest)
    fail("{}: too little to measure what it reaches; it takes {} MB", info.memory_text(),
         (kLeastLargest * kMemoryOverLargest) >> 20);
  return ceilings_from_json(text_of_child(fmt::format("measuring the ceilings of {}", info.id), kLimitS, [&] {
    const auto device = backend.open_measured(info, 2 * largest + (int64_t(1) << 30));
    InputArena arena(Format::f32, largest);
    return to_json(measure(*device, info, kernels, arena, largest));
  }));
}

std::string to_json(const Ceilings& c) {
  const auto point = [](const CeilingPoint& p) {
    return Json{{"bytes", p.bytes}, {"gbps", p.value}, {"spread", p.spread}};
  };
  Json json;
  json["read"] = Json::array();
  for (const CeilingPoint& p : c.read) json["read"].push_back(point(p));
  json["copy"] = point(c.copy);
  json["peaks"] = Json::array();
  for (const NamedPeak& p : c.peaks)
    json["peaks"].push_back({{"type", p.name}, {"gflops", p.gflops}, {"spread", p.spread}});
  json["dispatch"] = {{"us", c.dispatch_us}, {"spread", c.dispatch_spread}};
  json["footprint"] = c.footprint;
  return json.dump();
}

Ceilings ceilings_from_json(const std::string& text) {
  const Json json = parse_json(text, "ceilings");
  const JsonReader in(json, "ceilings");
  const auto point = [](const JsonReader& p) {
    return CeilingPoint{p.at("bytes").integer(), p.at("gbps").number(), p.at("spread").number()};
  };
  Ceilings c;
  for (const JsonReader& p : in.at("read").items()) c.read.push_back(point(p));
  c.copy = point(in.at("copy"));
  for (const JsonReader& p : in.at("peaks").items())
    c.peaks.push_back({p.at("type").string(), p.at("gflops").number(), p.at("spread").number()});
  c.dispatch_us = in.at("dispatch").at("us").number();
  c.dispatch_spread = in.at("dispatch").at("spread").number();
  c.footprint = in.at("footprint").integer();
  return c;
}

}  // namespace assay

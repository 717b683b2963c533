// Trying the readers of the family, in a process of its own.
#include "measure/readers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "backend/measured_device.h"
#include "base/error.h"
#include "base/json.h"
#include "measure/measuring_child.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr int64_t kColumns = 1024, kRowBytes = 4 * kColumns;  // of f32
constexpr int64_t kWorkspaceBytes = 1 << 16;
constexpr int64_t kLittle = int64_t(1) << 20;
constexpr int kPasses = 4;           // over all readers, in drawn order: drift hits all alike
constexpr double kTurnUs = 1000;     // of one reader in a pass, a launch at least
constexpr double kMostLaunches = 8;  // … and so many at most where each is timed alone
constexpr double kHopeless = 1.1;    // so much slower than the best after a steady turn: no further ones
constexpr double kTies = 0.003;      // the baseline is not given up for less
constexpr double kLimitS = 120;

/// Launches of one reader at one size, piece after piece of the memory.
class Turns {
 public:
  Turns(MeasuredDevice& device, const DeviceInfo& info, Address memory, int64_t memory_bytes, Mode mode, bool overlap)
      : device_(device), most_(info.launches_per_sample), mode_(mode), memory_(memory), memory_bytes_(memory_bytes) {
    launch_.op = &op_of_readers();
    launch_.overlaps_previous = overlap;
    launch_.workspace = device.allocate(kWorkspaceBytes);
  }

  /// Whether a turn is the mean of a sequence, on a device that has nothing else to do: then one says nearly all.
  bool are_steady() const { return most_ > 1; }

  /// Adds the times of a turn, in µs a launch.
  void take(LoadedKernel& kernel, int64_t bytes, std::vector<double>& us) {
    const double once_us = device_.time(next(kernel, bytes, 1))[0].device_us;  // warms up, and is no sample
    const double wanted = std::clamp(kTurnUs / std::max(once_us, 0.1), 1.0, most_ > 1 ? double(most_) : kMostLaunches);
    if (most_ > 1) {
      us.push_back(device_.time(next(kernel, bytes, int64_t(wanted)))[0].device_us);
    } else {
      for (const LaunchTimes& t : device_.time(next(kernel, bytes, int64_t(wanted)))) us.push_back(t.device_us);
    }
  }

 private:
  std::vector<Launch> next(LoadedKernel& kernel, int64_t bytes, int64_t count) {
    std::vector<Launch> launches;
    for (int64_t i = 0; i < count; ++i, at_ += bytes) {
      if (at_ + bytes > (mode_ == Mode::hot ? bytes : memory_bytes_)) at_ = 0;
      Tensor b;
      b.operand = Operand::b;
      b.dims[1] = bytes / kRowBytes, b.dims[2] = kColumns;
      b.strides[0] = bytes / 4, b.strides[1] = kColumns, b.strides[2] = 1;
      b.bytes = bytes;
      b.data = memory_ + at_;
      launch_.kernel = &kernel;
      launch_.tensors = {b};
      launch_.bytes = bytes;
      launch_.workspace_bytes = kernel.workspace_bytes(launch_);
      ASSAY_CHECK(launch_.workspace_bytes <= kWorkspaceBytes);
      launches.push_back(launch_);
    }
    return launches;
  }

  MeasuredDevice& device_;
  const int most_;
  const Mode mode_;
  Address memory_;
  int64_t memory_bytes_, at_ = 0;
  Launch launch_;
};

/// Which of the kernels reads so many bytes fastest.
size_t fastest(Turns& turns, const std::vector<std::unique_ptr<LoadedKernel>>& kernels, int64_t bytes) {
  static std::mt19937_64 random(std::random_device{}());
  std::vector<std::vector<double>> us(kernels.size());
  std::vector<double> typical(kernels.size(), HUGE_VAL);
  std::vector<size_t> order(kernels.size());
  std::iota(order.begin(), order.end(), 0);
  for (int pass = 0; pass < kPasses; ++pass) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      turns.take(*kernels[i], bytes, us[i]);
      // The faster quarter: what disturbs a launch on a shared machine only ever makes it slower.
      typical[i] = percentile(us[i], 25) * (i == 0 ? 1 - kTies : 1);
    }
    const double best = *std::min_element(typical.begin(), typical.end());
    if (turns.are_steady()) std::erase_if(order, [&](size_t i) { return typical[i] > kHopeless * best; });
  }
  return size_t(std::min_element(typical.begin(), typical.end()) - typical.begin());
}

}  // namespace

int64_t reader_size(int64_t bytes) {
  if (bytes <= kRowBytes) return kRowBytes;
  return bytes < kLittle ? int64_t(std::bit_ceil(uint64_t(bytes))) : (bytes + kRowBytes / 2) / kRowBytes * kRowBytes;
}

BestReaders find_best_readers(const Backend& backend, const DeviceInfo& info,
                              const std::vector<std::pair<const Variant*, BuiltModule>>& readers,
                              std::span<std::byte> memory, const std::vector<int64_t>& sizes, Mode mode) {
  const auto try_all = [&] {
    const auto device = backend.open_measured(info, (int64_t(1) << 30) + int64_t(memory.size()));
    const bool overlap = mode == Mode::chained && std::all_of(readers.begin(), readers.end(),
                                                              [](const auto& reader) { return reader.first->chained; });
    Turns turns(*device, info, device->import(memory), int64_t(memory.size()), mode, overlap);
    std::vector<std::unique_ptr<LoadedKernel>> kernels;
    for (const auto& [variant, module] : readers) kernels.push_back(device->load(*variant, module));
    BestReaders best;
    for (const int64_t bytes : sizes)
      best[bytes] =
          readers[fastest(turns, kernels, std::min(bytes, int64_t(memory.size()) / kRowBytes * kRowBytes))].first->id();
    return to_json(best);
  };
  return best_readers_from_json(
      text_of_child(fmt::format("trying the reading kernels of {}", info.id), kLimitS, try_all));
}

std::string to_json(const BestReaders& readers) {
  Json json = Json::object();
  for (const auto& [bytes, id] : readers) json[std::to_string(bytes)] = id;
  return json.dump();
}

BestReaders best_readers_from_json(const std::string& text) {
  const Json json = parse_json(text, "best readers");
  BestReaders readers;
  for (const auto& [bytes, id] : JsonReader(json, "best readers").members()) readers[std::stoll(bytes)] = id.string();
  return readers;
}

}  // namespace assay

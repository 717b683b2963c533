// A trace names no device: the user does, by GB/s, by a device of this machine, or by a name that one here may have.
#include "cli/trace_ceiling.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/standard_streams.h"
#include "cli/installation.h"
#include "cli/number_option.h"
#include "store/store.h"

namespace assay {
namespace {

constexpr size_t kShortestName = 4;  // that is taken for the beginning of a device's

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

double measured_gbps(const std::string& ceiling) {
  const auto backends = make_backends();
  const OpenedDevice here = [&] {
    try {
      return find_device(backends, ceiling, 0);
    } catch (const Error& e) {
      fail("--ceiling {}: neither GB/s nor a device ({})", ceiling, e.what());
    }
  }();
  if (here.described) fail("--ceiling {}: a described device was never measured; give its GB/s", ceiling);
  Store store(checked_store(default_store()));
  const double gbps = device_ceilings(*here.backend, here.info, store).memory_gbps();
  remark("assay: {} was measured to read {:.1f} GB/s\n", here.info.id, gbps);
  return gbps;
}

double known_gbps(const std::string& device_name) {
  const std::string wanted = lower(device_name);
  for (const auto& backend : make_backends())
    for (const DeviceInfo& info : backend->devices()) {
      const bool begins = wanted.size() >= kShortestName && lower(info.name).starts_with(wanted);
      if (wanted != info.id && wanted != lower(info.name) && !begins) continue;
      std::optional<Ceilings> known;
      if (std::error_code ignored; std::filesystem::exists(default_store(), ignored)) {
        Store store(checked_store(default_store()), Store::Access::read_only);
        known = known_device_ceilings(*backend, info, store);
      }
      if (known)
        remark("assay: the trace's device is {} here, which was measured to read {:.1f} GB/s\n", info.id,
               known->memory_gbps());
      else
        remark("assay: the trace's device is {} here, which was never measured: --ceiling {} does\n", info.id, info.id);
      return known ? known->memory_gbps() : 0;
    }
  return 0;
}

}  // namespace

double trace_ceiling(const std::string& ceiling, const std::string& device_name) {
  if (ceiling.empty()) return device_name.empty() ? 0 : known_gbps(device_name);
  const std::optional<double> gbps = parse_number<double>(ceiling);
  if (!gbps) return measured_gbps(ceiling);
  if (!(*gbps >= 1e-3 && *gbps <= 1e6)) fail("--ceiling {}: GB/s are from 0.001 to 1000000", ceiling);
  return *gbps;
}

}  // namespace assay

// assay devices: what is here, and what it was measured to reach.
#include <fmt/ranges.h>

#include <set>

#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "report/table.h"

namespace assay {
namespace {

struct DevicesOptions {
  std::string store = default_store().string();
  std::string device;
  bool measure = false, list = false;
};

std::string size_text(int64_t bytes) {
  return bytes >= (1 << 20) ? fmt::format("{} MB", bytes >> 20) : fmt::format("{} KB", bytes >> 10);
}

Table ceiling_table(const Ceilings& c) {
  Table table;
  table.columns = {{"what", "ceiling", Column::Format::text, 9, 0},
                   {"value", "median", Column::Format::fixed1, 9, 0},
                   {"unit", "", Column::Format::text, 9, 0},
                   {"spread", "spread %", Column::Format::fixed1, 5, 0}};
  for (const CeilingPoint& p : c.read)
    table.rows.push_back({fmt::format("read {}{}", size_text(p.bytes), p.bytes == c.footprint ? " (cold from here)" : ""), p.value, "GB/s",
                          p.spread * 100});
  table.rows.push_back({"copy " + size_text(c.copy.bytes), c.copy.value, "GB/s read + written", c.copy.spread * 100});
  for (const NamedPeak& p : c.peaks) table.rows.push_back({"multiply-add " + p.name, p.gflops, "GFLOP/s", p.spread * 100});
  table.rows.push_back({"empty dispatch", c.dispatch_us * 1000, "ns, entry to return", c.dispatch_spread * 100});
  return table;
}

/// Libraries that are kernels of a manifest and that the device does not have.
std::set<std::string> missing_vendors(const std::vector<Manifest>& manifests, const DeviceInfo& device) {
  std::set<std::string> names;
  for (const Variant* variant : all_variants(manifests))
    if (!variant->vendor.empty()) names.insert(variant->vendor);
  for (const auto& [name, version] : device.vendors) names.erase(name);
  return names;
}

int run_devices(const DevicesOptions& options) {
  const Terminal terminal = describe_terminal(stdout);
  Store store(checked_store(options.store));
  bool any = false;
  for (const auto& backend : make_backends()) {
    const std::vector<DeviceInfo> devices = backend->devices();
    const Compiler& compiler = backend->compiler();
    const std::string compiler_text = compiler.version.empty() ? "none: " + compiler.install : compiler.version;
    if (devices.empty())
      fmt::print("{}  none: {}\n  compiler: {}\n\n", backend->name(), backend->missing(), compiler_text);
    for (const DeviceInfo& device : devices) {
      if (!options.device.empty() && options.device != device.id && options.device != backend->name()) continue;
      any = true;
      fmt::print("{}  {}\n", device.id, device.name);
      for (const auto& [name, value] : device.properties)
        if (name != "features") fmt::print("  {}: {}\n", name, value);
      for (const auto& [name, version] : device.vendors) fmt::print("  {}: {}\n", name, version);
      const std::vector<Manifest> manifests = load_manifests(*backend, {});
      for (const std::string& name : missing_vendors(manifests, device))
        fmt::print("  {}: none: its library is not here\n", name);
      if (options.list) continue;
      fmt::print("  compiler: {}\n", compiler_text);
      const Ceilings ceilings = device_ceilings(*backend, device, store, options.measure);
      fmt::print("\n{}\n", render_table(ceiling_table(ceilings), terminal.width, terminal.colour));
    }
  }
  for (const auto& [name, why] : backends_not_built()) fmt::print("{}  none: {}\n", name, why);
  if (!any && !options.device.empty()) find_device(make_backends(), options.device, 0);  // says what there is
  return 0;
}

}  // namespace

CommandRun add_devices(CLI::App& command) {
  const auto o = std::make_shared<DevicesOptions>();
  command.footer("Ceilings are measured once and kept in the store; probes measure the memory's again around every spec.");
  command.add_option("--device", o->device, "this one alone (default: all)");
  command.add_flag("--list", o->list, "only what there is, without ceilings");
  command.add_flag("--measure", o->measure, "measure the ceilings again");
  command.add_option("--store", o->store, "the file that keeps them")->capture_default_str();
  return [o] { return run_devices(*o); };
}

}  // namespace assay

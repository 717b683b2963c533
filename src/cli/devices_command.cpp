// assay devices: what is here, and what it was measured to reach.

#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/interruption.h"
#include "base/json.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/report_formats.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/table.h"
#include "report/table_json.h"

namespace assay {
namespace {

struct DevicesOptions {
  std::string store = default_store().string();
  std::string device;
  bool measure = false, list = false;
  std::shared_ptr<ReportFormats> formats;
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
    table.rows.push_back(
        {fmt::format("read {}{}", size_text(p.bytes), p.bytes == c.footprint ? " (cold from here)" : ""), p.value,
         "GB/s", p.spread * 100});
  table.rows.push_back({"copy " + size_text(c.copy.bytes), c.copy.value, "GB/s read + written", c.copy.spread * 100});
  for (const NamedPeak& p : c.peaks)
    table.rows.push_back({"multiply-add " + p.name, p.gflops, "GFLOP/s", p.spread * 100});
  table.rows.push_back({"empty dispatch", c.dispatch_us * 1000, "ns, entry to return", c.dispatch_spread * 100});
  return table;
}

/// Libraries that are kernels of a manifest, or that kernels need, and that the device does not have: with what is
/// known of why.
std::map<std::string, std::string> missing_libraries(const Backend& backend, const DeviceInfo& device) {
  std::map<std::string, std::string> missing;
  const std::vector<Manifest> manifests = load_manifests(backend, {});
  for (const Variant* variant : all_variants(manifests))
    for (const std::string& name : {variant->vendor, variant->library})
      if (!name.empty()) missing[name] = "its library is not here";
  for (const Library& library : backend.compiler().libraries)
    if (!library.missing.empty()) missing[library.name] = library.missing;
  for (const auto& [name, version] : device.vendors) missing.erase(name);
  return missing;
}

/// One line a fact, for programs.
Table fact_table() {
  Table table{"Devices", {}, {}, {}, {}};
  for (const char* key : {"device", "kind", "name"}) table.columns.push_back({key, key, Column::Format::text, 1, 0});
  table.columns.push_back({"text", "value", Column::Format::text, 1, 0});
  table.columns.push_back({"value", "number", Column::Format::fixed1, 1, 0});
  table.columns.push_back({"unit", "unit", Column::Format::text, 1, 0});
  table.columns.push_back({"spread_percent", "spread %", Column::Format::fixed1, 1, 0});
  return table;
}

/// Text is shown as it comes about (ceilings take seconds to measure), and gathered for a file; facts are gathered for
/// other forms.
class DevicesReport {
 public:
  explicit DevicesReport(bool shows_text) : shows_text_(shows_text) {}

  template <typename... Args>
  void text(fmt::format_string<Args...> format, Args&&... args) {
    const std::string piece = fmt::format(format, std::forward<Args>(args)...);
    add(piece, wrap_lines(piece, describe_terminal(stdout).width, 4));
  }
  void fact(const std::string& device, const std::string& kind, const std::string& name, const std::string& value) {
    facts_.rows.push_back({device, kind, name, value, Cell(), Cell(), Cell()});
  }
  void ceilings(const std::string& device, const Table& table) {
    const Terminal terminal = describe_terminal(stdout);
    add("\n" + render_table(table) + "\n", "\n" + render_table(table, terminal.width, terminal.colour) + "\n");
    for (const std::vector<Cell>& row : table.rows)
      facts_.rows.push_back({device, "ceiling", row[0], Cell(), row[1], row[2], row[3]});
  }
  const Table& facts() const { return facts_; }
  const std::string& all_text() const { return all_text_; }

 private:
  /// `shown` fits the terminal; "" where that is no other text.
  void add(const std::string& piece, const std::string& shown) {
    all_text_ += piece;
    if (!shows_text_) return;
    put(stdout, shown.empty() ? piece : shown);
    flush(stdout);
  }

  bool shows_text_;
  std::string all_text_;
  Table facts_ = fact_table();
};

void report_device(const Backend& backend, const DeviceInfo& device, const std::string& compiler,
                   const DevicesOptions& options, Store* store, DevicesReport& out) {
  out.text("{}  {}\n", device.id, device.name);
  out.fact(device.id, "device", "name", device.name);
  for (const auto& [name, value] : device.properties) {
    if (name != "features") out.text("  {}: {}\n", name, value);
    out.fact(device.id, "property", name, value);
  }
  for (const auto& [name, version] : device.vendors) {
    out.text("  {}: {}\n", name, version);
    out.fact(device.id, "library", name, version);
  }
  for (const auto& [name, why] : missing_libraries(backend, device)) {
    out.text("  {}: none: {}\n", name, why);
    out.fact(device.id, "missing library", name, why);
  }
  if (!store) return;
  out.text("  compiler: {}\n", compiler);
  out.fact(device.id, "compiler", "version", compiler);
  const CatchInterrupt catch_interrupt;  // the store is closed as it should be
  out.ceilings(device.id, ceiling_table(device_ceilings(backend, device, *store, options.measure)));
  if (interrupted()) fail("interrupted");
}

int run_devices(const DevicesOptions& options) {
  std::optional<Store> store;
  if (!options.list) store.emplace(checked_store(options.store));
  const ReportFormats& formats = *options.formats;
  DevicesReport out(formats.text_is_shown());
  bool any = false;
  for (const auto& backend : make_backends()) {
    const std::vector<DeviceInfo> devices = backend->devices();
    const Compiler& compiler = backend->compiler();
    const std::string compiler_text = compiler.version.empty() ? "none: " + compiler.install : compiler.version;
    if (devices.empty()) {
      out.text("{}  none: {}\n  compiler: {}\n\n", backend->name(), backend->missing(), compiler_text);
      out.fact(backend->name(), "missing backend", "why", backend->missing());
    }
    for (const DeviceInfo& device : devices) {
      if (!options.device.empty() && options.device != device.id && options.device != backend->name()) continue;
      any = true;
      report_device(*backend, device, compiler_text, options, store ? &*store : nullptr, out);
    }
  }
  for (const auto& [name, why] : backends_not_built()) {
    out.text("{}  none: {}\n", name, why);
    out.fact(name, "missing backend", "why", why);
  }
  if (!any && !options.device.empty()) find_device(make_backends(), options.device, 0);  // says what there is
  const Json json = {{"schema", "assay-devices"}, {"version", 1}, {"facts", to_json(out.facts())}};
  formats.write({{"text", [&](auto&) { return out.all_text(); }},
                 {"csv", [&](auto&) { return csv_table(out.facts()); }},
                 {"json", [&](auto&) { return json_line(json); }},
                 {"markdown", [&](auto&) { return "# assay devices\n\n" + markdown_table(out.facts()); }}},
                ReportFormats::Text::shown_already);
  return 0;
}

}  // namespace

CommandRun add_devices(Options options, CommandFiles& files) {
  const auto o = std::make_shared<DevicesOptions>();
  options.footer(
      "Ceilings are measured once and kept in the store; probes measure the memory's again around every spec.\n"
      "Example: assay devices --list\n"
      "         assay devices --device cpu:0 --json devices.json\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C.");
  options.add("--device", o->device, "this one alone (default: all)").filled();
  options.flag("--list", o->list, "only what there is, without ceilings");
  options.flag("--measure", o->measure, "measure the ceilings again");
  files.add(CommandFiles::Part::store,
            options.add("--store", o->store, "the file that keeps them").show_default().type("FILE"));
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  return [o] { return run_devices(*o); };
}

}  // namespace assay

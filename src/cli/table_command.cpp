// assay table: what a dispatch table says, whether it holds on this device, and what two have apart.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/report_formats.h"
#include "cli/table_files.h"
#include "engine/kernel_choice.h"
#include "kernel/isa.h"
#include "measure/case_key.h"
#include "report/csv.h"
#include "report/dispatch_report.h"
#include "report/markdown.h"
#include "report/table_json.h"

namespace assay {
namespace {

struct TableOptions {
  std::string action, device = "cpu";
  std::vector<std::string> files, kernels;
  int threads = 0;
  std::shared_ptr<ReportFormats> formats;
};

/// The device with its kernels: what a table is held against.
struct Holder {
  explicit Holder(const TableOptions& o)
      : backends(make_backends()),
        device(find_device(backends, o.device, o.threads)),
        manifests(load_manifests(*device.backend, o.kernels)),
        variants(all_variants(manifests)),
        cache(open_build_cache(*device.backend)),
        target(table_target(device.info, kMethodVersion)) {}

  const std::vector<std::unique_ptr<Backend>> backends;
  const OpenedDevice device;
  const std::vector<Manifest> manifests;
  const std::vector<const Variant*> variants;
  const BuildCache cache;
  const TableTarget target;
};

/// One thread a core, as the engine has it, where nothing else is asked for.
TableOptions as_engine(TableOptions o) {
  if (o.threads > 0 || o.device.ends_with(".json")) return o;
  const auto backends = make_backends();
  o.threads = find_device(backends, o.device, 0).info.cores;
  return o;
}

/// `nothing`: the text where there is no table.
void write_tables(const TableOptions& o, const std::vector<Table>& tables, const std::string& nothing = "") {
  const auto all = [&](auto form) {
    std::string text;
    for (const Table& table : tables) text += (text.empty() ? "" : "\n") + form(table);
    return text;
  };
  o.formats->write({{"text",
                     [&](const Terminal& out) {
                       return tables.empty()
                                  ? nothing
                                  : all([&](const Table& t) { return render_table(t, out.width, out.colour); });
                     }},
                    {"csv", [&](auto&) { return all([](const Table& t) { return csv_table(t); }); }},
                    {"json",
                     [&](auto&) {
                       Json json = Json::array();
                       for (const Table& t : tables) json.push_back({{"section", t.title}, {"rows", to_json(t)}});
                       return json.dump(2) + "\n";
                     }},
                    {"markdown", [&](auto&) { return all([](const Table& t) { return markdown_table(t); }); }}});
}

int show_table(const TableOptions& o) {
  const DispatchTable table = load_table(o.files[0]);
  const Holder here(as_engine(o));
  const SourceOf sources = sources_for(here.device.info, here.cache);
  std::vector<Table> tables;
  for (const TableDevice& device : table.devices) {
    const std::string why_not = why_not_for(device, here.target);
    const std::string title = fmt::format("{}: for {}; {}{}", table.file, describe(device),
                                          why_not.empty() ? "holds on " + here.target.name : why_not,
                                          table.made_by.empty() ? "" : "; made by " + table.made_by);
    tables.push_back(dispatch_rows(device, title, [&](const TableEntry& entry) {
      return why_not.empty() ? entry_problem(entry, here.variants, sources) : "of a section that does not hold here";
    }));
    if (!why_not.empty()) tables.back().notes = {"none of them holds here: the section " + why_not};
  }
  if (tables.empty()) fail("{}: has no section; make a table with assay tune", table.file);
  write_tables(o, tables);
  return 0;
}

int check_table(const TableOptions& o) {
  if (const std::string why = why_not_taken(o.files[0]); !why.empty())
    fail("{}: {}: run and bench pass it over; run assay tune", o.files[0], why);
  const Holder here(as_engine(o));
  const ChosenTable chosen = choose_table(o.files[0], here.device.info, here.variants, here.cache);
  const auto& entries = chosen.entries->entries;
  // What other sections of this backend name must exist here, too.
  for (const TableDevice& device : chosen.table.devices)
    if (&device != chosen.entries && device.backend == chosen.entries->backend)
      check_entries(chosen.table, device, here.variants, nullptr);
  for (const TableDevice& device : chosen.table.devices)
    if (const auto& names = isa_names(); device.backend == "cpu" && !device.isa.empty() &&
                                         std::find(names.begin(), names.end(), device.isa) == names.end())
      remark("assay: {}: its section for isa \"{}\" applies nowhere: no processor has a feature of that name\n",
             one_line(chosen.table.file), one_line(device.isa));
  const auto measured = std::count_if(entries.begin(), entries.end(),
                                      [](const TableEntry& entry) { return !entry.evidence.result.empty(); });
  using Format = Column::Format;
  const Table table{"",
                    {{"file", "file", Format::text, 1},
                     {"holds_on", "holds on", Format::text, 1},
                     {"entries", "entries", Format::whole, 1},
                     {"measured", "measured", Format::whole, 1}},
                    {{chosen.table.file, here.target.name, double(entries.size()), double(measured)}},
                    {},
                    {}};
  const std::string text = fmt::format("{}: holds on {}: {} entries, {} of them measured on this kind of device\n",
                                       chosen.table.file, here.target.name, entries.size(), measured);
  o.formats->write({{"text", [&](auto&) { return text; }},
                    {"csv", [&](auto&) { return csv_table(table); }},
                    {"json", [&](auto&) { return json_line(to_json(table)); }},
                    {"markdown", [&](auto&) { return markdown_table(table); }}});
  return 0;
}

/// Each section against the other file's of the same device.
int diff_tables(const TableOptions& o) {
  const DispatchTable before = load_table(o.files[0]), after = load_table(o.files[1]);
  const auto same_device = [](const TableDevice& a, const TableDevice& b) {
    return a.backend == b.backend && a.isa == b.isa && a.properties == b.properties;
  };
  std::vector<Table> tables;
  const auto add = [&](const TableDevice& a, const TableDevice& b, const std::string& title) {
    Table table = dispatch_diff(a, b, title);
    if (!table.rows.empty() || !table.notes.empty()) tables.push_back(std::move(table));
  };
  // Tables of one section each are held against each other whatever they are for: what tune made, and the default.
  if (before.devices.size() == 1 && after.devices.size() == 1)
    add(before.devices[0], after.devices[0], describe(after.devices[0]));
  else {
    const TableDevice nothing;
    for (const TableDevice& device : before.devices) {
      const auto other = std::find_if(after.devices.begin(), after.devices.end(),
                                      [&](const TableDevice& d) { return same_device(device, d); });
      add(device, other == after.devices.end() ? nothing : *other, describe(device));
    }
    for (const TableDevice& device : after.devices)
      if (std::none_of(before.devices.begin(), before.devices.end(),
                       [&](const TableDevice& d) { return same_device(device, d); }))
        add(nothing, device, describe(device));
  }
  write_tables(o, tables, "the same entries in the same order\n");
  return tables.empty() ? 0 : 1;
}

int run_table(const TableOptions& o) {
  struct Action {
    const char* name;
    size_t files;
    int (*run)(const TableOptions&);
  };
  constexpr Action kActions[] = {{"show", 1, show_table}, {"check", 1, check_table}, {"diff", 2, diff_tables}};
  std::vector<std::string> names;
  for (const Action& action : kActions) {
    names.emplace_back(action.name);
    if (action.name != o.action) continue;
    if (o.files.size() != action.files)
      fail("table {}: takes {} file{}, {} are given", o.action, action.files, action.files == 1 ? "" : "s",
           o.files.size());
    return action.run(o);
  }
  fail("table {}: choose show, check or diff{}", o.action, did_you_mean(o.action, names));
}

}  // namespace

CommandRun add_table(Options options, CommandFiles& files) {
  const auto o = std::make_shared<TableOptions>();
  options.footer(
      "show: every entry with its evidence, and whether it holds here. check: nothing, or why the table is refused "
      "here: "
      "another device, expired (driver, processor features, kernel source, method of measuring), an unknown kernel, "
      "two "
      "entries for one bucket, entries that contradict each other; in the folder where tune puts its tables also one "
      "that everybody may write. diff: the entries that two tables have apart.\n"
      "docs/dispatch-table.md explains the format; assay tune makes tables for this device.\n"
      "Example: assay table show tables/cpu.json\n"
      "         assay table diff tables/cpu.json ~/.local/state/assay/tables/cpu-1f0c….json\n\n"
      "Exit codes: 0 it holds, or both say the same; 1 diff: they differ; 2 it is refused, the reason on stderr.");
  options.add("ACTION", o->action, "show, check or diff").required().type("");
  files.add(CommandFiles::Part::input, options.add("FILE", o->files, "the table, or two for diff").type(""));
  const Option device =
      options.add("--device", o->device, "which it is held against: cpu, cuda:0 …; or a description of one, FILE.json")
          .show_default();
  const Option threads =
      options.add("--threads", o->threads, "that it is held against (default: one a core)").whole(1, 4096).type("N");
  const Option kernels =
      options.add("--kernels", o->kernels, "folders with drop-in kernels that it names").existing_folder();
  files.add(CommandFiles::Part::input, [o] { return files_of_kernels(o->kernels, o->device); });
  o->formats =
      std::make_shared<ReportFormats>(options, files, std::vector<std::string>{"text", "csv", "json", "markdown"});
  return [o, device, threads, kernels] {
    if (o->action == "diff") refuse_given({device, threads, kernels}, "show and check; diff reads the two files alone");
    return run_table(*o);
  };
}

}  // namespace assay

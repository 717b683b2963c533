// assay store: results of several machines in one file.
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "store/store.h"

namespace assay {
namespace {

struct StoreOptions {
  std::string action, store = default_store().string();
  std::vector<std::string> others;
};

int run_store(const StoreOptions& o) {
  if (o.action != "merge") fail("store {}: there is merge{}", o.action, did_you_mean(o.action, {"merge"}));
  for (const std::string& other : o.others)
    const Store readable(other, Store::Access::read_only);  // before one is made
  const std::filesystem::path file = checked_store(o.store);
  std::error_code ignored;
  const bool was_there = std::filesystem::exists(file, ignored);
  auto store = std::make_unique<Store>(file);
  for (const std::string& other : o.others) {
    Store::Merged m;
    try {
      m = store->merge(other);
    } catch (const Error&) {
      store.reset();
      if (!was_there && &other == o.others.data()) std::filesystem::remove(file, ignored);  // it holds nothing yet
      throw;
    }
    const std::string text = fmt::format("{}: {} cases taken over, {} were here already; {} environments, {} ceilings",
                                         one_line(other), m.cases, m.known, m.environments, m.ceilings);
    show("{}\n", wrap(text, describe_terminal(stdout).width, 2));
  }
  return 0;
}

}  // namespace

CommandRun add_store(Options options, CommandFiles& files) {
  const auto o = std::make_shared<StoreOptions>();
  using Part = CommandFiles::Part;
  options.footer(
      "merge: what the other stores have and this one lacks is added; they stay as they are. A result keeps its "
      "device: nothing measured elsewhere is taken for this machine's. assay tune tries first what was fast on any of "
      "the devices, and believes only what it measures here.\n"
      "Example: assay store merge host-a.sqlite host-b.sqlite --store all.sqlite\n\n"
      "Exit codes: 0 fine; 2 a store cannot be read or written; what was merged before stays.");
  options.add("ACTION", o->action, "merge").required().type("");
  files.add(Part::input, options.add("FROM", o->others, "stores to take results from").required().type(""));
  files.add(Part::store, options.add("--store", o->store, "the one that they go into").show_default().type("FILE"));
  return [o] { return run_store(*o); };
}

}  // namespace assay

// Manifests: the families of a folder, read strictly → variants.
#include "kernel/manifest.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json.h"
#include "base/suggest.h"
#include "kernel/expression.h"
#include "kernel/isa.h"
#include "kernel/parameters.h"
#include "spec/op.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

struct DisabledWhen {
  Expression when;
  DisabledRule rule;
  JsonReader json;
};

std::string read_line(const JsonReader& json) {
  std::string text = json.string();
  if (text.empty()) json.error("must not be empty");
  if (text.find('\n') != std::string::npos) json.error("must be one line");
  return text;
}

fs::path read_source(const JsonReader& json, const fs::path& folder) {
  const fs::path source = json.string();
  if (source.native().find('\0') != std::string::npos) json.error("is no file name");
  const bool leaves = source.is_absolute() || std::find(source.begin(), source.end(), "..") != source.end();
  if (leaves) json.error(fmt::format("\"{}\" leaves the folder of the manifest", source.string()));
  std::error_code ignored;
  if (source.empty() || !fs::is_regular_file(folder / source, ignored))
    json.error(fmt::format("there is no file \"{}\" in {}", source.string(), folder.string()));
  return folder / source;
}

template <typename Enum>
Enum read_choice(const JsonReader& family, const std::string& key, Enum fallback,
                 const std::vector<std::pair<std::string, Enum>>& choices) {
  if (!family.has(key)) return fallback;
  const std::string name = family.at(key).string();
  std::vector<std::string> known;
  for (const auto& [choice, value] : choices) {
    if (choice == name) return value;
    known.push_back(choice);
  }
  family.at(key).error(fmt::format("unknown \"{}\"{}", name, did_you_mean(name, known)));
}

Accuracy read_accuracy(const JsonReader& family) {
  if (family.has("activation_error")) {  // the key of before there were classes
    if (family.has("accuracy")) family.at("activation_error").error("says again what \"accuracy\" says; leave it out");
    const std::string text = family.at("activation_error").string();
    if (text != "" && text != "int8_block32")
      family.at("activation_error")
          .error(fmt::format("unknown \"{}\"; write \"accuracy\": one of {}", text, joined(accuracy_names(), " ")));
    return text.empty() ? Accuracy::exact : Accuracy::int8_activation;
  }
  std::vector<std::pair<std::string, Accuracy>> choices;
  for (const std::string& name : accuracy_names()) choices.emplace_back(name, parse_accuracy(name));
  return read_choice<Accuracy>(family, "accuracy", Accuracy::exact, choices);
}

std::vector<DisabledRule> read_not_enabled(const JsonReader& family) {
  const bool enabled = family.boolean_or("enabled", true);
  if (enabled && family.has("reason") && !family.at("reason").string().empty())
    family.at("reason").error("says why a family is not enabled, but \"enabled\" is not false");
  if (!enabled && !family.has("reason")) family.at("enabled").error("needs a \"reason\" beside it");
  if (enabled) return {};
  return {{read_line(family.at("reason")), {}}};
}

/// What the families of a backend's manifests may have.
struct BackendRules {
  bool launches = false;               // "launch" and "arch": the host chooses blocks and threads
  std::vector<std::string> isa;        // levels that a family may name; empty: none
  std::vector<std::string> kinds;      // of processors, which a reason for being disabled may be of
  std::vector<std::string> vendors;    // libraries that are kernels themselves
  std::vector<std::string> libraries;  // that a kernel may be built against where they are
  int64_t most_outputs;                // fused ones; what a call has room for
};

const std::map<std::string, BackendRules>& backend_rules() {
  static const std::map<std::string, BackendRules> rules = {
      {"cpu", {false, isa_names(), {"Zen 2", "Zen 3", "Zen 4", "Zen 5"}, {}, {"ggml"}, INT64_MAX}},
      {"cuda", {true, {}, {}, {"cublas", "cublaslt"}, {}, 3}},
  };
  return rules;
}

/// A list of different names, all of them known.
std::vector<std::string> read_known(const JsonReader& list, const std::vector<std::string>& known) {
  std::vector<std::string> names;
  for (const JsonReader& item : list.items()) {
    if (std::find(known.begin(), known.end(), item.string()) == known.end())
      item.error(fmt::format("unknown \"{}\"{}; known: {}", item.string(), did_you_mean(item.string(), known),
                             joined(known, ", ")));
    if (std::find(names.begin(), names.end(), item.string()) != names.end()) item.error("stands twice");
    names.push_back(item.string());
  }
  return names;
}

std::vector<std::string> read_isa(const JsonReader& family, const BackendRules& rules) {
  if (!family.has("isa")) return {};
  if (rules.isa.empty())
    family.at("isa").error("a family of this backend names no instruction sets; \"arch\" says where it runs");
  return read_known(family.at("isa"), rules.isa);
}

std::vector<std::string> read_kinds(const JsonReader& rule, const BackendRules& rules) {
  if (!rule.has("on")) return {};
  if (rules.kinds.empty()) rule.at("on").error("this backend names no kinds of processors; leave it out");
  std::vector<std::string> kinds = read_known(rule.at("on"), rules.kinds);
  if (kinds.empty()) rule.at("on").error("must name at least one; leave it out where the reason holds everywhere");
  return kinds;
}

std::vector<DisabledWhen> read_disabled(const JsonReader& family, const BackendRules& backend,
                                        const std::vector<Parameter>& parameters) {
  std::vector<DisabledWhen> rules;
  if (!family.has("disabled")) return rules;
  for (const JsonReader& rule : family.at("disabled").items()) {
    rule.only_keys({"when", "on", "reason"});
    const JsonReader when = rule.at("when");
    const std::string text = when.string();
    rules.push_back({at_place(when, [&] { return Expression(text, names_of(parameters)); }),
                     {read_line(rule.at("reason")), read_kinds(rule, backend)},
                     when});
  }
  return rules;
}

/// One of the names that this backend has for such a key.
std::string read_one_of(const JsonReader& name, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name.string()) == known.end())
    name.error(fmt::format("unknown \"{}\"{}; known: {}", name.string(), did_you_mean(name.string(), known),
                           joined(known, " ")));
  return name.string();
}

std::string read_vendor(const JsonReader& family, const BackendRules& rules) {
  const std::string vendor = read_one_of(family.at("vendor"), rules.vendors);
  for (const char* key :
       {"source", "launch", "compile_flags", "link_flags", "isa", "threads", "prepare", "library", "chained"})
    if (family.has(key)) family.at(key).error("a vendor's library has no such thing");
  return vendor;
}

void read_launch(const JsonReader& family, const BackendRules& rules, const std::vector<Parameter>& parameters,
                 Variant& variant) {
  for (const char* key : {"launch", "arch", "chained"})
    if (!rules.launches && family.has(key))
      family.at(key).error(fmt::format("backend {} has no such key", variant.backend));
  if (family.has("arch")) variant.arch = read_arch(family.at("arch"));
  if (!rules.launches || !variant.vendor.empty()) return;
  if (family.has("threads"))
    family.at("threads").error(fmt::format("backend {} has no such key; \"launch\" has the block", variant.backend));
  variant.launch = std::make_shared<GeometryRules>(family.at("launch"), parameters, variant.prepares);
}

std::vector<std::string> read_flags(const JsonReader& family, const std::string& key) {
  return family.has(key) ? family.at(key).strings() : std::vector<std::string>();
}

void read_prepare(const JsonReader& family, Variant& variant) {
  if (family.has("storage") && !family.has("prepare"))
    family.at("storage").error("names what weights are repacked to: \"prepare\" must be true");
  if (!family.has("prepare")) return;
  const JsonReader in = family.at("prepare");
  variant.keeps_b = in.json() == "with_b";
  if (!variant.keeps_b && !in.json().is_boolean())
    in.error("must be true or false, or \"with_b\" where the kernel reads B as well");
  variant.prepares = variant.keeps_b || in.boolean();
  if (!variant.prepares) return;
  for (const std::string& name : variant.supports.op)
    for (const OpOperand& operand : find_op(name)->operands)
      if (operand.operand == Operand::cache)
        in.error(fmt::format("of {} nothing can be prepared once: its cache has new rows at every token", name));
  variant.storage = family.string_or("storage", variant.family);
  if (!is_plain_name(variant.storage))
    family.at("storage").error("a storage's name is letters, digits and _ . - +, a letter or digit first");
}

void read_harness(const JsonReader& family, const BackendRules& rules, bool mutants, Variant& variant) {
  if (!family.has("harness")) return;
  const JsonReader harness = family.at("harness");
  if (!mutants) harness.error("only a manifest with \"mutants\": true at its top may set the harness");
  harness.only_keys({"timer_scale", "entry"});
  if (harness.has("timer_scale") || !harness.has("entry")) {
    const double scale = variant.timer_scale = harness.at("timer_scale").number();
    if (!(scale > 0 && scale <= 1000)) harness.at("timer_scale").error("must be above 0 and at most 1000");
  }
  if (!harness.has("entry")) return;
  if (rules.launches) harness.at("entry").error("a module of this backend has no named entries");
  variant.entry = harness.at("entry").string();
  if (variant.entry.empty()) harness.at("entry").error("must name a kernel of the module");
}

// Everything that a family's variants share.
Variant read_family(const JsonReader& family, const Manifest& manifest, bool mutants) {
  family.only_keys({"family",   "source",           "technique",  "parameters", "constraints", "name",
                    "isa",      "compile_flags",    "link_flags", "threads",    "prepare",     "storage",
                    "accuracy", "activation_error", "baseline",   "role",       "enabled",     "reason",
                    "disabled", "supports",         "harness",    "launch",     "arch",        "vendor",
                    "library",  "chained"});
  const BackendRules& rules = backend_rules().at(manifest.backend);
  Variant variant;
  variant.backend = manifest.backend;
  variant.family = family.at("family").string();
  if (!is_plain_name(variant.family))
    family.at("family").error("a family is letters, digits and _ . - +, a letter or digit first");
  variant.technique = read_line(family.at("technique"));
  if (family.has("vendor")) {
    variant.vendor = read_vendor(family, rules);
  } else {
    variant.source = read_source(family.at("source"), manifest.file.parent_path());
  }
  variant.isa = read_isa(family, rules);
  variant.compile_flags = read_flags(family, "compile_flags");
  variant.link_flags = read_flags(family, "link_flags");
  if (family.has("library")) variant.library = read_one_of(family.at("library"), rules.libraries);
  variant.supports = read_supports(family.at("supports"));
  variant.supports.most_outputs = rules.most_outputs;
  read_prepare(family, variant);
  variant.chained = family.boolean_or("chained", false);
  variant.accuracy = read_accuracy(family);
  variant.threading =
      read_choice<Threading>(family, "threads", variant.threading,
                             {{"team", Threading::team}, {"region", Threading::region}, {"own", Threading::own}});
  variant.role =
      read_choice<Role>(family, "role", variant.role, {{"kernel", Role::kernel}, {"ceiling", Role::ceiling}});
  variant.disabled = read_not_enabled(family);
  variant.is_mutant = mutants;
  read_harness(family, rules, mutants, variant);
  return variant;
}

void mark_baselines(const JsonReader& family, std::vector<Variant>& variants) {
  if (!family.has("baseline")) return;
  const JsonReader json = family.at("baseline");
  if (!json.json().is_array()) {
    const bool all = json.boolean();
    for (Variant& variant : variants) variant.baseline = all;
    return;
  }
  std::vector<std::string> names;
  for (const Variant& variant : variants) names.push_back(variant.name);
  for (const JsonReader& item : json.items()) {
    const auto found = std::find(names.begin(), names.end(), item.string());
    if (found == names.end())
      item.error(fmt::format("no variant is named \"{}\"{}", item.string(), did_you_mean(item.string(), names)));
    variants[size_t(found - names.begin())].baseline = true;
  }
}

std::vector<Variant> read_variants(const JsonReader& family, const Manifest& manifest, bool mutants) {
  Variant shared = read_family(family, manifest, mutants);
  const std::vector<Parameter> parameters = read_parameters(family);
  const BackendRules& rules = backend_rules().at(manifest.backend);
  read_launch(family, rules, parameters, shared);
  std::vector<DisabledWhen> disabled = read_disabled(family, rules, parameters);
  std::vector<Variant> variants;
  std::set<std::string> names;
  for (const ParameterValues& values : allowed_combinations(family, parameters)) {
    Variant variant = shared;
    variant.name = fill_name(family, parameters, values);
    if (!names.insert(variant.name).second) fail_equal_names(family, parameters, variant.name);
    for (size_t i = 0; i < values.size(); ++i) variant.parameters.emplace_back(parameters[i].name, values[i]);
    for (DisabledWhen& rule : disabled)
      if (at_place(rule.json, [&] { return rule.when.holds(values); })) variant.disabled.push_back(rule.rule);
    variants.push_back(std::move(variant));
  }
  mark_baselines(family, variants);
  return variants;
}

}  // namespace

std::string Variant::disabled_reason(const std::string& kind) const {
  for (const DisabledRule& rule : disabled) {
    if (rule.kinds.empty()) return rule.reason;
    if (std::find(rule.kinds.begin(), rule.kinds.end(), kind) != rule.kinds.end())
      return fmt::format("seen on {}: {}", kind, rule.reason);
  }
  return "";
}

Geometry Variant::geometry(const GeometrySizes& sizes) const {
  ASSAY_CHECK(launch != nullptr);
  ParameterValues values;
  for (const auto& [parameter, value] : parameters) values.push_back(value);
  return launch->evaluate(values, sizes);
}

int64_t Variant::parameter_or(const std::string& wanted, int64_t fallback) const {
  for (const auto& [parameter, value] : parameters)
    if (parameter == wanted) return value;
  return fallback;
}

namespace {

/// The families of one file, which may be the manifest's own.
void read_families(const JsonReader& families, bool mutants, std::set<std::string>& ids, Manifest& manifest) {
  if (families.items().empty()) families.error("must name at least one family");
  for (const JsonReader& family : families.items()) {
    std::vector<Variant> variants = read_variants(family, manifest, mutants);
    for (const Variant& variant : variants)
      if (!ids.insert(variant.id()).second)
        family.at("family").error(
            fmt::format("an earlier entry of this family has {} too; choose another name", variant.id()));
    std::move(variants.begin(), variants.end(), std::back_inserter(manifest.variants));
  }
}

}  // namespace

void build_for_chains(Manifest& manifest) {
  for (Variant& variant : manifest.variants)
    if (variant.chained) variant.compile_flags.emplace_back(kChainedFlag);
}

std::string read_backend(const JsonReader& name) {
  std::vector<std::string> known;
  for (const auto& [backend, rules] : backend_rules()) known.push_back(backend);
  return read_one_of(name, known);
}

Manifest parse_manifest(const std::string& text, const fs::path& file) {
  const Json json = parse_json(text, file.string());
  const JsonReader top(json, file.string());
  top.only_keys({"schema", "backend", "mutants", "families", "files"});
  if (const int64_t schema = top.at("schema").integer(); schema != 1)
    top.at("schema").error(fmt::format("schema {} is unknown; this assay reads schema 1", schema));
  Manifest manifest;
  manifest.file = fs::absolute(file).lexically_normal();
  manifest.backend = read_backend(top.at("backend"));
  const bool mutants = top.boolean_or("mutants", false);
  std::set<std::string> ids;
  if (top.has("families") || !top.has("files")) read_families(top.at("families"), mutants, ids, manifest);
  if (!top.has("files")) return manifest;
  for (const JsonReader& item : top.at("files").items()) {
    const fs::path part = manifest.file.parent_path() / item.string();
    std::error_code ignored;
    if (fs::path(item.string()).filename() != item.string() || !fs::is_regular_file(part, ignored))
      item.error(fmt::format("there is no file {} beside this manifest", item.string()));
    if (fs::equivalent(part, manifest.file, ignored))
      item.error("the manifest names itself; name files that have families alone");
    const Json more = parse_json(read_file(part), part.string());
    const JsonReader in(more, part.string());
    in.only_keys({"families"});
    read_families(in.at("families"), mutants, ids, manifest);
  }
  return manifest;
}

Manifest load_manifest(const fs::path& folder) {
  const fs::path file = folder / "manifest.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) fail("{}: there is no manifest.json in this folder", folder.string());
  return parse_manifest(read_file(file), file);
}

}  // namespace assay

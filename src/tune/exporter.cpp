// Winners as a folder that somebody else's engine builds without assay.
#include "tune/exporter.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json.h"
#include "tune/c_geometry.h"
#include "tune/c_tables.h"
#include "tune/export_text.h"
#include "tune/odd_spec.h"

namespace assay {
namespace {

constexpr char kTemplatePrefix[] = "dropin", kTemplatePrefixUpper[] = "DROPIN";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

void check_prefix(const std::string& prefix) {
  const auto is_fine = [](char c) { return std::islower(static_cast<unsigned char>(c)) || c == '_'; };
  const bool ok = !prefix.empty() && prefix.size() <= 40 && is_fine(prefix[0]) &&
                  std::all_of(prefix.begin(), prefix.end(),
                              [&](char c) { return is_fine(c) || std::isdigit(static_cast<unsigned char>(c)); });
  if (!ok) fail("--prefix {}: write up to 40 of a-z, 0-9 and _, a letter first: C names begin with it", prefix);
  if (prefix.starts_with("assay")) fail("--prefix {}: the kernels' own names begin with assay", prefix);
}

std::vector<std::string> compile_flags(const ExportRequest& request, const Winner& w) {
  std::vector<std::string> flags;
  for (const auto* list : {&request.module_flags, &w.isa->flags, &w.variant->compile_flags})
    for (const std::string& flag : *list)
      if (flag != "-shared" && !flag.starts_with("-I")) flags.push_back(flag);
  return flags;
}

class Export {
 public:
  Export(const ExportRequest& request, const Winners& winners)
      : request_(request),
        winners_(winners),
        is_cpu_(request.device.backend == "cpu"),
        origin_(fmt::format("from    {}, exported {}", request.program, request.date)) {}

  ExportedFiles make() {
    choose_kernels();
    KernelSources sources(request_.kernels, is_cpu_ ? "assay_kernel.h" : "assay_cuda.h", origin_);
    for (ExportedKernel& kernel : kernels_) sources.add(kernel, request_.prefix);
    files_ = sources.files();
    std::vector<std::string> code, declarations;
    for (size_t i = 0; i < kernels_.size(); ++i) is_cpu_ ? cpu_code(i) : cuda_code(i);
    const std::string all = all_provenance();
    put("dropin.h", all,
        filled("dropin.h", {{"constants", c_constants(specs_, kernels_.size())}, {"device", part(".h")}}));
    put("dropin_kernel.h", all, filled("dropin_kernel.h", {{"device", part("_kernel.h")}}));
    put("dropin_choose.c", all, filled("dropin_choose.c", {}));
    put("dropin_tables.c", all,
        "#include \"dropin_kernel.h\"\n\n" + declarations_ + "\n" + c_tables(specs_, kernels_, code_));
    put("dropin.c", all, filled(name(".c"), {}));
    if (is_cpu_) put("example.c", all, filled("example_cpu.c", {}));
    if (!is_cpu_) {
      put("dropin_geometry.c", all, filled("cuda_geometry.c", {{"tables", c_name_tables(specs_) + geometries_}}));
      put("tools/compile.c", all, filled("compile.c", {}));
    }
    put("test/test_vector.h", all, filled("test_vector.h", {}));
    put("test/test.c", all, filled("test.c", {{"device", filled("test_" + name(".h"), {})}}));
    put("test/vectors.h", all, vectors());
    add("Makefile", is_cpu_ ? cpu_makefile(kernels_, all) : cuda_makefile(kernels_, all));
    add("README.md", export_readme(request_, winners_, kernels_, specs_));
    return std::move(files_);
  }

 private:
  std::string name(const char* end) const { return (is_cpu_ ? "cpu" : "cuda") + std::string(end); }
  std::string part(const char* end) const { return filled(name(end), {}); }

  /// A template with its marks replaced: "/*@constants@*/".
  std::string filled(const std::string& file, const std::vector<std::pair<std::string, std::string>>& marks) const {
    std::string text = read_file(request_.templates / file);
    for (const auto& [mark, content] : marks) replace_all(text, "/*@" + mark + "@*/", content);
    return text;
  }

  void add(std::string file, std::string text) {
    std::string upper = request_.prefix;
    for (char& c : upper) c = char(std::toupper(static_cast<unsigned char>(c)));
    for (std::string* of : {&file, &text}) {
      replace_all(*of, kTemplatePrefix, request_.prefix);
      replace_all(*of, kTemplatePrefixUpper, upper);
    }
    files_[file] = std::move(text);
  }
  void put(const std::string& file, const std::string& provenance, const std::string& text) {
    add(file, c_comment(provenance) + text);
  }

  void choose_kernels() {
    for (const Winner& w : winners_.all) {
      const auto same = [&](const ExportedKernel& k) { return k.variant == w.variant && k.isa == w.isa; };
      auto found = std::find_if(kernels_.begin(), kernels_.end(), same);
      if (found == kernels_.end()) {
        found = kernels_.insert(found, ExportedKernel{w.variant, w.isa, "", "", compile_flags(request_, w), ""});
        found->provenance = fmt::format("{}\nkernel  {}: {}\nbuild   {} for {}; defines below", origin_,
                                        w.variant->id(), w.variant->technique, joined(found->flags, " "), w.isa->name);
      }
      found->provenance += provenance_of(w);
      specs_.push_back({&w, size_t(found - kernels_.begin())});
    }
  }
  std::string provenance_of(const Winner& w) const {
    std::string text = fmt::format("\nspec    {}\n        {}", w.spec.line(), measured_text(request_, w));
    for (const std::string& note : w.notes) text += "\n        " + note;
    return text;
  }
  std::string all_provenance() const {
    std::string text = origin_ + "\ndevice  " + request_.device.name;
    for (const Winner& w : winners_.all) text += fmt::format("\nkernel  {}", w.variant->id()) + provenance_of(w);
    return text;
  }

  void cpu_code(size_t i) {
    const ExportedKernel& k = kernels_[i];
    declarations_ += fmt::format("const assay_kernel* {}_entry(void);\n", k.symbol);
    code_.push_back(fmt::format("{{{}_entry, {}}}", k.symbol,
                                k.variant->threading == Threading::region ? "DROPIN_REGION" : "DROPIN_TEAM"));
  }
  void cuda_code(size_t i) {
    const ExportedKernel& k = kernels_[i];
    const std::string geometry = "geometry_" + std::to_string(i);
    geometries_ += fmt::format("\n\n/* {} */\n", k.variant->id()) + c_geometry(*k.variant, geometry);
    geometries_ += fmt::format("void {0}_geometry(const dropin_launch_sizes* s, dropin_geometry* g) {{ {1}(s, g); }}\n",
                               k.symbol, geometry);
    declarations_ += fmt::format(
        "extern const unsigned char {0}_image[];\nvoid {0}_geometry(const dropin_launch_sizes*, "
        "dropin_geometry*);\n",
        k.symbol);
    code_.push_back(fmt::format("{{{0}_image, {0}_geometry, {1}}}", k.symbol, i));
  }

  /// Of each winner its own spec and, once a kernel and shape, an odd one.
  std::string vectors() {
    std::vector<ExportedVector> all;
    std::vector<Pool> pools;
    std::set<std::pair<size_t, std::string>> tried;
    const auto is_measured = [&](const Spec& spec) {
      return std::any_of(winners_.all.begin(), winners_.all.end(),
                         [&](const Winner& w) { return w.spec.math_line() == spec.math_line(); });
    };
    for (size_t i = 0; i < specs_.size(); ++i) {
      const Winner& w = *specs_[i].winner;
      all.push_back({make_test_vector(w.spec, w.variant->accuracy, all.size() << 40, pools), i, true, true});
      const std::optional<Spec> odd = odd_spec(w.spec, *w.variant, request_.device);
      if (!odd || !tried.insert({specs_[i].kernel, odd->math_line()}).second) continue;
      all.push_back(
          {make_test_vector(*odd, w.variant->accuracy, all.size() << 40, pools), i, false, is_measured(*odd)});
    }
    return c_vectors(all, pools, specs_);
  }

  const ExportRequest& request_;
  const Winners& winners_;
  const bool is_cpu_;
  const std::string origin_;
  std::vector<ExportedKernel> kernels_;
  std::vector<ExportedSpec> specs_;
  std::string declarations_, geometries_;
  std::vector<std::string> code_;
  ExportedFiles files_;
};

}  // namespace

ExportedFiles make_export(const ExportRequest& request, const Winners& winners) {
  check_prefix(request.prefix);
  if (request.device.backend != "cpu" && request.device.backend != "cuda")
    fail("kernels of backend {} cannot be exported yet; of cpu and cuda they can", request.device.backend);
  return Export(request, winners).make();
}

std::string about_export(const ExportRequest& request, const Winners& winners) {
  Json json = {{"program", request.program}, {"date", request.date}, {"device", request.device.name}};
  json["prefix"] = request.prefix;
  json["winners"] = Json::array();
  for (const Winner& w : winners.all)
    json["winners"].push_back({{"spec", w.spec.line()},
                               {"variant", w.variant->id()},
                               {"accuracy", accuracy_name(w.variant->accuracy)},
                               {"median_us", w.median_us},
                               {"percent_of_floor", w.percent_of_floor},
                               {"measured_at", w.record.measured_at},
                               {"notes", w.notes}});
  json["left_out"] = winners.left_out;
  return json.dump();
}

}  // namespace assay

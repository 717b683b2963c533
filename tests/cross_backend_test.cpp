// Every kernel of every manifest × awkward shapes × every device here, through the worker that proves results.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "backend/cpu/cpu_backend.h"
#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "base/error.h"
#include "probe/plan.h"
#include "probe/worker_process.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr double kWatchdogS = 60;  // only a hang takes so long, however busy the machine is
constexpr size_t kShapesPerIsaLevel = 6;

/// Shapes with tails for every vector width, unroll and row block; sizes of one; more threads than rows.
const std::vector<std::pair<int64_t, int64_t>> kShapes = {  // n, k
    {1, 1},  {2, 1},    {1, 2},    {1, 33},    {2, 31},   {3, 7},    {5, 64},
    {17, 1}, {31, 129}, {77, 141}, {130, 257}, {7, 4097}, {1000, 3}, {515, 899}};
const std::vector<std::pair<int64_t, int64_t>> kOddShapes = {{1, 1}, {77, 141}};
const std::vector<std::pair<int64_t, int64_t>> kBlockShapes = {{1, 32},   {2, 32},    {1, 64},   {3, 96},   {5, 224},
                                                               {77, 160}, {130, 288}, {7, 4128}, {515, 896}};

std::vector<Spec> awkward_specs() {
  std::vector<Spec> specs;
  const auto add = [&](int64_t batch, int64_t m, const std::string& shape, bool tA, bool tB, const std::string& types,
                       const std::string& more) {
    specs.push_back(parse_spec(fmt::format("op=matmul | batch={} | m={} | {} | tA={} | tB={} | {}{}", batch, m, shape,
                                           int(tA), int(tB), types, more)));
  };
  const auto shape_of = [](const auto& nk) { return fmt::format("n={} | k={}", nk.first, nk.second); };
  const auto fused = [&](const std::string& segments, int64_t k, const std::string& types, const std::string& more) {
    specs.push_back(parse_spec(
        fmt::format("op=matmul | batch=1 | m=1 | n=? | {} | k={} | tA=? | tB=? | {}{}", segments, k, types, more)));
  };
  const std::string kEpilogue = " | alpha=0.125 | beta=1.5 | bias=1", kAlphaBeta = " | alpha=-0.5 | beta=0.25";

  // F16, as the workloads are, on every shape; the other types on enough of them to meet every tail of theirs.
  for (const std::string type : {"f16", "f32", "bf16"}) {
    const std::string types = fmt::format("dtA={} | dtB={} | dtD={}", type, type, type);
    const size_t step = type == "f16" ? 1 : 2;
    for (size_t i = step - 1; i < kShapes.size(); i += step)
      for (const bool tB : {true, false}) add(1, 1, shape_of(kShapes[i]), false, tB, types, "");
    for (size_t i = type == "f16" ? 0 : 1; i < kOddShapes.size(); ++i)
      for (const bool tB : {true, false}) {
        const std::string shape = shape_of(kOddShapes[i]);
        add(1, 3, shape, false, tB, types, "");
        add(1, 1, shape, false, tB, types, " | bias=1");
        add(1, 1, shape, false, tB, types, kAlphaBeta);
        add(1, 3, shape, true, tB, types, kEpilogue);
        add(14, 1, shape, false, tB, types, "");
        add(14, 3, shape, false, tB, types, kAlphaBeta);
      }
    add(14, 1, "n=1 | k=64", false, true, types, " | alpha=0.125 | beta=0");
    add(14, 1, "n=64 | k=1", false, false, types, " | alpha=1 | beta=0");
    add(14, 1, "n=95 | k=64", false, true, types, " | alpha=0.125 | beta=0");
    add(14, 1, "n=64 | k=95", false, false, types, " | alpha=0.125 | beta=1");
    fused("n0=31 | n1=33", 141, types, "");
    fused("nq=65 | nk=3 | nv=1", 129, types, " | bias=1");
    fused("n0=5 | n1=6 | n2=7 | n3=1", 64, types, kAlphaBeta);
  }
  for (const char* types : {"dtA=f32 | dtB=f16 | dtD=f32", "dtA=f16 | dtB=f16 | dtD=f32",
                            "dtA=bf16 | dtB=f16 | dtD=f16", "dtA=f16 | dtB=f32 | dtD=bf16"})
    for (const bool tB : {true, false}) add(1, 1, "n=77 | k=141", false, tB, types, "");

  for (const std::string types :
       {"dtA=f16 | dtB=q8_0 | dtD=f16", "dtA=f32 | dtB=q8_0 | dtD=f32", "dtA=bf16 | dtB=q8_0 | dtD=bf16"})
    for (const std::string loader : {"", " | loader=q8nk_split"}) {
      for (size_t i = 0; i < kBlockShapes.size(); i += types.find("dtA=f16") == 0 ? 1 : 3)
        add(1, 1, shape_of(kBlockShapes[i]), false, true, types, loader);
      add(1, 3, "n=77 | k=160", false, true, types, loader);
      add(1, 3, "n=77 | k=160", true, true, types, loader + kEpilogue);
      add(1, 1, "n=77 | k=160", false, true, types, loader + kEpilogue);
      add(1, 1, "n=2 | k=32", false, true, types, loader + kAlphaBeta);
      add(14, 1, "n=5 | k=64", false, true, types, loader);
      fused("n0=31 | n1=33", 96, types, loader);
      fused("nq=65 | nk=3 | nv=1", 160, types, loader + " | bias=1");
    }
  return specs;
}

/// A device that is here and its kernels' manifest.
struct Present {
  const Backend* backend = nullptr;
  DeviceInfo device;
  Manifest manifest;
};

const std::vector<std::unique_ptr<Backend>>& backends() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Backend>> made;
    made.push_back(make_cpu_backend());
#ifdef ASSAY_HAS_CUDA
    made.push_back(make_cuda_backend());
#endif
    return made;
  }();
  return all;
}

std::vector<Present> present_devices() {
  std::vector<Present> result;
  for (const auto& folder : fs::directory_iterator(fs::path(ASSAY_SOURCE_DIR) / "kernels")) {
    if (!fs::exists(folder.path() / "manifest.json")) continue;
    const Manifest manifest = load_manifest(folder.path());
    const size_t before = result.size();
    for (const auto& backend : backends())
      if (backend->name() == manifest.backend)
        for (const DeviceInfo& device : backend->devices()) result.push_back({backend.get(), device, manifest});
    if (result.size() == before)
      fmt::print("skipped {}: no device of backend {} here\n", folder.path().filename().string(), manifest.backend);
  }
  return result;
}

std::vector<const Variant*> kernels_of(const Manifest& manifest) {
  std::vector<const Variant*> kernels;
  for (const Variant& variant : manifest.variants)
    if (variant.role == Role::kernel && variant.enabled()) kernels.push_back(&variant);
  return kernels;
}

/// Beside the program, where it looks itself: what one test compiled, the next one finds.
std::vector<BuiltModule> build_all(const Present& here, const std::vector<BuildRequest>& requests) {
  BuildCache cache(here.backend->compiler(), {fs::path(ASSAY_PROGRAM).parent_path() / "kernels"},
                   here.manifest.file.parent_path());
  return cache.build_all(requests, int(std::max(1u, std::thread::hardware_concurrency())));
}

/// The inputs and the reference of one spec after another, all from the same arenas.
class Prover {
 public:
  Prover(const Present& here, const std::vector<Spec>& specs) : here_(here) {
    for (const Spec& spec : specs) arenas_.reserve(spec, footprint(spec));
  }

  void open(const Spec& spec) {
    reference_.reset();
    inputs_ = std::make_unique<SpecInputs>(spec, arenas_, footprint(spec));
    reference_ = std::make_unique<Reference>(*inputs_, /*int8_activations=*/true);
  }

  /// "" if the variant's answers on the open spec are right and nothing around them changed; else outcome and reason.
  std::string prove(const Variant& variant, const BuiltModule& module) {
    WorkerCase work;
    work.backend = here_.backend;
    work.device = &here_.device;
    work.variant = &variant;
    work.module = &module;
    work.reference = reference_.get();
    work.inputs = inputs_.get();
    work.arenas = &arenas_;
    work.footprint = footprint(inputs_->spec());
    work.memory_limit = (int64_t(1) << 30) + 8 * inputs_->spec().b_bytes();
    WorkerProcess worker({&work});
    int64_t checked = 0;
    for (const Step step : {Step::setup, Step::sample, Step::settle}) {
      Command command;
      command.step = step;
      command.launches = command.least_launches = 3;
      const Reply reply = worker.ask(command, kWatchdogS).reply;
      if (reply.outcome == Outcome::unsupported) return "";  // a vendor's library says so when it is asked
      if (reply.outcome != Outcome::pass) return fmt::format("{}: {}", outcome_name(reply.outcome), reply.detail);
      checked = reply.errors.launches_checked;
    }
    return checked >= 2 ? "" : fmt::format("only {} launches were compared with the reference", checked);
  }

 private:
  static int64_t footprint(const Spec& spec) { return 3 * (spec.b_bytes() + 2048); }

  const Present& here_;
  Arenas arenas_;
  std::unique_ptr<SpecInputs> inputs_;
  std::unique_ptr<Reference> reference_;
};

TEST(CrossBackend, EveryEnabledVariantIsRightOnEveryAwkwardShapeThatItSupports) {
  const std::vector<Spec> specs = awkward_specs();
  for (const Present& here : present_devices()) {
    const std::vector<const Variant*> kernels = kernels_of(here.manifest);
    std::vector<BuildRequest> requests;
    for (const Variant* variant : kernels)
      if (const IsaLevel* isa = choose_isa(*variant, here.device)) requests.push_back({variant, isa});
    const std::vector<BuiltModule> modules = build_all(here, requests);
    std::map<const Variant*, const BuiltModule*> module_of;
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(modules[i].error, "") << requests[i].variant->id();
      if (modules[i].error.empty()) module_of[requests[i].variant] = &modules[i];
    }

    Prover prover(here, specs);
    std::map<std::string, int64_t> skips, cases_of;
    int64_t cases = 0, skipped = 0;
    for (const Spec& spec : specs) {
      prover.open(spec);
      for (const Variant* variant : kernels) {
        std::string reason = unsupported_reason(*variant, spec);
        if (reason.empty() && !choose_isa(*variant, here.device)) reason = "its instructions are not here";
        if (!reason.empty()) {
          ++skips[variant->family + ": " + reason];
          ++skipped;
          continue;
        }
        if (!module_of.count(variant)) continue;
        ++cases;
        ++cases_of[variant->id()];
        EXPECT_EQ(prover.prove(*variant, *module_of[variant]), "") << variant->id() << " on " << spec.line();
      }
    }
    fmt::print("{}: {} cases over {} specs and {} variants; {} pairs skipped:\n", here.device.id, cases, specs.size(),
               kernels.size(), skipped);
    for (const auto& [reason, count] : skips) fmt::print("  {:5} {}\n", count, reason);
    EXPECT_EQ(cases + skipped, int64_t(specs.size() * kernels.size())) << "pairs that are neither a case nor a skip";
    for (const auto& [variant, module] : module_of)
      EXPECT_GT(cases_of[variant->id()], 0)
          << variant->id() << " supports none of the shapes: add one for it to awkward_specs()";
  }
}

TEST(CrossBackend, EveryFamilyIsRightAtEveryInstructionLevelOfThisMachine) {
  const std::vector<Spec> specs = awkward_specs();
  for (const Present& here : present_devices()) {
    std::vector<BuildRequest> requests;
    std::set<std::string> families;
    for (const Variant* variant : kernels_of(here.manifest)) {
      if (!families.insert(variant->family).second) continue;
      for (const IsaLevel& level : here.device.isa)
        if (variant->isa.empty() || std::count(variant->isa.begin(), variant->isa.end(), level.name))
          requests.push_back({variant, &level});
    }
    const std::vector<BuiltModule> modules = build_all(here, requests);
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ(modules[i].error, "") << requests[i].variant->id() << " for " << requests[i].isa->name;

    // From each family's specs, some spread over the whole list.
    std::map<std::string, std::set<size_t>> chosen;
    for (const BuildRequest& request : requests) {
      std::vector<size_t> supported;
      for (size_t s = 0; s < specs.size(); ++s)
        if (unsupported_reason(*request.variant, specs[s]).empty()) supported.push_back(s);
      ASSERT_FALSE(supported.empty()) << request.variant->id();
      for (size_t i = 0; i < kShapesPerIsaLevel; ++i)
        chosen[request.variant->family].insert(supported[i * (supported.size() - 1) / (kShapesPerIsaLevel - 1)]);
    }
    Prover prover(here, specs);
    for (size_t s = 0; s < specs.size(); ++s) {
      bool open = false;
      for (size_t i = 0; i < requests.size(); ++i) {
        if (!modules[i].error.empty() || !chosen[requests[i].variant->family].count(s)) continue;
        if (!open) prover.open(specs[s]);
        open = true;
        EXPECT_EQ(prover.prove(*requests[i].variant, modules[i]), "")
            << requests[i].variant->id() << " for " << requests[i].isa->name << " on " << specs[s].line();
      }
    }
  }
}

/// Every spec of a workload, those of its families' whole ranges included.
std::vector<Spec> specs_of(const Workload& workload) {
  std::vector<Spec> specs;
  for (const WorkloadEntry& entry : workload.entries) specs.push_back(entry.spec);
  for (const WorkloadFamily& family : workload.families)
    for (int64_t length = family.first; length <= family.last; ++length) specs.push_back(family_member(family, length));
  return specs;
}

TEST(CrossBackend, EverySpecOfBothWorkloadsHasThreeEnabledVariantsOnAnyProcessor) {
  const std::vector<Workload> workloads = load_workloads(fs::path(ASSAY_SOURCE_DIR) / "specs");
  ASSERT_GE(workloads.size(), 2u);
  for (const Present& here : present_devices()) {
    std::vector<const Variant*> variants;
    for (const Variant& variant : here.manifest.variants) variants.push_back(&variant);
    DeviceInfo plainest = here.device;
    plainest.isa.resize(1);
    for (const DeviceInfo& device : {here.device, plainest})
      for (const Workload& workload : workloads) {
        int64_t specs = 0;
        std::vector<std::string> short_of;
        for (const PlannedSpec& planned : make_plan(specs_of(workload), variants, device, {}).specs) {
          const auto runnable = std::count_if(planned.cases.begin(), planned.cases.end(),
                                              [](const PlannedCase& c) { return c.over_limit.empty(); });
          if (runnable < 3) short_of.push_back(fmt::format("{} has {}", planned.spec.line(), runnable));
          ++specs;
        }
        EXPECT_GE(specs, int64_t(workload.entries.size()) / 2) << workload.name;
        EXPECT_TRUE(short_of.empty()) << short_of.size() << " of " << specs << " specs of " << workload.name << " at "
                                      << device.isa.back().name << ", first: " << short_of.front();
      }
  }
}

TEST(CrossBackend, ThereIsADeviceAndAManifestForIt) { EXPECT_FALSE(present_devices().empty()); }

}  // namespace
}  // namespace assay

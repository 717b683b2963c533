// Every kernel of every manifest × awkward shapes × every device here, through the worker that proves results.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <set>

#include "awkward_specs.h"
#include "backend/cpu/cpu_backend.h"
#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "base/error.h"
#include "measure/worker_group.h"
#include "modules_for_tests.h"
#include "probe/plan.h"
#include "proof/proof.h"
#include "spec/workload.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr double kWatchdogS = 60;  // only a hang takes so long, however busy the machine is
constexpr size_t kShapesPerIsaLevel = 6;

/// The folder with kernels/ and specs/: above the program in a bundle that was carried to another machine, else the
/// checkout.
const fs::path& project_root() {
  static const fs::path root = [] {
    const fs::path above = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
    return fs::exists(above / "kernels" / "cpu" / "manifest.json") ? above : fs::path(ASSAY_SOURCE_DIR);
  }();
  return root;
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
    made.push_back(make_cpu_backend(Waits::asleep));
#ifdef ASSAY_HAS_CUDA
    made.push_back(make_cuda_backend());
#endif
    return made;
  }();
  return all;
}

/// ASSAY_TEST_DEVICE=cuda:0 walks that one alone: a machine with a GPU need not have what compiles for its CPU.
std::vector<Present> present_devices() {
  const char* only = std::getenv("ASSAY_TEST_DEVICE");
  std::vector<Present> result;
  for (const auto& folder : fs::directory_iterator(project_root() / "kernels")) {
    if (!fs::exists(folder.path() / "manifest.json")) continue;
    const Manifest manifest = load_manifest(folder.path());
    for (const auto& backend : backends()) {
      if (backend->name() != manifest.backend) continue;
      const std::vector<DeviceInfo> devices = backend->devices();
      for (const DeviceInfo& device : devices)
        if (!only || device.id == only) result.push_back({backend.get(), device, manifest});
      if (devices.empty()) fmt::print("skipped {}: {}\n", backend->name(), backend->missing());
    }
  }
  return result;
}

/// Of a library that its kernels are compiled against; one that is opened at run time says so when it is asked.
bool is_library_here(const std::string& library, const DeviceInfo& device) {
  return library.empty() || std::any_of(device.vendors.begin(), device.vendors.end(),
                                        [&](const auto& vendor) { return vendor.first == library; });
}

std::vector<const Variant*> kernels_of(const Present& here) {
  std::vector<const Variant*> kernels;
  for (const Variant& variant : here.manifest.variants)
    if (variant.role == Role::kernel && variant.disabled_reason(here.device.kind).empty() &&
        is_library_here(variant.library, here.device))
      kernels.push_back(&variant);
  return kernels;
}

/// Kernels built beside the program, where it looks itself: what one test compiled, the next one finds.
class Built {
 public:
  using Request = std::pair<const Variant*, std::string>;  // and the name of the instruction level

  void build(const Present& here, const std::map<Request, const IsaLevel*>& wanted) {
    const fs::path program = project_root() == fs::path(ASSAY_SOURCE_DIR) ? ASSAY_PROGRAM : "/proc/self/exe";
    std::vector<BuildRequest> requests;
    for (const auto& [request, isa] : wanted) requests.push_back({request.first, isa});
    const auto modules = build_beside(program, *here.backend, here.manifest.file.parent_path(), requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(modules[i].error, "") << requests[i].variant->id() << " for " << requests[i].isa->name;
      if (modules[i].error.empty()) modules_[{requests[i].variant, requests[i].isa->name}] = modules[i];
    }
  }
  /// Null if it did not compile.
  const BuiltModule* find(const Variant* variant, const IsaLevel& isa) const {
    const auto found = modules_.find({variant, isa.name});
    return found == modules_.end() ? nullptr : &found->second;
  }

 private:
  std::map<Request, BuiltModule> modules_;
};

struct Candidate {
  const Variant* variant = nullptr;
  const BuiltModule* module = nullptr;
};

/// What became of a candidate: "" if its answers are right and nothing around them changed, else outcome and reason.
struct Proved {
  Outcome outcome = Outcome::pass;
  std::string message;
};

/// The inputs and the reference of one spec after another, all from the same arenas.
class Prover {
 public:
  Prover(const Present& here, const std::vector<Spec>& specs) : here_(here) {
    for (const Spec& spec : specs) arenas_.reserve(spec, footprint(spec));
  }

  /// Of each candidate, in order. They share a worker process: another begins where one has ended, and one that closes
  /// the weights to its process, or has threads of its own, has that for itself.
  std::vector<Proved> prove(const Spec& spec, const std::vector<Candidate>& candidates) {
    const SpecInputs inputs(spec, arenas_, footprint(spec));
    const std::unique_ptr<Proof> proof = make_proof(inputs, {Accuracy::int8_activation});
    const auto special = SpecialValues::make(spec, /*any_padded=*/true, /*any_dense=*/true,
                                             /*as_in_files=*/!here_.device.one_worker);
    std::list<WorkerCase> cases;
    std::vector<std::pair<std::shared_ptr<WorkerGroup>, size_t>> places;
    std::shared_ptr<WorkerGroup> common;
    for (const Candidate& candidate : candidates) {
      WorkerCase& work = cases.emplace_back();
      work.backend = here_.backend;
      work.device = &here_.device;
      work.variant = candidate.variant;
      work.module = candidate.module;
      work.proof = proof.get();
      work.inputs = &inputs;
      work.special = special.get();
      work.first_visit = !here_.device.one_worker && ++candidates_ % kDrawnOf == 0;
      work.arenas = &arenas_;
      work.footprint = footprint(spec);
      work.memory_limit = (int64_t(1) << 30) + 8 * spec.weight_bytes();
      const bool shares =
          here_.device.one_worker || (!candidate.variant->prepares && candidate.variant->threading == Threading::team);
      if (shares && !common) common = std::make_shared<WorkerGroup>(kWatchdogS);
      const auto group = shares ? common : std::make_shared<WorkerGroup>(kWatchdogS);
      places.emplace_back(group, group->add(work));
    }
    common.reset();
    std::vector<Proved> proofs;
    for (auto& [group, index] : places) {
      proofs.push_back(prove_one(*group, index));
      group.reset();  // the last of a group ends its process
    }
    return proofs;
  }

 private:
  static int64_t footprint(const Spec& spec) { return 3 * (spec.weight_bytes() + 2048); }

  static Proved prove_one(WorkerGroup& group, size_t index) {
    int64_t checked = 0;
    for (const Step step : {Step::setup, Step::sample, Step::settle}) {
      Command command;
      command.step = step;
      command.launches = command.least_launches = 3;
      const Reply reply = group.ask(index, command, kWatchdogS).reply;
      if (reply.outcome != Outcome::pass)
        return {reply.outcome, fmt::format("{}: {}", outcome_name(reply.outcome), reply.detail)};
      checked = reply.errors.launches_checked;
    }
    if (checked >= 2) return {};
    return {Outcome::wrong, fmt::format("only {} launches were compared with the reference", checked)};
  }

  static constexpr uint64_t kDrawnOf = 4;  // candidates: of so many one has uneven launches and special draws as well
  const Present& here_;
  Arenas arenas_;
  uint64_t candidates_ = 0;
};

/// Absence is data: a vendor's library that says so when it is asked, and a launch that a smaller device cannot hold.
bool is_absence(Outcome outcome) { return outcome == Outcome::unsupported || outcome == Outcome::device_limit; }

/// `count` of the shapes that a variant supports (all, if it has no more), spread over the whole list: their places in
/// it.
std::vector<size_t> spread_shapes(const Variant& variant, const std::vector<Spec>& specs, size_t count) {
  std::vector<size_t> supported, chosen;
  for (size_t s = 0; s < specs.size(); ++s)
    if (unsupported_reason(variant, specs[s]).empty()) supported.push_back(s);
  if (supported.size() <= count) return supported;
  for (size_t i = 0; i < count; ++i) chosen.push_back(supported[(2 * i + 1) * supported.size() / (2 * count)]);
  return chosen;
}

/// What one walk proves: every variant on every shape; or with ASSAY_TEST_SHAPES=N each of ours on N of its shapes,
/// where a checker of races makes a launch a hundred times as long.
class Walk {
 public:
  Walk(const std::vector<const Variant*>& kernels, const std::vector<Spec>& specs) {
    const char* count = std::getenv("ASSAY_TEST_SHAPES");
    if (!count) return;
    whole_ = false;
    for (const Variant* variant : kernels)
      if (variant->vendor.empty())
        for (const size_t s : spread_shapes(*variant, specs, size_t(std::max(1, std::atoi(count)))))
          chosen_[s].insert(variant);
  }
  bool whole() const { return whole_; }
  bool has(size_t spec, const Variant* variant) const {
    const auto found = chosen_.find(spec);
    return whole_ || (found != chosen_.end() && found->second.count(variant));
  }

 private:
  bool whole_ = true;
  std::map<size_t, std::set<const Variant*>> chosen_;
};

TEST(CrossBackend, EveryEnabledVariantIsRightOnEveryAwkwardShapeThatItSupports) {
  const std::vector<Spec> specs = awkward_specs();
  for (const Present& here : present_devices()) {
    const std::vector<const Variant*> kernels = kernels_of(here);
    const Walk walk(kernels, specs);
    std::map<std::string, int64_t> skips, proofs_of;
    std::vector<PlannedSpec> plans;
    std::map<Built::Request, const IsaLevel*> wanted;
    std::vector<std::string> vendor_errors;
    int64_t skipped = 0, proved = 0, of_vendors = 0, unknown_errors = 0, left_out = 0;
    const auto skip = [&](const std::string& family, const std::string& reason, int64_t count) {
      skips[family + ": " + reason] += count;
      skipped += count;
    };
    for (const Spec& spec : specs) {
      const Plan plan = make_plan({spec}, kernels, here.device, {});
      for (const SkipGroup& group : plan.skips)
        skip(group.variant.substr(0, group.variant.find('/')), group.reason, group.count);
      plans.push_back(plan.specs.at(0));
      for (const PlannedCase& c : plans.back().cases)
        if (c.over_limit.empty() && walk.has(plans.size() - 1, c.variant)) wanted[{c.variant, c.isa->name}] = c.isa;
    }
    Built built;
    built.build(here, wanted);

    Prover prover(here, specs);
    for (size_t s = 0; s < plans.size(); ++s) {
      const PlannedSpec& planned = plans[s];
      std::vector<Candidate> candidates;
      for (const PlannedCase& c : planned.cases) {
        if (!walk.has(s, c.variant))
          ++left_out;
        else if (!c.over_limit.empty())
          skip(c.variant->family, "device_limit: " + c.over_limit, 1);
        else if (const BuiltModule* module = built.find(c.variant, *c.isa))
          candidates.push_back({c.variant, module});
      }
      if (candidates.empty()) continue;
      const std::vector<Proved> proofs = prover.prove(planned.spec, candidates);
      for (size_t i = 0; i < candidates.size(); ++i) {
        const Variant& variant = *candidates[i].variant;
        if (is_absence(proofs[i].outcome)) {
          skip(variant.family, proofs[i].message, 1);
          continue;
        }
        ++proved;
        ++proofs_of[variant.id()];
        of_vendors += !variant.vendor.empty();
        if (!variant.vendor.empty() && proofs[i].outcome == Outcome::wrong) {
          unknown_errors += !has_known_error(planned.spec);
          vendor_errors.push_back(variant.id() + " on " + planned.spec.line() + ": " + proofs[i].message);
        } else {
          EXPECT_EQ(proofs[i].message, "") << variant.id() << " on " << planned.spec.line();
        }
      }
    }
    fmt::print("{}: {} cases over {} specs and {} variants; {} pairs left out, {} skipped:\n", here.device.id, proved,
               specs.size(), kernels.size(), left_out, skipped);
    for (const auto& [reason, count] : skips) fmt::print("  {:5} {}\n", count, reason);
    // Not ours to repair, and a probe says so; many of no known kind would be our mistake.
    for (const std::string& error : vendor_errors) fmt::print("  a vendor's answer is out of bounds: {}\n", error);
    int64_t pairs = 0;
    for (const Spec& spec : specs)
      pairs +=
          std::count_if(kernels.begin(), kernels.end(), [&](const Variant* v) { return v->supports.is_of(*spec.op); });
    EXPECT_EQ(proved + skipped + left_out, pairs) << "pairs that are neither a case nor a skip";
    EXPECT_LE(unknown_errors * 50, of_vendors);
    for (const auto& [request, isa] : wanted) {
      if (!request.first->vendor.empty()) continue;  // how many algorithms a vendor's heuristic has, only it knows
      EXPECT_GT(proofs_of[request.first->id()], 0)
          << request.first->id() << " supports none of the shapes: add one for it to awkward_specs()";
    }
  }
}

TEST(CrossBackend, EveryFamilyIsRightAtEveryInstructionLevelOfThisMachine) {
  const std::vector<Spec> specs = awkward_specs();
  size_t devices = 0;
  for (const Present& here : present_devices()) {
    if (here.device.isa.size() < 2) continue;  // the test above was at its one level
    ++devices;
    std::map<Built::Request, const IsaLevel*> wanted;
    std::set<std::string> families;
    for (const Variant* variant : kernels_of(here)) {
      if (!families.insert(variant->family).second) continue;
      for (const IsaLevel& level : here.device.isa)
        if (variant->isa.empty() || std::count(variant->isa.begin(), variant->isa.end(), level.name))
          wanted[{variant, level.name}] = &level;
    }
    Built built;
    built.build(here, wanted);

    // From each family's specs, some spread over the whole list.
    std::map<std::string, std::set<size_t>> chosen;
    for (const auto& [request, isa] : wanted) {
      const std::vector<size_t> shapes = spread_shapes(*request.first, specs, kShapesPerIsaLevel);
      ASSERT_FALSE(shapes.empty()) << request.first->id();
      chosen[request.first->family].insert(shapes.begin(), shapes.end());
    }
    Prover prover(here, specs);
    for (size_t s = 0; s < specs.size(); ++s) {
      std::vector<Candidate> candidates;
      std::vector<std::string> names;
      for (const auto& [request, isa] : wanted) {
        const BuiltModule* module = built.find(request.first, *isa);
        if (!module || !chosen[request.first->family].count(s)) continue;
        candidates.push_back({request.first, module});
        names.push_back(request.first->id() + " for " + isa->name);
      }
      if (candidates.empty()) continue;
      const std::vector<Proved> proofs = prover.prove(specs[s], candidates);
      for (size_t i = 0; i < proofs.size(); ++i)
        EXPECT_EQ(is_absence(proofs[i].outcome) ? "" : proofs[i].message, "") << names[i] << " on " << specs[s].line();
    }
  }
  if (devices == 0) GTEST_SKIP() << "no device here has more than one instruction level";
}

/// Every spec of a workload, those of its families' whole ranges included.
std::vector<Spec> specs_of(const Workload& workload) {
  std::vector<Spec> specs;
  for (const WorkloadEntry& entry : workload.entries) specs.push_back(entry.spec);
  for (const WorkloadFamily& family : workload.families)
    for (int64_t length = family.first; length <= family.last; ++length) specs.push_back(family_member(family, length));
  return specs;
}

/// Ops beside the product have a plain loop and a fast kernel, where a backend has them at all.
TEST(CrossBackend, EverySpecOfTheWorkloadsHasEnoughEnabledVariantsOnAnyProcessor) {
  const std::vector<Workload> workloads = load_workloads(project_root() / "specs");
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
          const bool has_op = std::any_of(variants.begin(), variants.end(), [&](const Variant* v) {
            return v->role == Role::kernel && v->supports.is_of(*planned.spec.op);
          });
          if (runnable < (planned.spec.op->is_product ? 3 : has_op ? 2 : 0))
            short_of.push_back(fmt::format("{} has {}", planned.spec.line(), runnable));
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

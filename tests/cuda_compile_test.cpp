// CUDA kernels without a GPU: every enabled variant compiles for each architecture that its manifest names, and
// mistakes are told.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <span>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "kernel/build_cache.h"

#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif

namespace assay {
namespace {
namespace fs = std::filesystem;

const fs::path kKernels = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cuda";

/// Tells as many mistakes, those of ptxas too, in a fifth of the time. NVRTC 12 has no such flag.
constexpr const char* kUnoptimized = "--Ofast-compile=max";

/// All of them, as a probe would compile them; else some, not optimized.
bool is_thorough() { return std::getenv("ASSAY_TEST_ALL_VARIANTS") != nullptr; }

class CudaCompileTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef ASSAY_HAS_CUDA
    compiler_ = make_cuda_backend()->compiler();
#endif
    if (compiler_.version.empty()) GTEST_SKIP() << "no CUDA toolkit here: " << compiler_.install;
  }

  ProcessResult compile(const std::string& text, std::vector<std::string> flags = {}) {
    const fs::path folder = fs::temp_directory_path() / fmt::format("assay-cuda-test-{}", getpid());
    fs::create_directories(folder);
    write_file(folder / "some.cu", text);
    flags.insert(flags.begin(), {compiler_.command, "--gpu-architecture=sm_80"});
    flags.insert(flags.end(), {(folder / "some.cu").string(), "-o", (folder / "some.cubin").string()});
    const ProcessResult result = run_process(flags, 60);
    EXPECT_EQ(fs::exists(folder / "some.cubin"), result.exit_code == 0);
    fs::remove_all(folder);
    return result;
  }

  Compiler fast_compiler() {
    Compiler compiler = compiler_;
    if (!is_thorough() && compile("", {kUnoptimized}).exit_code == 0) compiler.module_flags.push_back(kUnoptimized);
    return compiler;
  }

  Compiler compiler_{"", "", 0};
};

struct Target {
  int arch;
  IsaLevel isa;
};
const Target kTargets[] = {{80, {"sm_80", {"--gpu-architecture=sm_80"}}},
                           {90, {"sm_90a", {"--gpu-architecture=sm_90a"}}},
                           {100, {"sm_100a", {"--gpu-architecture=sm_100a"}}}};

enum class Which {
  all,
  some  // of each family one for each architecture, drawn anew when its source changes
};

uint64_t draw(const Variant& variant) {
  return std::stoull(hash_hex(read_file(variant.source)).substr(0, 8), nullptr, 16);
}

std::vector<BuildRequest> requests_for(const Manifest& manifest, std::span<const Target> targets, Which which) {
  std::map<std::string, std::vector<const Variant*>> families;
  for (const Variant& variant : manifest.variants)
    if (variant.disabled.empty() && variant.vendor.empty()) families[variant.family].push_back(&variant);
  std::vector<BuildRequest> requests;
  for (const auto& [name, variants] : families) {
    uint64_t drawn = draw(*variants.front());
    for (const Target& target : targets) {
      std::vector<const Variant*> possible;
      for (const Variant* variant : variants)
        if (target.arch >= variant->arch.least && target.arch <= variant->arch.most) possible.push_back(variant);
      if (possible.empty()) continue;
      if (which == Which::some) possible = {possible[drawn++ % possible.size()]};  // another for the next
      for (const Variant* variant : possible) requests.push_back({variant, &target.isa});
    }
  }
  return requests;
}

void expect_compiles(const Compiler& compiler, const fs::path& folder, std::span<const Target> targets = kTargets,
                     Which which = Which::all) {
  const Manifest manifest = load_manifest(folder);
  const std::vector<BuildRequest> requests = requests_for(manifest, targets, which);
  ASSERT_FALSE(requests.empty());
  BuildCache cache(compiler, {fs::path(ASSAY_PROGRAM).parent_path() / "kernels"}, kKernels);
  const std::vector<BuiltModule> modules =
      cache.build_all(requests, int(std::max(1u, std::thread::hardware_concurrency())));
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(modules[i].error, "") << requests[i].variant->id() << " for " << requests[i].isa->name;
}

TEST_F(CudaCompileTest, AVariantOfEveryFamilyCompilesForEachArchitectureOfItsRange) {
  if (!fs::exists(kKernels / "manifest.json")) GTEST_SKIP() << "no CUDA kernels in this checkout";
  expect_compiles(fast_compiler(), kKernels, kTargets, Which::some);
}

TEST_F(CudaCompileTest, EveryEnabledVariantCompilesForEachArchitectureOfItsRange) {
  if (!fs::exists(kKernels / "manifest.json")) GTEST_SKIP() << "no CUDA kernels in this checkout";
  if (!is_thorough()) GTEST_SKIP() << "takes minutes: set ASSAY_TEST_ALL_VARIANTS (make check)";
  expect_compiles(compiler_, kKernels);
}

TEST_F(CudaCompileTest, EveryMutantCompiles) {
  const fs::path mutants = fs::path(ASSAY_SOURCE_DIR) / "tests" / "mutants" / "cuda";
  if (!fs::exists(mutants / "manifest.json")) GTEST_SKIP() << "no CUDA mutants in this checkout";
  expect_compiles(fast_compiler(), mutants, std::span(kTargets).first(1));  // they have no code of an architecture's own
}

TEST_F(CudaCompileTest, TheDropInExampleCompiles) {
  expect_compiles(compiler_, fs::path(ASSAY_SOURCE_DIR) / "docs" / "examples" / "drop-in-cuda");
}

TEST_F(CudaCompileTest, AMistakeIsToldWithFileAndLine) {
  const ProcessResult result = compile("extern \"C\" __global__ void run() {\n  int x = nothing;\n}\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("some.cu(2): error"), std::string::npos) << result.output;
}

TEST_F(CudaCompileTest, WhatTheAssemblerRefusesIsAMistakeWhetherOptimizedOrNot) {
  const std::string wrong[] = {
      "extern \"C\" __global__ void run(float* d) { asm volatile(\"mma.sync.nonsense.f32 %0;\" : \"=f\"(d[0])); }",
      "extern \"C\" __global__ void run() { asm volatile(\"cp.async.bulk.commit_group;\"); }",  // of sm_90
      "extern \"C\" __global__ void run(float* d) {\n  __shared__ float much[20000];\n  much[threadIdx.x] = d[0];\n"
      "  __syncthreads();\n  d[1] = much[5];\n}",
      "__device__ float nowhere(float);\nextern \"C\" __global__ void run(float* d) { d[0] = nowhere(d[0]); }"};
  const bool can_be_fast = compile("", {kUnoptimized}).exit_code == 0;
  for (const std::string& text : wrong) {
    EXPECT_EQ(compile(text).exit_code, 1) << text;
    if (can_be_fast) {
      EXPECT_EQ(compile(text, {kUnoptimized}).exit_code, 1) << text;
    }
  }
}

TEST_F(CudaCompileTest, ACallThatMakesNoSenseIsToldWhatIsMissing) {
  EXPECT_NE(run_process({compiler_.command}, 20).output.find("needs a source and -o MODULE"), std::string::npos);
  EXPECT_NE(run_process({compiler_.command, "a.cu", "-o"}, 20).output.find("-o needs the file"), std::string::npos);
  EXPECT_EQ(run_process({compiler_.command, "--help"}, 20).exit_code, 0);
}

}  // namespace
}  // namespace assay

// The CUDA kernels as data, without a GPU or a toolkit: the seeds' families under their names, and plans for a
// described device.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "../kernels/cuda/assay_cuda.h"
#include "backend/described_device.h"
#include "backend/device.h"
#include "base/file.h"
#include "kernel/manifest.h"
#include "probe/plan.h"
#include "spec/workload.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

const fs::path kRoot = ASSAY_SOURCE_DIR;

class CudaManifest : public ::testing::Test {
 protected:
  std::vector<const Variant*> variants() const {
    std::vector<const Variant*> all;
    for (const Variant& variant : manifest_.variants) all.push_back(&variant);
    return all;
  }
  const Variant* find(const std::string& id) const {
    for (const Variant& variant : manifest_.variants)
      if (variant.id() == id) return &variant;
    return nullptr;
  }
  Plan plan(const std::string& spec, const DeviceInfo& device, const Selection& selection = {}) const {
    return make_plan({parse_spec(spec)}, variants(), device, selection);
  }

  const Manifest manifest_ = load_manifest(kRoot / "kernels" / "cuda");
  const DeviceInfo h200_ = load_device(kRoot / "tests" / "data" / "h200.json");
  const std::string kNt = "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
};

TEST_F(CudaManifest, FusedOutputsArePlannedUpToWhatACallHasRoomFor) {
  std::string fused = "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
  for (int i = 0; i < ASSAY_CUDA_SEGMENTS; ++i) fused += " | n" + std::to_string(i) + "=64";
  EXPECT_GT(plan(fused, h200_).cases(), 5);
  EXPECT_EQ(plan(fused + " | n" + std::to_string(ASSAY_CUDA_SEGMENTS) + "=64", h200_).cases(), 0);
}

/// The compiler moves loads of constant memory behind a chain's wait: whether they are such is device.h's to say.
TEST_F(CudaManifest, SourcesOfAChainLeaveConstantLoadsToOneHeader) {
  std::set<std::string> seen = {"device.h"};
  std::vector<std::string> left;
  for (const Variant* variant : variants())
    if (variant->chained) left.push_back(variant->source.filename().string());
  ASSERT_FALSE(left.empty());
  while (!left.empty()) {
    const std::string name = left.back();
    left.pop_back();
    if (!seen.insert(name).second) continue;
    const std::string text = read_file(kRoot / "kernels" / "cuda" / name);
    for (const char* load : {"ld.global.nc", "__ldg"})
      EXPECT_EQ(text.find(load), std::string::npos) << name << ": " << load;
    const std::string include = "#include \"";
    for (size_t at = text.find(include); at != std::string::npos; at = text.find(include, at + 1)) {
      const size_t begin = at + include.size();
      left.push_back(text.substr(begin, text.find('"', begin) - begin));
    }
  }
}

TEST_F(CudaManifest, TheSeedsVariantsAreThereUnderTheSeedsNames) {
  std::vector<std::string> ids = {"mlx/baseline",
                                  "mlx/baseline_nn",
                                  "mlx/nn_fast",
                                  "mlx/nn_wide",
                                  "mlx/nn_transposed",
                                  "gemv/baseline",
                                  "gemm_tiled/baseline",
                                  "m1_optimized/simd_basic",
                                  "m1_optimized/simd_tiled1",
                                  "m1_optimized/simd_tiled2",
                                  "m1_optimized/simd_tiled4",
                                  "cublas/default",
                                  "cublaslt/algo0"};
  for (const char* layout : {"nt", "nn", "tn", "tt"})
    for (const char* tile : {"m1_fast", "bk64"}) ids.push_back(fmt::format("mlx/{}_{}", tile, layout));
  for (const int n : {1, 2, 4, 8, 16}) ids.push_back(fmt::format("gemv/smalln{}", n));
  for (const int bn : {64, 128}) {
    ids.push_back(fmt::format("m1_optimized_v2/nt_bn{}_col", bn));
    for (const int bk : {64, 128}) {
      for (const int tg : {bk, 128}) ids.push_back(fmt::format("m1_optimized_v2/nt_bn{}_col_bk{}_tg{}", bn, bk, tg));
      ids.push_back(fmt::format("m1_optimized_v2/nt_bn{}_col_vec4_bk{}_tg128", bn, bk));
      ids.push_back(fmt::format("m1_optimized_v3/nt_bn{}_col_vec4_bk{}_tg128", bn, bk));
    }
  }
  for (const std::string& id : ids) {
    const Variant* variant = find(id);
    ASSERT_TRUE(variant) << id;
    EXPECT_EQ(variant->disabled_reason(""), "") << id;
  }
}

TEST_F(CudaManifest, WhatTheSeedsAskedForNextIsThere) {
  std::set<std::string> families;
  std::string v3;
  for (const Variant& variant : manifest_.variants) {
    if (!variant.disabled.empty()) continue;
    families.insert(variant.family);
    if (variant.family == "m1_optimized_v3") v3 += variant.name + " ";
  }
  for (const char* family : {"dot_m1", "largek", "batched_nt", "batched_nn", "q8_mma", "q8_split_mma", "ceiling"})
    EXPECT_TRUE(families.count(family)) << family;
  for (const char* idea : {"_bn256_", "_half8_", "_unroll16_"})
    EXPECT_NE(v3.find(idea), std::string::npos) << idea << " in " << v3;
}

TEST_F(CudaManifest, StagedBIsDisabledWithItsReasonAndRunsWhenNamed) {
  for (const int bn : {64, 128})
    for (const int bk : {64, 128})
      for (const int tg : {bk, 128}) {
        const std::string id = fmt::format("m1_optimized_v2/nt_bn{}_col_bt_bk{}_tg{}", bn, bk, tg);
        const Variant* variant = find(id);
        ASSERT_TRUE(variant) << id;
        EXPECT_NE(variant->disabled_reason(""), "") << id;
        Selection named;
        named.variants = {id};
        EXPECT_EQ(plan(kNt, h200_, named).cases(), 1) << id;
        named.variants = {"m1_optimized_v2/*"};
        const Plan by_glob = plan(kNt, h200_, named);
        EXPECT_TRUE(std::any_of(by_glob.skips.begin(), by_glob.skips.end(), [&](const SkipGroup& skip) {
          return skip.variant == id && skip.reason == "disabled: " + variant->disabled_reason("");
        })) << id;
      }
}

TEST_F(CudaManifest, MoreSharedMemoryThanADescribedDeviceHasIsADeviceLimitWithBothNumbers) {
  DeviceInfo small = h200_;
  small.id = "cuda:7";
  small.limits.shared_bytes = 32768;
  Selection named;
  named.variants = {"m1_optimized_v2/nt_bn128_col_bt_bk128_tg128"};
  const Plan limited = plan(kNt, small, named);
  ASSERT_EQ(limited.cases(), 1);
  // Seed 000: "Threadgroup memory size (33280) exceeds the maximum … (32768)". A row has one half more here.
  EXPECT_EQ(limited.specs[0].cases[0].over_limit, "needs 33536 bytes of shared memory, cuda:7 has 32768");
  EXPECT_EQ(plan(kNt, h200_, named).specs[0].cases[0].over_limit, "");
}

TEST_F(CudaManifest, ClustersNeedComputeCapability9) {
  DeviceInfo older = h200_;
  older.limits.arch = 80;
  older.isa = {{"sm_80", {"--gpu-architecture=sm_80"}}};
  const auto clusters = [&](const DeviceInfo& device) {
    Selection named;
    named.variants = {"largek/*"};
    return plan("op=matmul | batch=1 | m=1 | n=896 | k=4864 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16", device, named)
        .cases();
  };
  EXPECT_GT(clusters(h200_), 0);
  EXPECT_EQ(clusters(older), 0);
}

TEST_F(CudaManifest, EveryProductOfTheWorkloadsHasOwnVariantsThatADescribedDeviceCanRun) {
  const std::vector<Workload> workloads = load_workloads(kRoot / "specs");
  ASSERT_GE(workloads.size(), 2u);
  for (const Workload& workload : workloads) {
    std::vector<Spec> specs;
    for (const WorkloadEntry& entry : workload.entries) specs.push_back(entry.spec);
    for (const PlannedSpec& planned : make_plan(specs, variants(), h200_, {}).specs) {
      const auto own = std::count_if(planned.cases.begin(), planned.cases.end(), [](const PlannedCase& c) {
        return c.variant->vendor.empty() && c.over_limit.empty();
      });
      // F32 around weights that are none has plain loops alone so far.
      const bool has_fast = planned.spec.op->is_product && planned.spec.dtype(Operand::a) != Dtype::f32;
      EXPECT_GE(own, has_fast ? 5 : 1) << workload.name << ": " << planned.spec.line();
    }
  }
}

TEST_F(CudaManifest, EveryOpOfAStepHasAPlainLoopAndFasterOnesThatADescribedDeviceCanRun) {
  for (const char* spec :
       {"op=rms_norm | m=1 | n=896 | dtA=f32 | dtB=f32 | dtD=f32 | eps=1e-06 | residual=1",
        "op=swiglu | m=1 | n=4864 | dtA=f16 | dtD=f16",
        "op=embedding | m=1 | n=1024 | rows=151936 | dtB=q6_k | dtD=f32", "op=argmax | m=1 | n=151936 | dtA=f32",
        "op=rope | m=1 | heads=14 | kv_heads=2 | head_size=64 | capacity=4096 | dtA=f32 | dtCache=f16 | dtD=f32 | "
        "style=neox | base=1000000",
        "op=attention | m=1 | heads=14 | kv_heads=2 | head_size=64 | length=4096 | capacity=4096 | dtA=f32 | "
        "dtCache=f16 | dtD=f32 | scale=0.125"}) {
    const Plan planned = plan(spec, h200_);
    std::set<std::string> families;
    int64_t baselines = 0;
    for (const PlannedCase& c : planned.specs.at(0).cases) {
      EXPECT_EQ(c.over_limit, "") << c.variant->id();
      families.insert(c.variant->family);
      baselines += c.variant->baseline;
    }
    EXPECT_GE(families.size(), 2u) << spec;
    EXPECT_EQ(baselines, 1) << spec;
  }
}

TEST_F(CudaManifest, AttentionHasABlockForEachPieceOfTheContextAndQueryHeadsThatShareAKey) {
  const Variant* variant = find("attention_split/s64_h4_n32_t256_u2");
  ASSERT_TRUE(variant);
  const Spec spec = parse_spec(
      "op=attention | m=3 | heads=14 | kv_heads=2 | head_size=64 | length=99 | capacity=4096 | dtA=f32 | dtCache=f16 | "
      "dtD=f32 | scale=0.125");
  const Geometry g = variant->geometry(launch_sizes(*spec.op, spec.tensors, h200_));
  EXPECT_EQ(g.grid, (std::array<int64_t, 3>{32, 2 * 2, 3}));
  EXPECT_EQ(g.workspace_bytes, 3 * 14 * 32 * (64 + 2) * 4);
}

TEST_F(CudaManifest, ACacheOfQ80IsWrittenAndReadByAPlainLoopAndFasterOnes) {
  const auto ids = [&](const std::string& spec) {
    std::set<std::string> families;
    for (const PlannedSpec& planned : plan(spec, h200_).specs)
      for (const PlannedCase& c : planned.cases) families.insert(c.variant->family);
    return families;
  };
  EXPECT_EQ(ids("op=attention | m=1 | heads=14 | kv_heads=2 | head_size=64 | length=300 | capacity=300 | dtA=f32 | "
                "dtCache=q8_0 | dtD=f32 | scale=0.125"),
            (std::set<std::string>{"attention", "attention_mma"}));
  EXPECT_EQ(ids("op=rope | m=1 | heads=14 | kv_heads=2 | head_size=64 | capacity=256 | dtA=f32 | dtCache=q8_0 | "
                "dtD=f32 | style=neox | base=1000000"),
            (std::set<std::string>{"rope", "rope_blocks"}));
}

assay_cuda_tensor dense(int role, int segment, int batch, int rows, int columns) {
  assay_cuda_tensor t{};
  t.role = uint8_t(role), t.segment = uint8_t(segment);
  t.dims[0] = batch, t.dims[1] = rows, t.dims[2] = columns;
  t.strides[0] = int64_t(rows) * columns, t.strides[1] = columns, t.strides[2] = 1;
  return t;
}

TEST(CudaCall, ACopysOrderStandsInTheFirstConstantsUnlessAStrideIsTooLong) {
  assay_cuda_call call{};
  call.op = ASSAY_CUDA_COPY, call.tensor_count = 2;
  call.tensors[0] = dense(ASSAY_CUDA_A, 0, 2, 5, 33), call.tensors[1] = dense(ASSAY_CUDA_D, 0, 6, 5, 33);
  call.tensors[0].data = &call, call.tensors[1].data = &call.op;
  assay_cuda_set_operands(&call);
  EXPECT_EQ(call.copy.batches, 6);
  EXPECT_EQ(call.copy.repeat, 3);
  EXPECT_EQ(call.copy.rows, 5);
  EXPECT_EQ(call.copy.columns, 33);
  EXPECT_EQ(call.copy.a_strides[1], 33);
  EXPECT_EQ(call.copy.a, static_cast<void*>(&call));
  EXPECT_EQ(call.copy.d, static_cast<void*>(&call.op));
  call.tensors[0].strides[0] = int64_t(1) << 32;
  assay_cuda_set_operands(&call);
  EXPECT_EQ(call.copy.batches, 0);
  EXPECT_EQ(call.copy.repeat, 3);
}

TEST(CudaCall, AnOpWithACacheHasItsSizesAndParametersThere) {
  assay_cuda_call call{};
  call.op = ASSAY_CUDA_ATTENTION, call.tensor_count = 5, call.param_count = 1;
  call.params[0] = {ASSAY_CUDA_SCALE, 0.125f};
  call.tensors[0] = dense(ASSAY_CUDA_A, 0, 1, 3, 14 * 64);
  call.tensors[1] = dense(ASSAY_CUDA_CACHE, 0, 2, 100, 64), call.tensors[2] = dense(ASSAY_CUDA_CACHE, 1, 2, 100, 64);
  call.tensors[3] = dense(ASSAY_CUDA_D, 0, 1, 3, 14 * 64), call.tensors[4] = dense(ASSAY_CUDA_INDEX, 0, 1, 1, 1);
  call.tensors[4].data = &call;
  assay_cuda_set_operands(&call);
  EXPECT_EQ(call.operands.rows, 3);
  EXPECT_EQ(call.operands.heads, 14);
  EXPECT_EQ(call.operands.kv_heads, 2);
  EXPECT_EQ(call.operands.head_size, 64);
  EXPECT_EQ(call.operands.capacity, 100);
  EXPECT_EQ(call.operands.params[0], 0.125f);
  EXPECT_EQ(call.operands.data[4], static_cast<void*>(&call));
}

}  // namespace
}  // namespace assay

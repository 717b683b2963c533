// Laws of special values: whatever honest kernels make of them passes, in every type, storage, spacing and accuracy;
// what is special is found out by those that cannot take it.
#include "proof/special_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/half.h"
#include "ops/matmul.h"
#include "proof/inputs.h"
#include "proof/reference.h"

namespace assay {
namespace {

/// A kernel in three steps: what it makes of a row of activations, of a weight, and of their sum.
struct Kernel {
  std::function<void(std::vector<float>&)> activations = [](std::vector<float>&) {};
  std::function<float(float)> weight = [](float w) { return w; };
  std::function<float(float)> sum = [](float s) { return s; };
  bool ignores_strides = false, compensates = false;
};

float dot(const Kernel& kernel, const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0, lost = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!kernel.compensates) {
      sum = std::fma(a[i], kernel.weight(b[i]), sum);
      continue;
    }
    const float term = a[i] * kernel.weight(b[i]) - lost, next = sum + term;
    lost = (next - sum) - term;
    sum = next;
  }
  return kernel.sum(sum);
}

const Tensor& find(const std::vector<Tensor>& tensors, Operand operand, uint32_t segment) {
  for (const Tensor& t : tensors)
    if (t.operand == operand && (t.segment == segment || operand == Operand::a)) return t;
  throw std::out_of_range("no such tensor");
}

/// The message of a spec's special values on a kernel, "" if it passes all launches.
std::string judge(const Spec& spec, Spacing spacing, Accuracy accuracy, const Kernel& kernel) {
  const std::unique_ptr<SpecialValues> values = SpecialValues::make(spec, true, true, /*as_in_files=*/true);
  const std::vector<Tensor>& tensors = values->weights(spacing)->tensors();
  std::vector<Tensor> dense = spec.tensors;
  for (size_t i = 0; i < dense.size(); ++i) dense[i].data = tensors[i].data, dense[i].scales = tensors[i].scales;
  const std::vector<Tensor>& seen = kernel.ignores_strides ? dense : tensors;
  for (int64_t launch = 0; launch < values->launches(accuracy); ++launch) {
    std::vector<Tensor> d;
    std::vector<std::vector<std::byte>> outputs;
    const std::vector<std::byte> a_bytes = values->content(find(tensors, Operand::a, 0), launch, accuracy);
    const Tensor& a = find(seen, Operand::a, 0);
    for (uint32_t s = 0; s < std::max<size_t>(1, matmul_of(spec).segments.size()); ++s) {
      const Tensor &b = find(seen, Operand::b, s), &c = find(seen, Operand::c, s);
      d.push_back(find(tensors, Operand::d, s));
      const std::vector<std::byte> c_bytes = values->content(find(tensors, Operand::c, s), launch, accuracy);
      std::vector<std::byte> bias, out(size_t(d.back().bytes), std::byte{kPoison});
      if (matmul_of(spec).bias) bias = values->content(find(tensors, Operand::bias, s), launch, accuracy);
      for (int64_t batch = 0; batch < matmul_of(spec).batch; ++batch)
        for (int64_t m = 0; m < matmul_of(spec).m; ++m) {
          std::vector<float> row, weights(static_cast<size_t>(matmul_of(spec).k));
          for (int64_t k = 0; k < matmul_of(spec).k; ++k)
            row.push_back(float(decode_value(
                a.dtype,
                &a_bytes[size_t(dtype_bytes(a.dtype, batch * a.strides[0] + m * a.strides[1] + k * a.strides[2]))])));
          kernel.activations(row);
          for (int64_t n = 0; n < b.dims[1]; ++n) {
            for (int64_t k = 0; k < matmul_of(spec).k; ++k) weights[size_t(k)] = float(b_element(b, batch, n, k));
            float value = float(matmul_of(spec).alpha) * dot(kernel, row, weights);
            const auto at = [&](const Tensor& t) {
              return size_t(dtype_bytes(t.dtype, batch * t.strides[0] + m * t.strides[1] + n));
            };
            if (matmul_of(spec).beta != 0)
              value += float(matmul_of(spec).beta) * float(decode_value(c.dtype, &c_bytes[at(c)]));
            if (matmul_of(spec).bias)
              value += float(decode_value(matmul_of(spec).d, &bias[size_t(dtype_bytes(matmul_of(spec).d, n))]));
            encode_value(matmul_of(spec).d, double(value), &out[at(find(seen, Operand::d, s))]);
          }
        }
      outputs.push_back(std::move(out));
    }
    if (const std::string message = values->check(d, outputs, launch, accuracy); !message.empty()) return message;
  }
  return "";
}

void round_in_blocks(std::vector<float>& a, size_t block, bool powers) {
  for (size_t first = 0; first < a.size(); first += block) {
    const size_t end = std::min(a.size(), first + block);
    float largest = 0;
    for (size_t i = first; i < end; ++i) largest = std::max(largest, std::fabs(a[i]));
    float scale = largest / 127;
    if (powers && scale > 0) scale = std::exp2(std::round(std::log2(scale)));
    for (size_t i = first; i < end; ++i)
      a[i] = scale > 0 ? std::clamp(std::nearbyint(a[i] / scale), -127.0f, 127.0f) * scale : 0;
  }
}

/// As quantized formats keep activations: the scale is an f16, which has no exponent left for faint blocks.
Kernel int8_kernel_with_half_scales() {
  Kernel kernel;
  kernel.activations = [](std::vector<float>& a) {
    for (size_t first = 0; first < a.size(); first += 32) {
      const size_t end = std::min(a.size(), first + 32);
      float largest = 0;
      for (size_t i = first; i < end; ++i) largest = std::max(largest, std::fabs(a[i]));
      const float scale = largest / 127, kept = half_to_float(float_to_half(scale));
      for (size_t i = first; i < end; ++i) a[i] = scale > 0 ? std::nearbyint(a[i] / scale) * kept : 0;
    }
  };
  return kernel;
}

Kernel int8_kernel(size_t block, bool powers = false) {
  Kernel kernel;
  kernel.activations = [=](std::vector<float>& a) { round_in_blocks(a, block, powers); };
  return kernel;
}

/// A block's largest value is looked for among all but its last, or its first.
Kernel int8_kernel_that_looks_past(size_t place) {
  Kernel kernel;
  kernel.activations = [=](std::vector<float>& a) {
    for (size_t first = 0; first < a.size(); first += 32) {
      const size_t end = std::min(a.size(), first + 32);
      float largest = 0;
      for (size_t i = first; i < end; ++i)
        if (i - first != place) largest = std::max(largest, std::fabs(a[i]));
      const float scale = largest / 127;
      for (size_t i = first; i < end; ++i)
        a[i] = scale > 0 ? std::clamp(std::nearbyint(a[i] / scale), -127.0f, 127.0f) * scale : 0;
    }
  };
  return kernel;
}

Kernel rounding_kernel(Dtype dtype) {
  Kernel kernel;
  kernel.activations = [=](std::vector<float>& a) {
    std::byte bytes[4];
    for (float& v : a) encode_value(dtype, double(v), bytes), v = float(decode_value(dtype, bytes));
  };
  return kernel;
}

Spec spec_of(const std::string& rest) { return parse_spec("op=matmul | " + rest); }

std::vector<Spec> many_specs() {
  std::vector<Spec> specs;
  for (const char* shape :
       {"batch=1 | m=1 | n=131 | k=288", "batch=3 | m=2 | n=33 | k=64", "batch=1 | m=1 | n=5 | k=32"})
    for (const char* types :
         {"tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32", "tA=1 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16",
          "tA=0 | tB=0 | dtA=bf16 | dtB=bf16 | dtD=bf16", "tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16",
          "tA=0 | tB=1 | dtA=f32 | dtB=q8_0 | dtD=f32 | loader=q8nk_split"})
      for (const char* epilogue : {"", " | alpha=0.125 | beta=-0.5 | bias=1"})
        specs.push_back(spec_of(fmt::format("{} | {}{}", shape, types, epilogue)));
  for (const DtypeFacts& type : all_dtypes())
    if (is_quantized(type.dtype) && type.dtype != Dtype::q8_0)
      for (const char* shape : {"batch=1 | m=1 | n=131 | k=512", "batch=2 | m=2 | n=33 | k=256"})
        for (const char* around : {"f16", "f32"})
          specs.push_back(
              spec_of(fmt::format("{} | tA=0 | tB=1 | dtA={} | dtB={} | dtD={}", shape, around, type.name, around)));
  for (const char* odd :
       {"batch=1 | m=1 | n=1 | k=1 | tA=0 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16",
        "batch=2 | m=1 | n=40 | k=25 | tA=0 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16",
        "batch=1 | m=1 | n=? | nq=40 | nk=9 | nv=9 | k=96 | tA=? | tB=? | dtA=f16 | dtB=f16 | dtD=f16"})
    specs.push_back(spec_of(odd));
  return specs;
}

TEST(SpecialValues, HonestKernelsPassInEveryTypeStorageAndSpacing) {
  Kernel compensating;
  compensating.compensates = true;
  for (const Spec& spec : many_specs())
    for (const Spacing spacing : {Spacing::dense, Spacing::padded}) {
      EXPECT_EQ(judge(spec, spacing, Accuracy::exact, Kernel()), "") << spec.line();
      EXPECT_EQ(judge(spec, spacing, Accuracy::exact, compensating), "") << spec.line();
    }
}

TEST(SpecialValues, HonestKernelsOfEveryAccuracyPassAndAreAccusedUnderABetterOne) {
  for (const Spec& spec : many_specs()) {
    EXPECT_EQ(judge(spec, Spacing::padded, Accuracy::int8_activation, int8_kernel(32)), "") << spec.line();
    EXPECT_EQ(judge(spec, Spacing::dense, Accuracy::int8_activation, int8_kernel_with_half_scales()), "")
        << spec.line();
    EXPECT_EQ(judge(spec, Spacing::dense, Accuracy::f16_activation, rounding_kernel(Dtype::f16)), "") << spec.line();
    EXPECT_EQ(judge(spec, Spacing::dense, Accuracy::bf16_activation, rounding_kernel(Dtype::bf16)), "") << spec.line();
  }
  const Spec spec = spec_of("batch=1 | m=1 | n=131 | k=288 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  EXPECT_NE(judge(spec, Spacing::dense, Accuracy::exact, int8_kernel(32)), "");
  EXPECT_NE(judge(spec, Spacing::dense, Accuracy::exact, rounding_kernel(Dtype::f16)), "");
}

TEST(SpecialValues, Int8ScalesOfOtherBlocksOrRoundedOnesAreFound) {
  for (const int64_t k : {288, 896, 4864})
    for (const char* types : {"dtA=f16 | dtB=q8_0 | dtD=f16", "dtA=f32 | dtB=q8_0 | dtD=f32"}) {
      const Spec spec = spec_of(fmt::format("batch=1 | m=1 | n=140 | k={} | tA=0 | tB=1 | {}", k, types));
      EXPECT_EQ(judge(spec, Spacing::dense, Accuracy::int8_activation, int8_kernel(32)), "") << spec.line();
      for (const size_t block : {size_t(64), size_t(256), size_t(k)})
        EXPECT_NE(judge(spec, Spacing::dense, Accuracy::int8_activation, int8_kernel(block)), "")
            << block << " " << spec.line();
      EXPECT_NE(judge(spec, Spacing::dense, Accuracy::int8_activation, int8_kernel(32, /*powers=*/true)), "")
          << spec.line();
      for (const size_t place : {size_t(0), size_t(31)})
        EXPECT_NE(judge(spec, Spacing::dense, Accuracy::int8_activation, int8_kernel_that_looks_past(place)), "")
            << place << " " << spec.line();
    }
}

// What integers of a block may add up to: those of 5 bits with activations of 7 need 17 bits.
TEST(SpecialValues, SumsOfABlocksIntegersReachTheEndOfTheirRange) {
  for (const Dtype type : {Dtype::q4_1, Dtype::q5_0, Dtype::q5_1}) {
    const Spec spec = spec_of(
        fmt::format("batch=1 | m=1 | n=131 | k=288 | tA=0 | tB=1 | dtA=f32 | dtB={} | dtD=f32", dtype_name(type)));
    const SpecialRows rows(matmul_of(spec));
    double most = 0;  // Σ |a| |b| of a block whose terms have one sign, in steps of both
    for (const ActivationRow& a : rows.activations())
      for (const WeightRow& b : rows.weights())
        for (size_t first = 0; first + 32 <= a.values.size() && a.for_int8; first += 32) {
          double sum = 0, largest_a = 0, largest_b = 0;
          for (size_t i = first; i < first + 32; ++i) {
            sum += a.values[i] * b.values[i];
            largest_a = std::max(largest_a, std::fabs(a.values[i]));
            largest_b = std::max(largest_b, std::fabs(b.values[i]));
          }
          if (largest_a > 0 && largest_b > 0 && std::isfinite(sum))
            most = std::max(most, std::fabs(sum) / (largest_a * largest_b));
        }
    EXPECT_GT(most, 28) << dtype_name(type) << ": of 32 at most";
  }
}

// What a processor's or a GPU's mode does to f32 is no kernel's mistake; in f16 the same numbers are real weights.
TEST(SpecialValues, NumbersBelowTheNormalOnesOfF32MayBeFlushedThoseOfF16MayNot) {
  Kernel flushes_f32, flushes_f16;
  flushes_f32.weight = [](float w) { return std::fabs(w) < 0x1p-126f ? 0 : w; };
  flushes_f32.activations = [](std::vector<float>& a) {
    for (float& v : a) v = std::fabs(v) < 0x1p-126f ? 0 : v;
  };
  flushes_f16.weight = [](float w) { return std::fabs(w) < 0x1p-14f ? 0 : w; };
  const Spec bf16 = spec_of("batch=1 | m=1 | n=60 | k=64 | tA=0 | tB=1 | dtA=bf16 | dtB=bf16 | dtD=f32"),
             f16 = spec_of("batch=1 | m=1 | n=60 | k=64 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
  EXPECT_EQ(judge(bf16, Spacing::dense, Accuracy::exact, flushes_f32), "");
  EXPECT_NE(judge(f16, Spacing::dense, Accuracy::exact, flushes_f16).find("special values"), std::string::npos);
}

TEST(SpecialValues, WhatAKernelCannotHoldIsFoundInEveryShape) {
  Kernel clips, saturates, flushes, strides;
  clips.activations = [](std::vector<float>& a) {
    for (float& v : a) v = std::clamp(v, -16.0f, 16.0f);
  };
  saturates.sum = [](float s) { return std::clamp(s, -4000.0f, 4000.0f); };
  flushes.sum = [](float s) { return std::fabs(s) < 1e-6f ? 0 : s; };
  strides.ignores_strides = true;
  for (const char* shape : {"batch=1 | m=1 | n=40 | k=896 | tA=0 | tB=1", "batch=4 | m=1 | n=20 | k=25 | tA=0 | tB=0",
                            "batch=1 | m=5 | n=18 | k=64 | tA=0 | tB=1"})
    for (const char* types :
         {"dtA=f16 | dtB=f16 | dtD=f16", "dtA=f32 | dtB=f32 | dtD=f32", "dtA=bf16 | dtB=bf16 | dtD=f32"}) {
      const Spec spec = spec_of(fmt::format("{} | {}", shape, types));
      EXPECT_EQ(judge(spec, Spacing::dense, Accuracy::exact, strides), "") << spec.line();
      EXPECT_NE(judge(spec, Spacing::padded, Accuracy::exact, strides), "") << spec.line();
      EXPECT_NE(judge(spec, Spacing::dense, Accuracy::exact, clips), "") << spec.line();
      EXPECT_NE(judge(spec, Spacing::dense, Accuracy::exact, saturates), "") << spec.line();
      EXPECT_NE(judge(spec, Spacing::dense, Accuracy::exact, flushes), "") << spec.line();
    }
}

TEST(SpecialValues, LargeWeightsAreTriedInBothSpacingsByOneLaunchAndHugeOnesNotAtAll) {
  const Spec large = spec_of("batch=1 | m=1 | n=20000 | k=2048 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
  const auto padded = SpecialValues::make(large, /*any_padded=*/true, /*any_dense=*/false, /*as_in_files=*/true);
  EXPECT_NE(padded->weights(Spacing::padded), nullptr);
  EXPECT_NE(padded->weights(Spacing::dense), nullptr);
  EXPECT_EQ(padded->launches(Accuracy::exact), 1);
  EXPECT_EQ(
      SpecialValues::make(spec_of("batch=1 | m=1 | n=200000 | k=12000 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16"),
                          true, true, true),
      nullptr);
}

TEST(SpecialValues, OfFewerColumnsTheyAreTheSameRowsAndAreJudgedAlike) {
  const Spec spec =
      parse_spec("op=matmul | batch=1 | m=1 | n=9728 | k=128 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  const Spec shorter = *SpecialValues::shorter_of(spec);
  EXPECT_EQ(shorter.size("n"), 768) << "a sixteenth, with the powers of two that 9,728 has";
  const auto all = SpecialValues::make(spec, true, true, true),
             few = SpecialValues::make(shorter, true, true, true, all.get());
  for (const Spacing spacing : {Spacing::dense, Spacing::padded})
    for (const int64_t row : {0, 127, 128, 767})
      EXPECT_EQ(b_element(few->weights(spacing)->tensors()[1], 0, row, 5),
                b_element(all->weights(spacing)->tensors()[1], 0, row + 8960, 5));
}

TEST(SpecialValues, FewerColumnsAreThoseOfEachSegmentAndNoneWhereMoreThanHalfIsLeft) {
  const Spec fused = parse_spec(
      "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=4864 | n1=4864 | dtA=f16 | dtB=f16 | dtD=f16");
  const Spec shorter = *SpecialValues::shorter_of(fused);
  EXPECT_EQ(shorter.segments, (std::vector<Segment>{{"n0", 512}, {"n1", 512}}));
  EXPECT_EQ(shorter.size("k"), 896);
  EXPECT_FALSE(
      with_fewer_columns(parse_spec("op=matmul | batch=1 | m=1 | n=200 | k=8 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | "
                                    "dtD=f32"),
                         16));
  const Spec small =
      parse_spec("op=matmul | batch=1 | m=1 | n=4096 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  EXPECT_EQ(SpecialValues::shorter_of(small)->size("n"), 256) << "who keeps sizes errs there as well";
}

}  // namespace
}  // namespace assay

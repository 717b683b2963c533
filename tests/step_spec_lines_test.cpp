// Spec lines of the ops beside the product: what each refuses, and in which words.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "ops/other_sizes.h"
#include "spec/spec.h"

namespace assay {
namespace {

const std::string kNorm = "op=rms_norm | m=1 | n=64 | dtA=f32 | dtB=f32 | dtD=f32 | eps=1e-06";
const std::string kSwiglu = "op=swiglu | m=1 | n=64 | dtA=f32 | dtD=f32";
const std::string kGateUp = "op=matmul_swiglu | m=2 | n=64 | k=96 | dtA=f32 | dtB=q8_0 | dtD=f32";
const std::string kResidual =
    "op=matmul_residual | batch=1 | m=1 | n=64 | k=96 | tA=0 | tB=1 | dtA=f32 | dtB=q8_0 | dtD=f32 | residual=1";
const std::string kEmbedding = "op=embedding | m=1 | n=64 | rows=10 | dtB=f16 | dtD=f32";
const std::string kRope =
    "op=rope | m=1 | heads=4 | kv_heads=2 | head_size=8 | capacity=16 | dtA=f32 | dtCache=f16 | dtD=f32 | style=neox | "
    "base=10000";
const std::string kAttention =
    "op=attention | m=2 | heads=4 | kv_heads=2 | head_size=8 | length=10 | capacity=16 | dtA=f32 | dtCache=f16 | "
    "dtD=f32 | "
    "scale=0.5";
const std::string kArgmax = "op=argmax | m=1 | n=64 | dtA=f32";
const std::string kTopK = "op=top_k | m=1 | n=64 | k=4 | dtA=f32";
const std::string kCopy = "op=copy | batch=2 | m=3 | n=4 | dtA=f32 | dtD=f16";

std::string with(std::string line, const std::string& from, const std::string& to) {
  const size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return line.replace(at, from.size(), to);
}

/// "" if the line is taken.
std::string refusal(const std::string& line) {
  try {
    parse_spec(line, "--spec");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

void expect_refused(const std::string& line, const std::string& words) {
  EXPECT_NE(refusal(line).find(words), std::string::npos) << line << "\n" << refusal(line);
}

TEST(StepSpecLines, EachPrintsAsItWasWritten) {
  for (const std::string& line :
       {kNorm, kSwiglu, kGateUp, kResidual, kEmbedding, kRope, kAttention, kArgmax, kTopK, kCopy}) {
    EXPECT_EQ(refusal(line), "");
    EXPECT_EQ(parse_spec(line).line(), line);
    EXPECT_EQ(parse_spec(parse_spec(line).math_line()).math_line(), parse_spec(line).math_line());
    EXPECT_GT(parse_spec(line).flops, 0);
    EXPECT_GT(parse_spec(line).min_bytes(), 0);
    EXPECT_LE(parse_spec(line).cold_bytes(), parse_spec(line).weight_bytes());
  }
}

TEST(StepSpecLines, AMissingFieldIsNamedWithWhatItMustSay) {
  expect_refused(with(kRope, " | style=neox", ""), "field style is missing; add style=VALUE, neox or pairs");
  expect_refused(with(kAttention, " | length=10", ""), "field length is missing");
  expect_refused(with(kEmbedding, " | rows=10", ""), "field rows is missing");
  expect_refused(with(kTopK, " | k=4", ""), "field k is missing");
  expect_refused(with(kCopy, "op=copy", "op=permute"), "field order is missing");
  expect_refused(with(kCopy, "op=copy", "op=repeat_kv_heads"), "field repeat is missing");
  expect_refused(with(kSwiglu, " | dtD=f32", ""), "field dtD is missing");
  expect_refused(with(kGateUp, " | k=96", ""), "field k is missing");
  expect_refused(with(kResidual, " | residual=1", ""), "field residual is missing");
}

TEST(StepSpecLines, AnUnknownFieldIsNamedWithItsLikelyName) {
  expect_refused(kSwiglu + " | k=5", "field k=5 is unknown");
  expect_refused(with(kAttention, "kv_heads=2", "kvheads=2"), "did you mean kv_heads");
  expect_refused(kNorm + " | residul=1", "did you mean residual");
}

TEST(StepSpecLines, HeadsAreAMultipleOfThoseOfTheCache) {
  expect_refused(with(kAttention, "heads=4", "heads=5"), "field heads=5: it must be a multiple of kv_heads");
  expect_refused(with(kRope, "kv_heads=2", "kv_heads=3"), "field heads=4: it must be a multiple of kv_heads");
}

TEST(StepSpecLines, RopeTurnsPairs) {
  expect_refused(with(kRope, "head_size=8", "head_size=7"), "field head_size=7: values turn in pairs: it must be even");
  expect_refused(kRope + " | dimensions=10", "field dimensions=10");
  expect_refused(kRope + " | dimensions=3", "field dimensions=3");
  for (const char* base : {"base=0", "base=-1", "base=0.5", "base=1e-320", "base=1e31", "base=1e300"})
    expect_refused(with(kRope, "base=10000", base), fmt::format("field {}: it must be a number from 1 to 1e30", base));
  expect_refused(with(kRope, "style=neox", "style=gptj"), "field style=gptj: it must be neox or pairs");
}

TEST(StepSpecLines, WhatIsSeenStandsInTheCache) {
  expect_refused(with(kAttention, "length=10", "length=17"), "field length=17: the cache holds 16");
  expect_refused(with(kAttention, "length=10", "length=1"), "field length=1: it must be at least m");
  expect_refused(with(kRope, "m=1", "m=17"), "field capacity=16: the cache must hold the m rows");
}

TEST(StepSpecLines, AScaleIsRefusedWhoseScoresOverflow) {
  for (const char* scale : {"scale=1e300", "scale=-1e30", "scale=23"})
    expect_refused(with(kAttention, "scale=0.5", scale),
                   "scores would overflow: with heads of 8 it must be 22.63 at most");
  for (const char* scale : {"scale=0", "scale=-22", "scale=1e-300", "scale=22.5"})
    EXPECT_EQ(refusal(with(kAttention, "scale=0.5", scale)), "");
  expect_refused(with(kAttention, "scale=0.5", "scale=1e400"), "field scale=1e400: it must be a finite number");
}

TEST(StepSpecLines, TypesThatAnOpCannotHaveAreRefused) {
  expect_refused(with(kSwiglu, "dtA=f32", "dtA=q8_0"), "field dtA=q8_0: it must be f32, f16 or bf16");
  expect_refused(with(kArgmax, "dtA=f32", "dtA=i32"), "field dtA=i32");
  expect_refused(with(kTopK, "dtA=f32", "dtA=f16"), "field dtA=f16: it must be f32");
  expect_refused(with(with(kEmbedding, "dtB=f16", "dtB=q8_0"), "n=64", "n=65"), "comes in blocks of 32");
}

TEST(StepSpecLines, ACacheMayBeOfBlocksWhereHeadsAreWholeOnes) {
  for (const std::string& line : {kRope, kAttention}) {
    const std::string blocks = with(with(line, "dtCache=f16", "dtCache=q8_0"), "head_size=8", "head_size=64");
    EXPECT_EQ(refusal(blocks), "");
    EXPECT_EQ(parse_spec(parse_spec(blocks).math_line()).math_line(), parse_spec(blocks).math_line());
    expect_refused(with(line, "dtCache=f16", "dtCache=q8_0"),
                   "field head_size=8: a cache of q8_0 comes in blocks of 32: it must be a multiple");
    expect_refused(with(line, "dtCache=f16", "dtCache=q4_0"), "field dtCache=q4_0: it must be f32, f16, bf16 or q8_0");
    expect_refused(with(line, "dtCache=f16", "dtCache=i32"), "field dtCache=i32");
  }
}

TEST(StepSpecLines, SizesThatOverflowAreRefusedAndNotMultiplied) {
  const std::string huge = "4611686018427387904";  // 2^62
  for (const std::string& line : {kNorm, kSwiglu, kGateUp, kArgmax, kTopK, kCopy, kEmbedding, kAttention, kRope})
    for (const char* size :
         {"m=", "n=", "heads=", "kv_heads=", "head_size=", "capacity=", "length=", "rows=", "batch="}) {
      const size_t at = line.find(std::string("| ") + size);
      if (at == std::string::npos) continue;
      const size_t value = at + 2 + std::string(size).size();
      std::string bad = line;
      bad.replace(value, line.find(' ', value) - value, huge);
      EXPECT_NE(refusal(bad), "") << bad;
      bad.replace(value, huge.size(), huge + "0");
      EXPECT_NE(refusal(bad).find("too large"), std::string::npos) << bad;
    }
  expect_refused(with(with(kCopy, "m=3", "m=1048576"), "n=4", "n=1048577"), "would have more than 2^40 values");
  expect_refused(with(kArgmax, "n=64", "n=2147483648"), "places are 32-bit");
  expect_refused(with(kEmbedding, "rows=10", "rows=2147483649"), "row numbers are 32-bit");
}

TEST(StepSpecLines, AResidualIsAddedOnce) {
  expect_refused(with(kResidual, "residual=1", "residual=0"), "op=matmul_residual adds a residual");
  expect_refused(kResidual + " | beta=2", "field beta=2: a residual is C added once");
  EXPECT_EQ(parse_spec(kResidual).math_line(),
            parse_spec(with(with(kResidual, "matmul_residual", "matmul_alpha_beta"), "residual=1", "alpha=1 | beta=1"))
                .math_line());
}

TEST(StepSpecLines, GateAndUpAreOfOneTypeAndNoSegments) {
  expect_refused(with(kGateUp, "k=96", "k=95"), "field k=95: q8_0 weights need a multiple of 32");
  expect_refused(with(kGateUp, "dtA=f32", "dtA=q8_0"), "field dtA=q8_0");
  expect_refused(kGateUp + " | n0=64", "field n0=64 is unknown");
  expect_refused(kGateUp + " | tB=1", "field tB=1 is unknown");
  expect_refused(with(with(kGateUp, "n=64", "n=1048576"), "k=96", "k=1048576"), "would have more than 2^40 values");
}

TEST(StepSpecLines, NumbersAreNumbers) {
  expect_refused(with(kNorm, "eps=1e-06", "eps=-1"), "field eps=-1: it must not be negative");
  expect_refused(with(kNorm, "eps=1e-06", "eps=nan"), "field eps=nan: it must be a finite number");
  expect_refused(with(kAttention, "scale=0.5", "scale=inf"), "field scale=inf");
  expect_refused(with(kSwiglu, "m=1", "m=0"), "field m=0: it must be a whole number of at least 1");
  expect_refused(kCopy + " | order=011", "field order=011");
  expect_refused(with(kTopK, "k=4", "k=65"), "field k=65: a row has 64 values");
}

TEST(StepSpecLines, NamesThatEnginesGiveACopyAreItsNames) {
  EXPECT_EQ(parse_spec(with(kCopy, "op=copy", "op=staging")).math_line(), parse_spec(kCopy).math_line());
  EXPECT_EQ(parse_spec(with(kCopy, "op=copy", "op=kv_rearrange") + " | order=102").op_name, "kv_rearrange");
}

TEST(StepSpecLines, NamesOfTracesAreNamesOfTheOpThatComputesIt) {
  const auto expect_name_of = [](const std::string& line, const std::string& op, const std::string& name) {
    const Spec spec = parse_spec(with(line, "op=" + op + " ", "op=" + name + " "));
    EXPECT_EQ(spec.op_name, name);
    EXPECT_EQ(spec.math_line(), parse_spec(line).math_line());
  };
  expect_name_of(kNorm, "rms_norm", "rmsnorm");
  expect_name_of(kAttention, "attention", "sdpa");
  expect_name_of(kEmbedding, "embedding", "embedding_lookup");
  expect_name_of(kTopK, "top_k", "sample_topk_fused");
  for (const char* name : {"staging", "tensor_staging_prepare", "tensor_staging_flush"})
    expect_name_of(kCopy, "copy", name);
}

TEST(step_spec_lines, steps_of_a_prompt_and_many_best_of_a_short_row_have_other_sizes_too) {
  const auto other = [](const std::string& line) {
    const std::vector<Spec> found = with_other_sizes(parse_spec(line, ""));
    return found.empty() ? "none" : found[0].line();
  };
  const std::string cache = " | head_size=8 | length=300 | capacity=512 | dtA=f32 | dtCache=f16 | dtD=f32 | scale=0.5";
  EXPECT_EQ(other("op=attention | m=128 | heads=4 | kv_heads=2" + cache),
            "op=attention | m=24 | heads=2 | kv_heads=1 | head_size=8 | length=48 | capacity=64 | dtA=f32 | "
            "dtCache=f16 | dtD=f32 | scale=0.5");
  EXPECT_TRUE(other("op=attention | m=2 | heads=3 | kv_heads=3" + cache)
                  .starts_with("op=attention | m=1 | heads=2 | kv_heads=2 | "));
  EXPECT_TRUE(other("op=attention | m=2 | heads=9 | kv_heads=3" + cache)
                  .starts_with("op=attention | m=1 | heads=6 | kv_heads=3 | "));
  EXPECT_TRUE(other("op=rope | m=512 | heads=4 | kv_heads=2 | head_size=8 | capacity=512 | dtA=f32 | dtCache=f16 | "
                    "dtD=f32 | style=neox | base=10000")
                  .starts_with("op=rope | m=24 | heads=2 | kv_heads=1 | head_size=8 | capacity=64 | "));
  EXPECT_EQ(other("op=top_k | m=2 | n=64 | k=40 | dtA=f32"), "op=top_k | m=1 | n=31 | k=31 | dtA=f32");
  EXPECT_EQ(other("op=top_k | m=2 | n=64 | k=5 | dtA=f32"), "op=top_k | m=1 | n=31 | k=4 | dtA=f32");
  EXPECT_EQ(other("op=matmul | batch=1 | m=1 | n=4096 | k=896 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32"),
            "op=matmul | batch=1 | m=1 | n=255 | k=256 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
}

}  // namespace
}  // namespace assay

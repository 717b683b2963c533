// Laws of the workloads of specs/: every line of their sources kept, equal maths counted once, calls that add up.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ops/matmul.h"
#include "spec/workload.h"

namespace assay {
namespace {
const std::filesystem::path kSpecs = std::filesystem::path(ASSAY_SOURCE_DIR) / "specs";

const Workload& f16() {
  static const Workload workload = load_workload(kSpecs / "qwen2.5-0.5b-f16.json");
  return workload;
}

const Workload& q8() {
  static const Workload workload = load_workload(kSpecs / "qwen2.5-0.5b-q8.json");
  return workload;
}

std::vector<SourceLine> lines_of(const Workload& workload, const std::string& source = "") {
  std::vector<SourceLine> lines;
  for (const WorkloadEntry& entry : workload.entries)
    for (const SourceLine& line : entry.sources)
      if (source.empty() || line.source == source) lines.push_back(line);
  return lines;
}

const WorkloadEntry& entry_of(const Workload& workload, const std::string& name,
                              const std::string& op_name_prefix = "") {
  for (const WorkloadEntry& entry : workload.entries)
    if (entry.spec.short_name() == name && entry.spec.op_name.starts_with(op_name_prefix)) return entry;
  throw Error("no entry " + name);
}

double family_calls(const WorkloadFamily& family) {
  return double(family.last - family.first + 1) * family.calls_per_token_each;
}

TEST(Workloads, HoldSeventyNineLinesAndSixtySevenSpecs) {
  EXPECT_EQ(lines_of(f16(), "seed-000").size(), 20u);
  EXPECT_EQ(lines_of(f16(), "seed-002").size(), 39u);
  EXPECT_EQ(lines_of(q8(), "seed-003").size(), 20u);
  EXPECT_EQ(lines_of(f16()).size() + lines_of(q8()).size(), 79u);
  EXPECT_EQ(f16().entries.size(), 47u);
  EXPECT_EQ(q8().entries.size(), 20u);
  EXPECT_TRUE(f16().quarantined.empty());
  EXPECT_TRUE(q8().quarantined.empty());
}

TEST(Workloads, ThoseOfAFileAreTheProductsOfItsDecodeStep) {
  const Workload q4 = load_workload(kSpecs / "qwen2.5-0.5b-q4_0.json");
  double calls = 0, weights = 0;
  for (const WorkloadEntry& entry : q4.entries) {
    calls += entry.calls_per_token;
    weights += entry.calls_per_token * double(entry.spec.weight_values());
    EXPECT_EQ(entry.spec.dtype(Operand::b), Dtype::q4_0);
  }
  EXPECT_EQ(q4.entries.size(), 6u);
  EXPECT_EQ(calls, 7 * 24 + 1);
  EXPECT_EQ(weights, 24.0 * (896 * (896 * 2 + 128 * 2 + 4864 * 3)) + 151936.0 * 896);
}

TEST(Workloads, NoTwoEntriesComputeTheSame) {
  for (const Workload* workload : {&f16(), &q8()}) {
    std::set<std::string> maths;
    for (const WorkloadEntry& entry : workload->entries)
      EXPECT_TRUE(maths.insert(entry.spec.math_line()).second) << entry.spec.line();
  }
}

TEST(Workloads, AttentionTotalsFortyEightCallsPerToken) {
  for (const Workload* workload : {&f16(), &q8()}) {
    ASSERT_EQ(workload->families.size(), 2u);
    double calls = 0;
    for (const WorkloadFamily& family : workload->families) calls += family_calls(family);
    EXPECT_NEAR(calls, 48, 1e-9) << workload->name;
  }
}

TEST(Workloads, WhatIsNotAttentionTotalsTheEnginesCallsPerToken) {
  std::map<std::string, double> calls;
  for (const Workload* workload : {&f16(), &q8()})
    for (const WorkloadEntry& entry : workload->entries)
      if (entry.family.empty()) calls[workload->name] += entry.calls_per_token;
  EXPECT_NEAR(calls["qwen2.5-0.5b-f16"], 4 * 24 + 1, 1e-9);
  EXPECT_NEAR(calls["qwen2.5-0.5b-q8"], 4 * 24 + 144.0 / 145, 1e-9);
  EXPECT_NEAR(entry_of(q8(), "M:1 N:151936 K:896").calls_per_token, 144.0 / 145, 1e-12);
  EXPECT_NEAR(entry_of(f16(), "M:1 N:9728 K:896").calls_per_token, 24, 1e-12);
  EXPECT_NEAR(entry_of(f16(), "M:1 N:151936 K:896").calls_per_token, 1, 1e-12);
}

TEST(Workloads, CallsAreTheCountsOverTheSourcesTokens) {
  for (const Workload* workload : {&f16(), &q8()})
    for (const SourceLine& line : lines_of(*workload)) {
      int64_t count = 0, tokens = 1;
      for (const Observation& seen : line.observations) count += seen.count;
      for (const WorkloadSource& source : workload->sources)
        if (source.id == line.source) tokens = std::max<int64_t>(source.tokens, 1);
      EXPECT_DOUBLE_EQ(line.calls_per_token, double(count) / double(tokens)) << line.source << ":" << line.line_number;
    }
}

TEST(Workloads, AttentionLinesAreTheFamiliesAndNothingElseIs) {
  for (const Workload* workload : {&f16(), &q8()})
    for (const WorkloadEntry& entry : workload->entries) {
      const bool scores = matmul_of(entry.spec).batch == 14 && matmul_of(entry.spec).tB,
                 values = matmul_of(entry.spec).batch == 14 && !matmul_of(entry.spec).tB;
      EXPECT_EQ(entry.family, scores ? "attention_scores" : values ? "attention_values" : "") << entry.spec.line();
      for (const WorkloadFamily& family : workload->families)
        if (family.name == entry.family && entry.calls_per_token > 0) {
          EXPECT_DOUBLE_EQ(entry.calls_per_token, family.calls_per_token_each) << entry.spec.line();
        }
    }
}

TEST(Workloads, FamiliesCoverEveryContextLength) {
  for (const auto& [workload, tokens] : {std::pair{&f16(), 95}, {&q8(), 145}})
    for (const WorkloadFamily& family : workload->families) {
      EXPECT_EQ(family.varied, family.name == "attention_scores" ? "n" : "k");
      EXPECT_EQ(family.first, 1);
      EXPECT_EQ(family.last, tokens);
      EXPECT_DOUBLE_EQ(family.calls_per_token_each, 24.0 / tokens);
      EXPECT_FALSE(family.why.empty());
      const Spec member = family_member(family, 77);
      EXPECT_EQ(family.varied == "n" ? matmul_of(member).n : matmul_of(member).k, 77);
      EXPECT_EQ(family.varied == "n" ? matmul_of(member).k : matmul_of(member).n, 64);
      EXPECT_EQ(matmul_of(member).alpha, family.varied == "n" ? 0.125 : 1);
      EXPECT_EQ(matmul_of(member).beta, 0);
      EXPECT_EQ(family_member(family, family.first).line(), family.prototype.line());
    }
}

TEST(Workloads, LinesOfEqualMathsStandTogetherUnderTheLineThatCounts) {
  const WorkloadEntry& up = entry_of(f16(), "M:1 N:9728 K:896");
  ASSERT_EQ(up.sources.size(), 2u);
  EXPECT_EQ(up.sources[0].source, "seed-000");
  EXPECT_EQ(up.sources[0].line_number, 159);
  EXPECT_EQ(up.sources[0].text, "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1");
  EXPECT_EQ(up.sources[1].source, "seed-002");
  EXPECT_EQ(up.spec.op_name, "matmul_cache");
  int merged = 0;
  for (const WorkloadEntry& entry : f16().entries) merged += entry.sources.size() == 2;
  EXPECT_EQ(merged, 12);
}

TEST(Workloads, ObservationsCarryTheirDevice) {
  const WorkloadEntry& up = entry_of(f16(), "M:1 N:9728 K:896");
  ASSERT_EQ(up.sources[0].observations.size(), 1u);
  EXPECT_EQ(up.sources[0].observations[0].backend, "engine original");
  EXPECT_EQ(up.sources[0].observations[0].device, "Apple laptop GPU (AGXMetalG15X, Metal)");
  EXPECT_EQ(up.sources[0].observations[0].avg_ms, 0.325);
  EXPECT_EQ(up.sources[0].observations[0].count, 0);
  EXPECT_EQ(up.sources[0].calls_per_token, 0);
  EXPECT_EQ(up.sources[1].observations[0].backend, "mps");
  EXPECT_EQ(up.sources[1].observations[0].device, "Apple laptop GPU (Metal)");
  EXPECT_EQ(up.sources[1].observations[0].avg_ms, 0.324);
  EXPECT_EQ(up.sources[1].observations[0].count, 2280);
  for (const Workload* workload : {&f16(), &q8()})
    for (const SourceLine& line : lines_of(*workload)) EXPECT_EQ(line.observations.size(), 1u);
}

TEST(Workloads, EveryCompletedFieldNamesItsRule) {
  for (const Workload* workload : {&f16(), &q8()})
    for (const WorkloadEntry& entry : workload->entries)
      for (const SourceLine& line : entry.sources) {
        SpecFields fields = parse_spec_fields(line.text);
        for (const std::string& rule : line.rules) {
          const size_t equals = rule.find('='), colon = rule.find(": ");
          ASSERT_NE(colon, std::string::npos) << rule;
          EXPECT_GT(rule.size(), colon + 10) << rule;
          fields.emplace_back(rule.substr(0, equals), rule.substr(equals + 1, colon - equals - 1));
        }
        EXPECT_EQ(make_spec(fields, "test").math_line(), entry.spec.math_line()) << "text and rules are the whole spec";
      }
}

TEST(Workloads, TypesAreTheModels) {
  for (const WorkloadEntry& entry : f16().entries) EXPECT_EQ(matmul_of(entry.spec).b, Dtype::f16);
  for (const WorkloadEntry& entry : q8().entries)
    EXPECT_EQ(matmul_of(entry.spec).b, matmul_of(entry.spec).loader == "dense" ? Dtype::f16 : Dtype::q8_0)
        << entry.spec.line();
  for (const Workload* workload : {&f16(), &q8()})
    for (const WorkloadEntry& entry : workload->entries) {
      EXPECT_EQ(matmul_of(entry.spec).a, Dtype::f16);
      EXPECT_EQ(matmul_of(entry.spec).d, Dtype::f16);
    }
  EXPECT_TRUE(matmul_of(entry_of(f16(), "M:1 N:1152 K:896").spec).bias);
  EXPECT_TRUE(matmul_of(entry_of(q8(), "M:1 N:151936 K:896").spec).b_is_nk());
  EXPECT_EQ(entry_of(q8(), "M:1 N:1152 K:896").spec.segments,
            (std::vector<Segment>{{"nq", 896}, {"nk", 128}, {"nv", 128}}));
}

TEST(Workloads, AllOfAFolderLoadByFileName) {
  const auto workloads = load_workloads(kSpecs);
  std::vector<std::string> names;
  for (const Workload& workload : workloads) names.push_back(workload.name);
  EXPECT_EQ(names, (std::vector<std::string>{"qwen2.5-0.5b-f16", "qwen2.5-0.5b-q4_0", "qwen2.5-0.5b-q8",
                                             "qwen2.5-0.5b-step-f16", "qwen2.5-0.5b-step-q4", "qwen2.5-0.5b-step-q8"}));
}

}  // namespace
}  // namespace assay

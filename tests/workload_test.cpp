// Laws of the workload files: every source line kept, equal maths counted once, completed by rule or quarantined.
#include "spec/workload.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"

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
      const bool scores = entry.spec.batch == 14 && entry.spec.tB, values = entry.spec.batch == 14 && !entry.spec.tB;
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
      EXPECT_EQ(family.varied == "n" ? member.n : member.k, 77);
      EXPECT_EQ(family.varied == "n" ? member.k : member.n, 64);
      EXPECT_EQ(member.alpha, family.varied == "n" ? 0.125 : 1);
      EXPECT_EQ(member.beta, 0);
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
  for (const WorkloadEntry& entry : f16().entries) EXPECT_EQ(entry.spec.b, Dtype::f16);
  for (const WorkloadEntry& entry : q8().entries)
    EXPECT_EQ(entry.spec.b, entry.spec.loader == "dense" ? Dtype::f16 : Dtype::q8_0) << entry.spec.line();
  for (const Workload* workload : {&f16(), &q8()})
    for (const WorkloadEntry& entry : workload->entries) {
      EXPECT_EQ(entry.spec.a, Dtype::f16);
      EXPECT_EQ(entry.spec.d, Dtype::f16);
    }
  EXPECT_TRUE(entry_of(f16(), "M:1 N:1152 K:896").spec.bias);
  EXPECT_TRUE(entry_of(q8(), "M:1 N:151936 K:896").spec.b_is_nk());
  EXPECT_EQ(entry_of(q8(), "M:1 N:1152 K:896").spec.segments,
            (std::vector<Segment>{{"nq", 896}, {"nk", 128}, {"nv", 128}}));
}

TEST(Workloads, AllOfAFolderLoadByFileName) {
  const auto workloads = load_workloads(kSpecs);
  ASSERT_EQ(workloads.size(), 2u);
  EXPECT_EQ(workloads[0].name, "qwen2.5-0.5b-f16");
  EXPECT_EQ(workloads[1].name, "qwen2.5-0.5b-q8");
}

/// A workload file of this test alone.
class WorkloadFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("assay-workload-test-{}", getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// One source with these rules and lines, and these families.
  static Json file_of(const std::string& rules, const std::string& lines, const std::string& families = "[]") {
    return Json::parse(fmt::format(
        R"({{"name": "w", "description": "d", "families": {},
             "sources": [{{"id": "s", "title": "t", "device": "gpu", "tokens": 10, "rules": {}, "lines": {}}}]}})",
        families, rules, lines));
  }

  Workload load(const Json& json) { return load_text(json.dump(1)); }
  Workload load_text(const std::string& text) {
    write_file(folder_ / "w.json", text);
    return load_workload(folder_ / "w.json");
  }

  /// The message names the file and the pointer, and says `part`.
  void expect_error(const Json& json, const std::string& pointer, const std::string& part) {
    try {
      load(json);
      ADD_FAILURE() << "accepted: " << json.dump();
    } catch (const Error& error) {
      const std::string message = error.what(), start = (folder_ / "w.json").string() + " at " + pointer + ":";
      EXPECT_EQ(message.rfind(start, 0), 0u) << message << "\nexpected " << start;
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }

  static std::string shape(int n) { return fmt::format("op=matmul | batch=1 | m=1 | n={} | k=64 | tA=0 | tB=1", n); }
  static std::string whole(int n) { return shape(n) + " | dtA=f16 | dtB=f16 | dtD=f16"; }
  static std::string line(const std::string& text, int number = 1, const std::string& calls = "24/10") {
    return fmt::format(R"({{"line": {}, "text": "{}", "calls_per_token": "{}", "observed": []}})", number, text, calls);
  }
  static std::string list(const std::string& items) { return "[" + items + "]"; }
  static inline const std::string kTypes = R"({"set": {"dtA": "f16", "dtB": "f16", "dtD": "f16"}, "why": "half"})";

  std::filesystem::path folder_;
};

TEST_F(WorkloadFile, ALineThatNoRuleCompletesIsQuarantinedWithWhatItLacks) {
  const std::string scaled = "op=matmul_alpha_beta | batch=1 | m=1 | n=5 | k=64 | tA=0 | tB=1";
  const Workload workload = load(file_of(list(kTypes), list(line(shape(4)) + "," + line(scaled, 9))));
  ASSERT_EQ(workload.entries.size(), 1u);
  EXPECT_EQ(workload.entries[0].spec.n, 4);
  ASSERT_EQ(workload.quarantined.size(), 1u);
  EXPECT_EQ(workload.quarantined[0].source.line_number, 9);
  EXPECT_EQ(workload.quarantined[0].source.text, scaled);
  EXPECT_EQ(workload.quarantined[0].source.rules.size(), 3u);
  EXPECT_NE(workload.quarantined[0].reason.find("alpha, beta"), std::string::npos) << workload.quarantined[0].reason;
}

TEST_F(WorkloadFile, AShapeLeftOpenOutsideAFusedSpecIsQuarantined) {
  const Workload workload =
      load(file_of(list(kTypes), list(line("op=matmul | batch=1 | m=1 | n=? | k=64 | tA=? | tB=1"))));
  EXPECT_TRUE(workload.entries.empty());
  ASSERT_EQ(workload.quarantined.size(), 1u);
  EXPECT_NE(workload.quarantined[0].reason.find("n, tA"), std::string::npos) << workload.quarantined[0].reason;
}

TEST_F(WorkloadFile, ARuleNeverChangesWhatALineSays) {
  const Workload workload = load(file_of(list(kTypes), list(line(shape(4) + " | dtB=bf16"))));
  EXPECT_EQ(workload.entries[0].spec.b, Dtype::bf16);
  EXPECT_EQ(workload.entries[0].sources[0].rules, (std::vector<std::string>{"dtA=f16: half", "dtD=f16: half"}));
  EXPECT_EQ(workload.entries[0].spec.line(), shape(4) + " | dtB=bf16 | dtA=f16 | dtD=f16");
}

TEST_F(WorkloadFile, TheFirstRuleWhoseConditionHoldsGivesAField) {
  const std::string rules = list(
      R"({"when": {"n": "5", "tB": "1"}, "set": {"dtB": "f32"}, "why": "five"}, {"when": {"n": "4", "tB": "0"},
          "set": {"dtB": "f32"}, "why": "never"}, )" +
      kTypes);
  const Workload workload = load(file_of(rules, list(line(shape(4)) + "," + line(shape(5)))));
  EXPECT_EQ(workload.entries[0].spec.b, Dtype::f16);
  EXPECT_EQ(workload.entries[1].spec.b, Dtype::f32);
  EXPECT_EQ(workload.entries[1].sources[0].rules[0], "dtB=f32: five");
}

TEST_F(WorkloadFile, LinesOfOneSourceAddUpAndSourcesConfirmEachOther) {
  Json json = file_of(list(kTypes), list(line(shape(4)) + "," + line(shape(4) + " | cache=1", 2, "6/10")));
  Json other = json["sources"][0];
  other["id"] = "other";
  other["lines"] = Json::parse(list(line(shape(4), 1, "25/10") + "," + line(shape(5), 2, "7")));
  Json silent = other;
  silent["id"] = "silent";
  silent.erase("tokens");
  for (Json& item : silent["lines"]) item.erase("calls_per_token");
  json["sources"] = Json::array({silent, json["sources"][0], other});
  const Workload workload = load(json);
  ASSERT_EQ(workload.entries.size(), 2u);
  EXPECT_DOUBLE_EQ(workload.entries[0].calls_per_token, 3.0) << "24/10 + 6/10, not 25/10 on top";
  EXPECT_EQ(workload.entries[0].sources.size(), 4u);
  EXPECT_EQ(workload.entries[1].calls_per_token, 7);
  EXPECT_EQ(workload.sources.size(), 3u);
  EXPECT_EQ(workload.sources[0].tokens, 0);
}

TEST_F(WorkloadFile, TheFirstLineThatCountsGivesTheSpec) {
  Json json = file_of(list(kTypes), list(line(shape(4)) + "," + line(shape(4) + " | cache=1", 2) + "," +
                                         line(shape(4) + " | cache=0", 3)));
  json["sources"][0]["lines"][0].erase("calls_per_token");
  EXPECT_EQ(load(json).entries[0].spec.line(), shape(4) + " | cache=1 | dtA=f16 | dtB=f16 | dtD=f16");
}

TEST_F(WorkloadFile, AFamilyTakesOnlyItsOwnMathsWithinItsRange) {
  const std::string scaled = whole(7) + " | alpha=0.5";
  const std::string lines = list(line(whole(2)) + "," + line(whole(9)) + "," + line(whole(10)) + "," + line(scaled) +
                                 "," + line(whole(3) + " | accumulate=1 | cache=1 | strided_batch=true"));
  const std::string family = R"([{"name": "f", "calls_per_token_each": "1/2", "why": "w", "text": ")" +
                             std::string(
                                 "op=matmul_cache | batch=1 | m=1 | n=2..9 | k=64 | tA=0 | tB=1 | dtA=f16 | "
                                 "dtB=f16 | dtD=f16") +
                             R"("}])";
  const Workload workload = load(file_of("[]", lines, family));
  std::vector<std::string> families;
  for (const WorkloadEntry& entry : workload.entries) families.push_back(entry.family);
  EXPECT_EQ(families, (std::vector<std::string>{"f", "f", "", "", "f"}));
  ASSERT_EQ(workload.families.size(), 1u);
  EXPECT_EQ(workload.families[0].first, 2);
  EXPECT_EQ(workload.families[0].last, 9);
  EXPECT_EQ(workload.families[0].prototype.n, 2);
}

TEST_F(WorkloadFile, AFamilyHasOneRangeWithoutAStep) {
  const auto family = [](const std::string& text) {
    return Json::parse(R"([{"name": "f", "calls_per_token_each": "1/2", "why": "w", "text": ")" + text + R"("}])");
  };
  Json json = file_of("[]", "[]");
  const std::string types = " | dtA=f16 | dtB=f16 | dtD=f16", start = "op=matmul | batch=1 | tA=0 | tB=1" + types;
  const std::vector<std::pair<std::string, std::string>> bad = {
      {start + " | m=1 | n=5 | k=5", "range"},
      {start + " | m=1 | n=1..5 | k=1..5", "one range"},
      {start + " | m=1 | n=1..5..2 | k=5", "step"},
      {start + " | m=1 | n=5..1 | k=5", "ends before"},
      {start + " | m=1 | n=1..5 | k=0", "field k=0"},
      {"op=matmul | m=1 | n=1..5", "field batch is missing"},
      {start + " | m=1 | n=5 | k=5 | alpha=1..2", "field alpha=1..2"}};
  for (const auto& [text, part] : bad) {
    json["families"] = family(text);
    expect_error(json, "/families/0/text", part);
  }
  json["families"] = family(start + " | m=1 | n=1..5 | k=5");
  EXPECT_EQ(load(json).families.size(), 1u);
  json["families"].push_back(json["families"][0]);
  expect_error(json, "/families/1/name", "second family");
  json["sources"][0]["lines"] = Json::parse(list(line(start + " | m=1 | n=3 | k=5")));
  json["families"][1]["name"] = "g";
  expect_error(json, "/families/1/text", "family \"f\" already");
}

TEST_F(WorkloadFile, UnknownKeysAreNamedWithTheirPlace) {
  const std::string family = list(
      R"({"name": "f", "calls_per_token_each": "1", "why": "w", "text": "op=matmul | batch=1 | m=1 | n=1..2 | k=1 | tA=0 |
          tB=1 | dtA=f16 | dtB=f16 | dtD=f16"})");
  const Json good = file_of(
      list(kTypes), R"([{"line": 1, "text": ")" + shape(4) + R"(", "observed": [{"backend": "mps", "avg_ms": 1.5}]}])");
  load(good);
  for (const char* pointer :
       {"", "/sources/0", "/sources/0/rules/0", "/sources/0/lines/0", "/sources/0/lines/0/observed/0"}) {
    Json json = good;
    json[Json::json_pointer(pointer)]["extra"] = 1;
    expect_error(json, *pointer ? pointer : "/", "unknown key \"extra\"");
  }
}

TEST_F(WorkloadFile, EveryKeyIsNeededWhereNothingCanStandForIt) {
  const Json good = file_of(
      list(kTypes), R"([{"line": 1, "text": ")" + shape(4) + R"(", "observed": [{"backend": "mps", "avg_ms": 1.5}]}])");
  for (const auto& [object, key] :
       std::vector<std::pair<std::string, std::string>>{{"", "name"},
                                                        {"", "description"},
                                                        {"", "sources"},
                                                        {"/sources/0", "id"},
                                                        {"/sources/0", "title"},
                                                        {"/sources/0", "device"},
                                                        {"/sources/0", "rules"},
                                                        {"/sources/0", "lines"},
                                                        {"/sources/0/rules/0", "set"},
                                                        {"/sources/0/rules/0", "why"},
                                                        {"/sources/0/lines/0", "line"},
                                                        {"/sources/0/lines/0", "text"},
                                                        {"/sources/0/lines/0", "observed"},
                                                        {"/sources/0/lines/0/observed/0", "backend"},
                                                        {"/sources/0/lines/0/observed/0", "avg_ms"}}) {
    Json json = good;
    json[Json::json_pointer(object)].erase(key);
    expect_error(json, object.empty() ? "/" : object, "missing key \"" + key + "\"");
  }
}

TEST_F(WorkloadFile, WrongValuesAreNamedWithTheirPlace) {
  const Json good = file_of(list(kTypes), R"([{"line": 1, "text": ")" + shape(4) +
                                              R"(", "calls_per_token": "24/10",
                                              "observed": [{"backend": "mps", "avg_ms": 1.5, "count": 24}]}])");
  load(good);
  const std::string first = "/sources/0/lines/0";
  struct Case {
    std::string pointer;
    Json value;
    std::string part;
  };
  for (const Case& bad : std::vector<Case>{{"/name", "", "empty"},
                                           {"/name", 5, "string"},
                                           {"/sources", 5, "array"},
                                           {"/sources/0/tokens", 0, "at least 1"},
                                           {"/sources/0/tokens", 1.5, "whole number"},
                                           {"/sources/0/rules/0/set", Json::object(), "must set a field"},
                                           {"/sources/0/rules/0/set/dtB", 16, "string"},
                                           {"/sources/0/rules/0/set/dtC", "f16", "\"dtC\""},
                                           {"/sources/0/rules/0/why", "", "empty"},
                                           {first + "/line", 0, "from 1"},
                                           {first + "/line", "1", "whole number"},
                                           {first + "/calls_per_token", 24, "string"},
                                           {first + "/observed/0/avg_ms", 0, "above 0"},
                                           {first + "/observed/0/avg_ms", "fast", "number"},
                                           {first + "/observed/0/count", -1, "at least 0"},
                                           {first + "/text", "op=matmul |", "empty field"},
                                           {first + "/text", shape(0), "field n=0"},
                                           {first + "/text", shape(4) + " | speed=9", "field speed=9 is unknown"},
                                           {first + "/text", shape(4) + " | dtB=q4", "field dtB=q4"}}) {
    Json json = good;
    json[Json::json_pointer(bad.pointer)] = bad.value;
    expect_error(json, bad.pointer, bad.part);
  }
  for (const char* calls :
       {"", "0", "-1", "24/", "24/0", "24/-1", "/95", "24/95x", "24:95", "1e3", " 24", "24.0", "9e99/1"}) {
    Json json = good;
    json[Json::json_pointer(first + "/calls_per_token")] = calls;
    expect_error(json, first + "/calls_per_token", "CALLS/TOKENS");
  }
}

TEST_F(WorkloadFile, CallsNeedTokensToCountOver) {
  Json json = file_of(list(kTypes), list(line(shape(4))));
  json["sources"][0].erase("tokens");
  expect_error(json, "/sources/0/lines/0/calls_per_token", "tokens");
}

TEST_F(WorkloadFile, ASourceIsNamedOnce) {
  Json json = file_of(list(kTypes), list(line(shape(4))));
  json["sources"].push_back(json["sources"][0]);
  expect_error(json, "/sources/1/id", "second source");
}

TEST_F(WorkloadFile, BrokenJsonAndMissingFilesAreErrors) {
  for (const char* text : {"", "{", "[]", "{\"name\": \"w\", \"name\": \"w\"}", "null"})
    EXPECT_THROW(load_text(text), Error) << text;
  EXPECT_THROW(load_workload(folder_ / "absent.json"), Error);
  EXPECT_THROW(load_workloads(folder_ / "absent"), Error);
  const auto empty = folder_ / "empty";
  std::filesystem::create_directories(empty);
  write_file(empty / "README.md", "no workload");
  EXPECT_THROW(load_workloads(empty), Error);
}

TEST_F(WorkloadFile, TwoWorkloadsOfAFolderHaveTwoNames) {
  const std::string text = file_of(list(kTypes), list(line(shape(4)))).dump();
  write_file(folder_ / "b.json", text);
  EXPECT_EQ(load_workloads(folder_).size(), 1u);
  write_file(folder_ / "a.json", text);
  EXPECT_THROW(load_workloads(folder_), Error);
}
}  // namespace
}  // namespace assay

// Laws of workload files: completed by rule or quarantined, lines that add up, every mistake named with its place.
#include "spec/workload.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "json_pointer.h"
#include "ops/matmul.h"

namespace assay {
namespace {

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
  EXPECT_EQ(matmul_of(workload.entries[0].spec).n, 4);
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
  EXPECT_EQ(matmul_of(workload.entries[0].spec).b, Dtype::bf16);
  EXPECT_EQ(workload.entries[0].sources[0].rules, (std::vector<std::string>{"dtA=f16: half", "dtD=f16: half"}));
  EXPECT_EQ(workload.entries[0].spec.line(), shape(4) + " | dtB=bf16 | dtA=f16 | dtD=f16");
}

TEST_F(WorkloadFile, TheFirstRuleWhoseConditionHoldsGivesAField) {
  const std::string rules = list(
      R"({"when": {"n": "5", "tB": "1"}, "set": {"dtB": "f32"}, "why": "five"}, {"when": {"n": "4", "tB": "0"},
          "set": {"dtB": "f32"}, "why": "never"}, )" +
      kTypes);
  const Workload workload = load(file_of(rules, list(line(shape(4)) + "," + line(shape(5)))));
  EXPECT_EQ(matmul_of(workload.entries[0].spec).b, Dtype::f16);
  EXPECT_EQ(matmul_of(workload.entries[1].spec).b, Dtype::f32);
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
  EXPECT_EQ(matmul_of(workload.families[0].prototype).n, 2);
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
    at_pointer(json, pointer)["extra"] = 1;
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
    at_pointer(json, object).erase(key);
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
    at_pointer(json, bad.pointer) = bad.value;
    expect_error(json, bad.pointer, bad.part);
  }
  for (const char* calls :
       {"", "0", "-1", "24/", "24/0", "24/-1", "/95", "24/95x", "24:95", "1e3", " 24", "24.0", "9e99/1"}) {
    Json json = good;
    at_pointer(json, first + "/calls_per_token") = calls;
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

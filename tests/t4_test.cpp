// Laws of --format t4: what the public schema of T4 results, version 1.0.0, asks for, and what its fields mean here.
#include "report/t4.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "base/json.h"
#include "sample_report.h"

namespace assay {
namespace {

const std::set<std::string> kInvalidities = {"timeout", "compile", "runtime", "correctness", "constraints", "correct"};

/// Three numbers with dots between them.
bool is_version(const std::string& text) {
  int numbers[3], read = -1;
  return text.find_first_not_of("0123456789.") == std::string::npos &&
         std::sscanf(text.c_str(), "%d.%d.%d%n", &numbers[0], &numbers[1], &numbers[2], &read) == 3 &&
         read == int(text.size());
}

/// The schema's facts: types, what is required, the enumeration; further fields are allowed.
void expect_valid(const Json& json) {
  ASSERT_TRUE(json.is_object());
  EXPECT_TRUE(is_version(json.at("schema_version").get<std::string>())) << json["schema_version"];
  ASSERT_TRUE(json.at("results").is_array());
  for (const Json& result : json["results"]) {
    EXPECT_TRUE(result.at("timestamp").is_string());
    EXPECT_TRUE(result.at("configuration").is_object());
    EXPECT_TRUE(result.at("objectives").is_array());
    const Json& times = result.at("times");
    ASSERT_TRUE(times.is_object());
    EXPECT_TRUE(times.at("runtimes").is_array());
    for (const char* time : {"compilation_time", "framework", "search_algorithm", "validation"})
      EXPECT_TRUE(!times.contains(time) || times[time].is_number()) << time;
    EXPECT_TRUE(kInvalidities.count(result.at("invalidity"))) << result["invalidity"];
    EXPECT_TRUE(result.at("correctness").is_number());
    for (const Json& measurement : result.at("measurements")) {
      EXPECT_TRUE(measurement.at("name").is_string() && measurement.at("unit").is_string());
      const Json& value = measurement.at("value");
      EXPECT_TRUE(value.is_number() || value.is_string() || value.is_array());
    }
  }
}

Json sample() { return Json::parse(t4_json(sample_report(), {})); }

const Json& result_of(const Json& json, const std::string& family, const std::string& name) {
  for (const Json& result : json["results"])
    if (result["configuration"]["family"] == family && result["configuration"]["name"] == name) return result;
  ADD_FAILURE() << family << "/" << name;
  return json;
}

TEST(t4, follows_the_public_schema) {
  expect_valid(sample());
  expect_valid(Json::parse(t4_json(SweepReport(), {})));
}

TEST(t4, the_objective_is_the_median_that_ranks_in_ms) {
  const Json json = sample();
  const Json& result = result_of(json, "gemv_rowdot", "r4_u2");
  EXPECT_EQ(result["objectives"], Json({"time"}));
  EXPECT_EQ(result["measurements"][0]["name"], "time");
  EXPECT_EQ(result["measurements"][0]["unit"], "ms");
  EXPECT_NEAR(result["measurements"][0]["value"].get<double>(), 0.1412, 1e-4);
  EXPECT_EQ(result["times"]["runtimes"].size(), 12u);
  EXPECT_NEAR(result["times"]["runtimes"][0].get<double>(), 0.1412, 1e-3);
}

TEST(t4, only_what_passed_is_correct_and_has_a_time) {
  const Json json = sample();
  for (const Json& result : json["results"]) {
    const bool passed = result["outcome"] == "pass";
    EXPECT_EQ(result["invalidity"] == "correct", passed) << result;
    EXPECT_EQ(result["correctness"], passed ? 1 : 0);
    EXPECT_EQ(result["measurements"].empty(), !passed);
  }
  EXPECT_EQ(result_of(json, "x", "crash")["invalidity"], "runtime");
  EXPECT_EQ(result_of(json, "x", "wrong")["invalidity"], "correctness");
}

TEST(t4, no_two_results_have_one_configuration) {
  std::set<std::string> seen;
  const Json json = sample();
  for (const Json& result : json["results"]) EXPECT_TRUE(seen.insert(result["configuration"].dump()).second);
}

TEST(t4, a_known_variants_parameters_are_its_configuration) {
  Variant variant;
  variant.family = "gemv_rowdot";
  variant.name = "r4_u2";
  variant.parameters = {{"ROWS", 4}, {"UNROLL", 2}};
  const Json json = Json::parse(t4_json(sample_report(), {&variant}));
  EXPECT_EQ(result_of(json, "gemv_rowdot", "r4_u2")["configuration"]["ROWS"], 4);
  EXPECT_EQ(result_of(json, "gemv_rowdot", "r4_u2")["configuration"]["UNROLL"], 2);
}

}  // namespace
}  // namespace assay

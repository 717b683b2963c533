// Manifests: which variants a text gives, and that every mistake is named with its place.
#include "kernel/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "json_pointer.h"
#include "processor_time.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("assay-manifest-test-{}", getpid());
    fs::create_directories(folder_ / "sub");
    std::ofstream(folder_ / "a.cpp") << "int a;\n";
    std::ofstream(folder_ / "sub" / "b.cpp") << "int b;\n";
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Json supports() {
    return Json::parse(R"({"op":["matmul"],"a":["f16","f32"],"b":["f16"],"d":["f16"],"layout":["nt"]})");
  }
  static Json family(const std::string& name = "gemv") {
    Json json;
    json["family"] = name;
    json["source"] = "a.cpp";
    json["technique"] = "rows";
    json["parameters"] = Json::parse(R"({"ROWS":[1,2,4],"UNROLL":[2,4]})");
    json["name"] = "r{ROWS}_u{UNROLL}";
    json["supports"] = supports();
    return json;
  }
  static Json document(const std::vector<Json>& families) {
    Json json;
    json["schema"] = 1;
    json["backend"] = "cpu";
    json["families"] = families;
    return json;
  }
  Manifest parse(const Json& json) const { return parse_manifest(json.dump(), folder_ / "manifest.json"); }
  std::vector<std::string> ids(const Json& json) const {
    std::vector<std::string> result;
    for (const Variant& variant : parse(json).variants) result.push_back(variant.id());
    return result;
  }
  std::string error_of(const Json& json) const {
    try {
      parse(json);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  // The family with one change must fail at `pointer` (below the family) and say `words`.
  void expect_error(const Json& changed, const std::string& pointer, const std::string& words) const {
    const std::string error = error_of(document({changed}));
    const std::string place = fmt::format("{} at /families/0{}: ", (folder_ / "manifest.json").string(), pointer);
    EXPECT_EQ(error.substr(0, place.size()), place) << error;
    EXPECT_NE(error.find(words, std::min(place.size(), error.size())), std::string::npos) << error;
    EXPECT_EQ(error.find(" at /", place.size()), std::string::npos) << "a place twice: " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }

  fs::path folder_;
};

TEST_F(ManifestTest, two_parameters_give_every_combination_with_the_last_changing_fastest) {
  const Manifest manifest = parse(document({family()}));
  std::vector<std::string> names;
  for (const Variant& variant : manifest.variants) names.push_back(variant.id());
  EXPECT_EQ(names, (std::vector<std::string>{"gemv/r1_u2", "gemv/r1_u4", "gemv/r2_u2", "gemv/r2_u4", "gemv/r4_u2",
                                             "gemv/r4_u4"}));
  const Variant& third = manifest.variants[2];
  EXPECT_EQ(third.parameters, (std::vector<std::pair<std::string, int64_t>>{{"ROWS", 2}, {"UNROLL", 2}}));
  EXPECT_EQ(third.source, folder_ / "a.cpp");
  EXPECT_TRUE(third.source.is_absolute());
  EXPECT_EQ(third.backend, "cpu");
  EXPECT_EQ(manifest.backend, "cpu");
}

TEST_F(ManifestTest, what_a_family_leaves_out_has_the_default_of_the_struct) {
  Json plain = family();
  plain.erase("parameters");
  plain["name"] = "only";
  const Manifest manifest = parse(document({plain}));
  ASSERT_EQ(manifest.variants.size(), 1u);
  const Variant &got = manifest.variants[0], expected;
  EXPECT_EQ(got.id(), "gemv/only");
  EXPECT_EQ(got.threading, expected.threading);
  EXPECT_EQ(got.role, expected.role);
  EXPECT_EQ(got.baseline, expected.baseline);
  EXPECT_EQ(got.prepares, expected.prepares);
  EXPECT_EQ(got.timer_scale, expected.timer_scale);
  EXPECT_TRUE(got.disabled.empty() && got.isa.empty() && got.compile_flags.empty() && got.link_flags.empty());
  EXPECT_EQ(got.supports.sizes.at("m").range.most, Range().most);
  EXPECT_TRUE(got.supports.strides) << "what a manifest does not say is tried";
}

TEST_F(ManifestTest, who_prepares_does_without_b_unless_it_says_that_it_reads_both) {
  const auto parsed = [&](const Json& prepare) {
    Json one = family();
    one["prepare"] = prepare;
    return parse(document({one})).variants[0];
  };
  EXPECT_TRUE(parsed(true).prepares && !parsed(true).keeps_b);
  EXPECT_TRUE(parsed("with_b").prepares && parsed("with_b").keeps_b);
  EXPECT_FALSE(parsed(false).prepares || parsed(false).keeps_b);
  EXPECT_EQ(parsed(true).storage, "gemv") << "its family's own";
  Json named = family();
  named["storage"] = "rows_of_four";
  EXPECT_THROW(parse(document({named})), Error) << "who does not prepare has none";
  Json cached = family();
  cached["prepare"] = true;
  cached["supports"] = {{"op", {"attention"}}, {"a", {"f32"}}, {"cache", {"f16"}}, {"d", {"f32"}}};
  expect_error(cached, "/prepare", "nothing can be prepared once");
}

TEST_F(ManifestTest, every_key_reaches_its_field) {
  Json full = family();
  full["isa"] = {"generic", "avx2"};
  full["compile_flags"] = {"-ffast-math"};
  full["link_flags"] = {"-lopenblas"};
  full["threads"] = "own";
  full["role"] = "ceiling";
  full["prepare"] = true;
  full["accuracy"] = "int8_activation";
  full["baseline"] = {"r2_u4"};
  full["enabled"] = false;
  full["reason"] = "slower than gemv everywhere";
  full["source"] = "sub/b.cpp";
  full["harness"]["timer_scale"] = 0.1;
  full["supports"]["loader"] = {"none", "dense"};
  full["supports"]["batch"] = full["supports"]["bias"] = full["supports"]["alpha_beta"] = true;
  full["supports"]["segments"] = true;
  full["supports"]["strides"] = false;
  full["supports"]["m"] = {{"min", 1}, {"max", 8}};
  full["supports"]["n_values"] = {64, 128};
  full["supports"]["k_multiple_of"] = {32};
  Json top = document({full});
  top["mutants"] = true;
  const Manifest manifest = parse(top);
  const Variant& got = manifest.variants[3];
  EXPECT_EQ(got.isa, (std::vector<std::string>{"generic", "avx2"}));
  EXPECT_EQ(got.compile_flags, std::vector<std::string>{"-ffast-math"});
  EXPECT_EQ(got.link_flags, std::vector<std::string>{"-lopenblas"});
  EXPECT_EQ(got.threading, Threading::own);
  EXPECT_EQ(got.role, Role::ceiling);
  EXPECT_TRUE(got.prepares && got.baseline);
  EXPECT_FALSE(manifest.variants[2].baseline);
  EXPECT_EQ(got.accuracy, Accuracy::int8_activation);
  EXPECT_EQ(got.disabled_reason("Zen 4"), "slower than gemv everywhere");
  EXPECT_EQ(got.timer_scale, 0.1);
  EXPECT_EQ(got.source, folder_ / "sub" / "b.cpp");
  EXPECT_EQ(got.supports.features, (std::vector<std::string>{"batch", "segments", "bias", "alpha_beta"}));
  EXPECT_FALSE(got.supports.strides);
  EXPECT_EQ(got.supports.sizes.at("m").range.most, 8);
  EXPECT_EQ(got.supports.types.at(Operand::a), (std::vector<Dtype>{Dtype::f16, Dtype::f32}));
  EXPECT_EQ(got.supports.sizes.at("n").values, (std::vector<int64_t>{64, 128}));
  EXPECT_EQ(got.supports.sizes.at("k").multiple_of, std::vector<int64_t>{32});
}

TEST_F(ManifestTest, families_may_stand_in_files_beside_it) {
  const Json whole = document({family()});
  std::ofstream(folder_ / "more.json") << Json{{"families", {family()}}}.dump();
  Json top = whole;
  top.erase("families");
  top["files"] = {"more.json"};
  EXPECT_EQ(parse(top).variants.size(), parse(whole).variants.size());
  top["families"] = whole["families"];
  EXPECT_THROW(parse(top), Error) << "each variant twice";
  std::ofstream(folder_ / "manifest.json") << top.dump();
  for (const std::string wrong : {"none.json", "../more.json", "", "manifest.json"}) {
    top["files"] = {wrong};
    EXPECT_NE(error_of(top).find(wrong == "manifest.json" ? "names itself" : "no file"), std::string::npos) << wrong;
  }
}

TEST_F(ManifestTest, a_combination_stays_only_if_every_constraint_holds) {
  Json json = family();
  json["constraints"] = {"ROWS*UNROLL<=8", "ROWS % UNROLL == 0 || ROWS == 1"};
  EXPECT_EQ(ids(document({json})), (std::vector<std::string>{"gemv/r1_u2", "gemv/r1_u4", "gemv/r2_u2", "gemv/r4_u2"}));
  json["constraints"] = {"ROWS > 4"};
  expect_error(json, "/constraints", "no combination");
}

TEST_F(ManifestTest, a_disabled_combination_keeps_the_first_reason_that_fits) {
  Json json = family();
  json["disabled"] = Json::parse(R"([{"when":"ROWS==1","reason":"one row"},{"when":"UNROLL==2","reason":"short"}])");
  std::vector<std::string> reasons;
  for (const Variant& variant : parse(document({json})).variants) reasons.push_back(variant.disabled_reason(""));
  EXPECT_EQ(reasons, (std::vector<std::string>{"one row", "one row", "short", "", "short", ""}));
}

TEST_F(ManifestTest, a_disabled_combination_is_enabled_where_its_reason_was_not_seen) {
  Json json = family();
  json["disabled"] =
      Json::parse(R"([{"when":"ROWS==1","on":["Zen 4"],"reason":"one row"},{"when":"UNROLL==2","reason":"short"}])");
  const std::vector<Variant> variants = parse(document({json})).variants;
  EXPECT_EQ(variants[0].disabled_reason("Zen 4"), "seen on Zen 4: one row");
  EXPECT_EQ(variants[0].disabled_reason("Zen 3"), "short");
  EXPECT_EQ(variants[1].disabled_reason("Zen 4"), "seen on Zen 4: one row");
  EXPECT_EQ(variants[1].disabled_reason("Zen 3"), "");
  EXPECT_EQ(variants[1].disabled_reason(""), "") << "a processor of no known kind";
  json["disabled"][0]["on"] = {"Zen4"};
  expect_error(json, "/disabled/0/on/0", "unknown \"Zen4\"; did you mean Zen 4");
  json["disabled"][0]["on"] = Json::array();
  expect_error(json, "/disabled/0/on", "at least one");
}

TEST_F(ManifestTest, the_key_of_before_there_were_classes_still_names_the_int8_one) {
  Json json = family();
  json["activation_error"] = "int8_block32";
  EXPECT_EQ(parse(document({json})).variants[0].accuracy, Accuracy::int8_activation);
  json["activation_error"] = "";
  EXPECT_EQ(parse(document({json})).variants[0].accuracy, Accuracy::exact);
  json["accuracy"] = "exact";
  expect_error(json, "/activation_error", "leave it out");
}

TEST_F(ManifestTest, a_parameter_that_constraints_tie_to_another_needs_no_placeholder) {
  Json json = family();
  json["name"] = "r{ROWS}";
  json["constraints"] = {"UNROLL == 2"};
  EXPECT_EQ(ids(document({json})), (std::vector<std::string>{"gemv/r1", "gemv/r2", "gemv/r4"}));
  json.erase("constraints");
  expect_error(json, "/name", "two variants are named r1; add {UNROLL}");
}

TEST_F(ManifestTest, a_wrong_key_or_value_is_an_error_with_its_pointer) {
  const auto with = [](const std::string& pointer, const Json& value) {
    Json json = family();
    at_pointer(json, pointer) = value;
    return json;
  };
  expect_error(with("/techniqe", "x"), "", "unknown key \"techniqe\"; did you mean technique?");
  expect_error(with("/technique", "a\nb"), "/technique", "one line");
  expect_error(with("/technique", 3), "/technique", "expected a string");
  expect_error(with("/family", "a/b"), "/family", "letters");
  expect_error(with("/name", "r{ROWS}_{UNROL}"), "/name", "{UNROL} is no parameter; did you mean UNROLL?");
  expect_error(with("/name", "r{ROWS"), "/name", "{ without }");
  expect_error(with("/name", "r/{ROWS}{UNROLL}"), "/name", "gives \"r/12\"");
  expect_error(with("/parameters/ROWS/1", 1), "/parameters/ROWS/1", "stands twice");
  expect_error(with("/parameters/ROWS/1", 1.5), "/parameters/ROWS/1", "whole number");
  expect_error(with("/parameters/ROWS/1", INT64_C(1) << 40), "/parameters/ROWS/1", "within");
  expect_error(with("/parameters/ROWS", Json::array()), "/parameters/ROWS", "at least one");
  expect_error(with("/parameters/rows", Json::array({1})), "/parameters/rows", "upper case");
  expect_error(with("/parameters/ASSAY_X", Json::array({1})), "/parameters/ASSAY_X", "not ASSAY_");
  expect_error(with("/threads", "teem"), "/threads", "did you mean team?");
  expect_error(with("/role", "roof"), "/role", "unknown \"roof\"");
  expect_error(with("/accuracy", "int8"), "/accuracy", "unknown \"int8\"");
  expect_error(with("/activation_error", "int8_block16"), "/activation_error", "write \"accuracy\"");
  expect_error(with("/prepare", 1), "/prepare", "true or false");
  expect_error(with("/prepare", "with_B"), "/prepare", "or \"with_b\"");
  expect_error(with("/baseline", Json::array({"r1_u3"})), "/baseline/0", "no variant is named \"r1_u3\"");
  expect_error(with("/baseline", "r1_u2"), "/baseline", "true or false");
  expect_error(with("/enabled", false), "/enabled", "\"reason\"");
  expect_error(with("/reason", "slow"), "/reason", "\"enabled\" is not false");
  expect_error(with("/isa", Json::array({"avx2", "avx2"})), "/isa/1", "stands twice");
  expect_error(with("/compile_flags", "-O1"), "/compile_flags", "an array");
  expect_error(with("/disabled", Json::parse(R"([{"when":"ROWS==1"}])")), "/disabled/0", "reason");
  expect_error(with("/disabled", Json::parse(R"([{"when":"X==1","reason":"r"}])")), "/disabled/0/when", "no parameter");
  expect_error(with("/harness/timer_scale", 0.1), "/harness", "\"mutants\": true");
  expect_error(with("/supports/op", Json::array()), "/supports/op", "must name at least one op");
  expect_error(with("/supports/layout/0", "nm"), "/supports/layout/0", "known: nn nt tn tt");
  expect_error(with("/supports/a/0", "fp16"), "/supports/a/0", "did you mean f16");
  expect_error(with("/supports/a/1", "f16"), "/supports/a/1", "stands twice");
  expect_error(with("/supports/loader", Json::array({"q8"})), "/supports/loader/0", "known: none dense q8nk_split");
  expect_error(with("/supports/m/minn", 1), "/supports/m", "did you mean min");
  expect_error(with("/supports/m", Json::parse(R"({"min":4,"max":3})")), "/supports/m", "no size");
  expect_error(with("/supports/n", Json::parse(R"({"min":-1})")), "/supports/n/min", "negative");
  expect_error(with("/supports/k_multiple_of", Json::array({0})), "/supports/k_multiple_of/0", "at least 1");
  expect_error(with("/supports/alpha", true), "/supports", "did you mean alpha_beta");
}

TEST_F(ManifestTest, each_required_key_is_missed_by_name) {
  for (const char* key : {"family", "source", "technique", "name", "supports"}) {
    Json json = family();
    json.erase(key);
    expect_error(json, "", fmt::format("missing key \"{}\"", key));
  }
  for (const char* key : {"op", "a", "b", "d", "layout"}) {
    Json json = family();
    json["supports"].erase(key);
    expect_error(json, "/supports", fmt::format("missing key \"{}\"", key));
  }
}

TEST_F(ManifestTest, a_bad_expression_is_an_error_with_its_pointer) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"ROWS <=", "not a valid expression"},
                                                                {"ROWS = 1", "write =="},
                                                                {"COLUMNS < 3", "COLUMNS, which is no parameter"},
                                                                {"ROWS < 3, 1", "several values"},
                                                                {"", "not a valid expression"},
                                                                {"ROWS / (UNROLL - 2)", "no finite value"},
                                                                {"((ROWS)", "not a valid expression"},
                                                                {"\"ROWS\"", "expression"},
                                                                {std::string(1000, '('), "longer than"},
                                                                {"ROWS % 0", "no finite value"}};
  for (const auto& [expression, words] : bad) {
    Json json = family();
    json["constraints"] = {"ROWS >= 1", expression};
    expect_error(json, "/constraints/1", words);
  }
}

TEST_F(ManifestTest, a_source_is_beside_its_manifest) {
  for (const auto& [source, words] :
       std::vector<std::pair<std::string, std::string>>{{"../a.cpp", "leaves the folder"},
                                                        {"sub/../a.cpp", "leaves the folder"},
                                                        {"/etc/passwd", "leaves the folder"},
                                                        {"gone.cpp", "there is no file"},
                                                        {"sub", "there is no file"},
                                                        {"", "there is no file"},
                                                        {std::string("a.cpp\0x", 7), "no file name"}}) {
    Json json = family();
    json["source"] = source;
    expect_error(json, "/source", words);
  }
}

TEST_F(ManifestTest, at_most_4096_combinations_a_family) {
  Json json = family(), values = Json::array();
  for (int i = 0; i < 64; ++i) values.push_back(i);
  json["parameters"]["ROWS"] = json["parameters"]["UNROLL"] = values;
  EXPECT_EQ(ids(document({json})).size(), 4096u);
  values.push_back(64);
  json["parameters"]["ROWS"] = values;
  expect_error(json, "/parameters", "more than 4096");
}

TEST_F(ManifestTest, two_variants_of_one_id_are_an_error) {
  const std::string error = error_of(document({family("one"), family("two"), family("one")}));
  EXPECT_NE(error.find("at /families/2/family: an earlier entry of this family has one/"), std::string::npos) << error;
}

TEST_F(ManifestTest, a_family_may_have_several_entries_with_different_names) {
  Json prepared = family("one");
  prepared["name"] = "prepared_" + prepared["name"].get<std::string>();
  EXPECT_EQ(ids(document({family("one"), prepared})).size(), 2 * ids(document({family("one")})).size());
}

TEST_F(ManifestTest, the_top_of_the_file_is_as_strict) {
  Json json = document({family()});
  json["schema"] = 2;
  EXPECT_NE(error_of(json).find("at /schema: schema 2"), std::string::npos) << error_of(json);
  json = document({family()});
  json["comment"] = "x";
  EXPECT_NE(error_of(json).find("unknown key \"comment\""), std::string::npos);
  json = document({family()});
  json.erase("backend");
  EXPECT_NE(error_of(json).find("missing key \"backend\""), std::string::npos);
  json["backend"] = "cppu";
  EXPECT_NE(error_of(json).find("at /backend: unknown \"cppu\"; did you mean cpu"), std::string::npos);
  EXPECT_NE(error_of(document({})).find("at /families: must name at least one"), std::string::npos);
  EXPECT_NE(error_of(Json::array()).find("at /: expected an object"), std::string::npos);
  EXPECT_THROW(parse_manifest("{\"schema\":1,", folder_ / "manifest.json"), Error);
  EXPECT_THROW(parse_manifest("{\"schema\":1e999}", folder_ / "manifest.json"), Error);
}

TEST_F(ManifestTest, a_mutants_timer_may_lie_by_a_sane_factor_and_its_kernel_has_a_name) {
  Json top = document({family()});
  top["mutants"] = true;
  Json& harness = top["families"][0]["harness"] = Json::object();
  EXPECT_NE(error_of(top).find("at /families/0/harness"), std::string::npos);
  harness["timer_scale"] = 0;
  EXPECT_NE(error_of(top).find("at /families/0/harness/timer_scale: must be above 0"), std::string::npos);
  harness = {{"entry", ""}};
  EXPECT_NE(error_of(top).find("at /families/0/harness/entry: must name a kernel"), std::string::npos);
  harness["entry"] = "one_of_many";
  EXPECT_EQ(parse(top).variants[0].entry, "one_of_many");
}

TEST_F(ManifestTest, a_folder_without_a_manifest_is_an_error_that_names_it) {
  try {
    load_manifest(folder_);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(folder_.string()), std::string::npos) << e.what();
  }
  std::ofstream(folder_ / "manifest.json") << document({family()}).dump();
  EXPECT_EQ(load_manifest(folder_).variants.size(), 6u);
}

TEST(shipped_manifest, is_valid) {
  const fs::path folder = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu";
  EXPECT_FALSE(load_manifest(folder).variants.empty());
  // 4 ms in a release build; sanitizers are slower.
  EXPECT_LT(least_processor_ns(5, [&] { load_manifest(folder); }), 200'000'000);
}

}  // namespace
}  // namespace assay

// Launch geometry in manifests and its expressions: what they give, and that every mistake is named with its place.
#include "kernel/geometry.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "kernel/expression.h"
#include "kernel/manifest.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class GeometryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("assay-geometry-test-{}", getpid());
    fs::create_directories(folder_);
    std::ofstream(folder_ / "a.cu") << "int a;\n";
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Json family() {
    return Json::parse(
        R"json({"family":"dot","source":"a.cu","technique":"rows","parameters":{"ROWS":[2,4]},"name":"r{ROWS}",
      "launch":{"grid":["ceil(n/ROWS)","m","batch"],"block":[128]},
      "supports":{"op":["matmul"],"a":["f16"],"b":["f16"],"d":["f16"],"layout":["nt"]}})json");
  }
  static Json vendor() {
    return Json::parse(
        R"json({"family":"cublaslt","vendor":"cublaslt","technique":"theirs","parameters":{"ALGO":[0,1]},"name":"algo{ALGO}",
      "supports":{"op":["matmul"],"a":["f16"],"b":["f16"],"d":["f16"],"layout":["nt"]}})json");
  }
  Manifest parse(const Json& one, const std::string& backend = "cuda") const {
    Json json;
    json["schema"] = 1;
    json["backend"] = backend;
    json["families"] = Json::array({one});
    return parse_manifest(json.dump(), folder_ / "manifest.json");
  }
  std::string error_of(const Json& one, const std::string& backend = "cuda") const {
    try {
      parse(one, backend);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  void expect_error(const Json& one, const std::string& pointer, const std::string& words,
                    const std::string& backend = "cuda") const {
    const std::string error = error_of(one, backend);
    EXPECT_NE(error.find(" at " + pointer + ": "), std::string::npos) << error;
    EXPECT_NE(error.find(words), std::string::npos) << error;
    EXPECT_EQ(error.find(" at /", error.find(" at /") + 1), std::string::npos) << "a place twice: " << error;
  }
  fs::path folder_;
};

GeometrySizes sizes(int64_t m, int64_t n, int64_t k) {
  GeometrySizes s;
  s.m = m, s.n = s.n0 = n, s.k = k, s.sms = 132, s.bytes = 2 * n * k;
  return s;
}

TEST_F(GeometryTest, EachVariantEvaluatesTheSharedExpressionsWithItsOwnParameters) {
  const Manifest manifest = parse(family());
  ASSERT_EQ(manifest.variants.size(), 2u);
  const Geometry two = manifest.variants[0].geometry(sizes(3, 9, 64)),
                 four = manifest.variants[1].geometry(sizes(3, 9, 64));
  EXPECT_EQ(two.grid, (std::array<int64_t, 3>{5, 3, 1}));
  EXPECT_EQ(four.grid, (std::array<int64_t, 3>{3, 3, 1}));
  EXPECT_EQ(two.block, (std::array<int64_t, 3>{128, 1, 1}));
  EXPECT_EQ(two.block_threads(), 128);
  EXPECT_EQ(two.cluster, 1);
  EXPECT_EQ(two.shared_bytes, 0);
}

TEST_F(GeometryTest, SizesOfSpecAndDeviceCanBeUsed) {
  Json json = family();
  json["launch"] = Json::parse(
      R"json({"grid":"min(sms, n0 + n1 + n2)","block":["k > 32 ? 64 : 32"],"cluster":"segments","shared_bytes":"2*k",
                                   "workspace_bytes":"bytes/2"})json");
  GeometrySizes s = sizes(1, 30, 64);
  s.n0 = 10, s.n1 = s.n2 = 10, s.segments = 3;
  const Geometry g = parse(json).variants[0].geometry(s);
  EXPECT_EQ(g.grid[0], 30);
  EXPECT_EQ(g.block[0], 64);
  EXPECT_EQ(g.cluster, 3);
  EXPECT_EQ(g.shared_bytes, 128);
  EXPECT_EQ(g.workspace_bytes, 30 * 64);
}

TEST_F(GeometryTest, AMistakeIsNamedWithItsPlaceWhenTheManifestIsRead) {
  Json json = family();
  json["launch"].erase("grid");
  expect_error(json, "/families/0/launch", "missing key \"grid\"");
  json = family();
  json["launch"]["blok"] = 1;
  expect_error(json, "/families/0/launch", "did you mean block?");
  json = family();
  json["launch"]["grid"] = {"n", "q"};
  expect_error(json, "/families/0/launch/grid/1", "uses q");
  json = family();
  json["launch"]["grid"] = {1, 1, 1, 1};
  expect_error(json, "/families/0/launch/grid", "one to three");
  json = family();
  json["launch"]["cluster"] = {2, 2};
  expect_error(json, "/families/0/launch/cluster", "one expression");
  json = family();
  json["launch"]["prepared_bytes"] = "n";
  expect_error(json, "/families/0/launch/prepared_bytes", "\"prepare\": true");
  json["prepare"] = true;
  expect_error(json, "/families/0/launch", "missing key \"prepare_grid\"");
  json = family();
  json.erase("launch");
  expect_error(json, "/families/0", "missing key \"launch\"");
}

TEST_F(GeometryTest, AValueThatIsNoSizeIsNamedWithItsPlaceWhenItIsEvaluated) {
  const auto evaluate = [&](const Json& json) {
    try {
      parse(json).variants[0].geometry(sizes(1, 9, 64));
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  Json json = family();
  json["launch"]["grid"] = "n/2";
  EXPECT_NE(evaluate(json).find("/families/0/launch/grid: gives 4.5, which is no whole number"), std::string::npos)
      << evaluate(json);
  json["launch"]["grid"] = "n-9";
  EXPECT_NE(evaluate(json).find("gives 0; it must lie from 1"), std::string::npos) << evaluate(json);
  json["launch"]["grid"] = "n/(n-9)";
  EXPECT_NE(evaluate(json).find("no finite value"), std::string::npos) << evaluate(json);
  json["launch"]["grid"] = "n^30";
  EXPECT_NE(evaluate(json).find("it must lie from 1 to 2147483647"), std::string::npos) << evaluate(json);
}

TEST_F(GeometryTest, OnlyBackendsThatAreToldHowToLaunchHaveTheseKeys) {
  expect_error(family(), "/families/0/launch", "backend cpu has no such key", "cpu");
  Json json = family();
  json["threads"] = "team";
  expect_error(json, "/families/0/threads", "backend cuda has no such key");
  json = family();
  json["isa"] = {"avx2"};
  expect_error(json, "/families/0/isa", "names no instruction sets");
}

TEST_F(GeometryTest, AnArchRangeIsReadAndChecked) {
  Json json = family();
  json["arch"] = {{"min", 90}};
  EXPECT_EQ(parse(json).variants[0].arch.least, 90);
  EXPECT_GT(parse(json).variants[0].arch.most, 200);
  json["arch"] = {{"min", 9}};
  expect_error(json, "/families/0/arch/min", "80 for 8.0");
  json["arch"] = {{"min", 90}, {"max", 80}};
  expect_error(json, "/families/0/arch", "no architecture");
}

TEST_F(GeometryTest, AVendorsFamilyHasNoSourceAndNoLaunch) {
  const Manifest manifest = parse(vendor());
  ASSERT_EQ(manifest.variants.size(), 2u);
  EXPECT_TRUE(manifest.variants[1].source.empty());
  EXPECT_EQ(manifest.variants[1].vendor, "cublaslt");
  EXPECT_EQ(manifest.variants[1].parameter_or("ALGO", -1), 1);
  EXPECT_EQ(manifest.variants[1].parameter_or("ROWS", -1), -1);
  Json json = vendor();
  json["vendor"] = "cublastl";
  expect_error(json, "/families/0/vendor", "did you mean cublas or cublaslt?");
  json = vendor();
  json["source"] = "a.cu";
  expect_error(json, "/families/0/source", "a vendor's library has no such thing");
  expect_error(vendor(), "/families/0/vendor", "unknown", "cpu");
}

TEST(expression, compares_computes_and_joins) {
  Expression expression("(A*B <= 16 && A != 3) || B % 5 == 0", {"A", "B"});
  EXPECT_TRUE(expression.holds({4, 4}));
  EXPECT_FALSE(expression.holds({3, 4}));
  EXPECT_TRUE(expression.holds({3, 5}));
  EXPECT_FALSE(expression.holds({4, 7}));
  EXPECT_TRUE(expression.holds({4, 4})) << "an evaluation must leave nothing behind";
}

}  // namespace
}  // namespace assay

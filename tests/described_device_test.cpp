// Devices that are not here: read from a file, planned for, and never guessed.
#include "backend/described_device.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "probe/plan.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

const std::string kFile = std::string(ASSAY_SOURCE_DIR) + "/tests/data/h200.json";

std::string error_of(const Json& json) {
  try {
    parse_device(json.dump(), "d.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

/// A manifest of one family for backend cuda whose source exists.
class DescribedDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("assay-described-test-{}", getpid());
    fs::create_directories(folder_);
    std::ofstream(folder_ / "a.cu") << "int a;\n";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Plan plan(const std::string& launch, const std::string& more = "") {
    const std::string text =
        R"({"schema":1,"backend":"cuda","families":[{"family":"tile","source":"a.cu","technique":"t","name":"x",)" +
        more + R"("launch":)" + launch +
        R"(,"supports":{"op":["matmul"],"a":["f16"],"b":["f16"],"d":["f16"],"layout":["nt"]}}]})";
    manifest_ = parse_manifest(text, folder_ / "manifest.json");
    const Spec spec =
        parse_spec("op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
    return make_plan({spec}, {&manifest_.variants[0]}, load_device(kFile), {});
  }
  fs::path folder_;
  Manifest manifest_;
};

TEST_F(DescribedDeviceTest, WritingAndReadingGiveTheSameDevice) {
  const DeviceInfo device = load_device(kFile);
  const std::string text = device_json(device);
  EXPECT_EQ(device_json(parse_device(text, "again")), text);
  EXPECT_EQ(device.limits.arch, 90);
  EXPECT_EQ(device.limits.processors, 132);
  EXPECT_TRUE(device.one_worker);
  EXPECT_EQ(device.launches_per_sample, 200);
}

TEST_F(DescribedDeviceTest, AMistakeIsNamedWithItsPlace) {
  const Json good = parse_json(read_file(kFile), kFile);
  Json json = good;
  json["limit"] = 1;
  EXPECT_NE(error_of(json).find("unknown key \"limit\"; did you mean limits?"), std::string::npos) << error_of(json);
  json = good;
  json["limits"]["l2_bytes"] = -1;
  EXPECT_NE(error_of(json).find("d.json at /limits/l2_bytes: must not be negative"), std::string::npos)
      << error_of(json);
  json = good;
  json.erase("isa");
  EXPECT_NE(error_of(json).find("missing key \"isa\""), std::string::npos) << error_of(json);
}

TEST_F(DescribedDeviceTest, MoreThanALaunchMayHaveIsADeviceLimitWithBothNumbers) {
  EXPECT_EQ(plan(R"({"grid":1,"block":1024})").specs[0].cases.at(0).over_limit, "");
  EXPECT_EQ(plan(R"({"grid":1,"block":[32,33]})").specs[0].cases.at(0).over_limit,
            "needs 1056 threads a block, cuda:0 has 1024");
  EXPECT_EQ(plan(R"({"grid":1,"block":32,"shared_bytes":233472})").specs[0].cases.at(0).over_limit,
            "needs 233472 bytes of shared memory, cuda:0 has 232448");
  EXPECT_EQ(plan(R"({"grid":32,"block":32,"cluster":32})").specs[0].cases.at(0).over_limit,
            "needs 32 blocks a cluster, cuda:0 has 16");
  EXPECT_EQ(plan(R"({"grid":[1,"n*8"],"block":32})").specs[0].cases.at(0).over_limit,
            "needs 77824 blocks in y or z, cuda:0 has 65535");
}

TEST_F(DescribedDeviceTest, AnotherProcessorGenerationIsSkippedWithBothSidesNamed) {
  const Plan newer = plan(R"({"grid":1,"block":32})", R"("arch":{"min":100},)");
  EXPECT_TRUE(newer.specs[0].cases.empty());
  ASSERT_EQ(newer.skips.size(), 1u);
  EXPECT_EQ(newer.skips[0].reason, "unsupported: needs compute capability 10.0, cuda:0 has 9.0");
  const Plan older = plan(R"({"grid":1,"block":32})", R"("arch":{"min":70,"max":89},)");
  EXPECT_EQ(older.skips.at(0).reason, "unsupported: needs compute capability 7.0 to 8.9, cuda:0 has 9.0");
}

TEST(LaunchSizes, CountFusedOutputsTogetherAndApart) {
  const Spec spec = parse_spec(
      "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=4864 | n1=48 | dtA=f16 | dtB=f16 | dtD=f16");
  const GeometrySizes s = launch_sizes(*spec.op, spec.tensors, load_device(kFile));
  EXPECT_EQ(s.n, 4912);
  EXPECT_EQ(s.n0, 4864);
  EXPECT_EQ(s.n1, 48);
  EXPECT_EQ(s.n2, 0);
  EXPECT_EQ(s.segments, 2);
  EXPECT_EQ(s.bytes, 2 * 896 * 4912);
  EXPECT_EQ(s.sms, 132);
}

}  // namespace
}  // namespace assay

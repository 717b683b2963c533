// Laws of libraries that kernels are built against where they are: what a manifest may name, the plan, the build, and
// what assay devices says.
#include "assay_program.h"
#include "backend/cpu/cpu_libraries.h"
#include "build_cache_fixture.h"
#include "kernel/compiler.h"
#include "probe/plan.h"

namespace assay {
namespace {

const fs::path kManifest = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu" / "manifest.json";

Manifest manifest_naming(const std::string& library, const std::string& backend = "cpu") {
  return parse_manifest(fmt::format(R"({{"schema": 1, "backend": "{}", "families": [{{"family": "theirs", "source":
      "naive.cpp", "technique": "t", "name": "n", "library": "{}", "supports": {{"op": ["matmul"], "a": ["f32"],
      "b": ["f32"], "d": ["f32"], "layout": ["nt"]}}}}]}})",
                                    backend, library),
                        kManifest);
}

std::string refusal(const std::string& library, const std::string& backend) {
  try {
    manifest_naming(library, backend);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Library, AFamilyNamesOneThatItsBackendKnows) {
  EXPECT_EQ(manifest_naming("ggml").variants.at(0).library, "ggml");
  EXPECT_TRUE(has(refusal("gmgl", "cpu"), "at /families/0/library: unknown \"gmgl\"; did you mean ggml?; known: ggml"))
      << refusal("gmgl", "cpu");
  EXPECT_TRUE(has(refusal("ggml", "cuda"), "at /families/0/library: unknown")) << refusal("ggml", "cuda");
}

TEST(Library, AVariantThatNeedsOneIsPlannedWhereItIsAndSkippedByNameElsewhere) {
  const Manifest manifest = manifest_naming("ggml");
  const Spec spec = parse_spec("op=matmul | batch=1 | m=1 | n=8 | k=8 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  DeviceInfo device;
  device.isa = {kGeneric};
  device.memory_bytes = 1 << 30;
  const Plan without = make_plan({spec}, {&manifest.variants[0]}, device, {});
  EXPECT_EQ(without.cases(), 0);
  ASSERT_EQ(without.skips.size(), 1u);
  EXPECT_TRUE(has(without.skips[0].reason, "the library ggml is not here")) << without.skips[0].reason;
  device.vendors = {{"ggml", "1"}};
  EXPECT_EQ(make_plan({spec}, {&manifest.variants[0]}, device, {}).cases(), 1);
}

class LibraryBuildTest : public BuildCacheTest {
 protected:
  Compiler compiler_with(const std::string& version) const {
    Compiler compiler = real_compiler();
    compiler.libraries = {{"theirs", version, {(root_ / "theirs").string()}, {"-lm"}, ""}};
    return compiler;
  }
  std::string key_of(const Compiler& compiler) const { return cache(compiler).key(variant_, kGeneric).text; }
};

TEST_F(LibraryBuildTest, AKernelThatNamesItFindsItsHeadersAndItsVersionIsPartOfTheKey) {
  write("theirs/theirs.h", "#define Y 100\n");
  write("src/k.h", "#include <theirs.h>\n");
  EXPECT_NE(cache(compiler_with("1")).build(variant_, kGeneric).error, "") << "it does not name it";
  variant_.library = "theirs";
  const BuiltModule built = cache(compiler_with("1")).build(variant_, kGeneric);
  ASSERT_EQ(built.error, "");
  EXPECT_EQ(answer_of(built.file), 101);
  EXPECT_TRUE(has(built.key.text, "library: theirs 1, [\"-lm\"]\n")) << built.key.text;
  EXPECT_NE(key_of(compiler_with("2")), built.key.text);
  write("theirs/theirs.h", "#define Y 200\n");
  EXPECT_NE(key_of(compiler_with("1")), built.key.text) << "its headers count as includes";
}

TEST_F(LibraryBuildTest, TheKeyOfAKernelThatNamesNoneDoesNotKnowOfIt) {
  EXPECT_EQ(key_of(compiler_with("1")), key_of(real_compiler()));
}

TEST(Library, DevicesShowsItsVersionOrSaysInOneLineHowToGetIt) {
  const Library ggml = cpu_libraries().at(0);
  EXPECT_EQ(ggml.name, "ggml");
  const Home home;
  const Ended ended = home.run({"devices", "--list", "--device", "cpu"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  if (!ggml.missing.empty()) {
    EXPECT_TRUE(has(ggml.missing, "make ASSAY_GGML=")) << ggml.missing;
    EXPECT_TRUE(has(ended.out, "  ggml: none: " + ggml.missing + "\n")) << ended.out;
  } else {
    EXPECT_TRUE(has(ended.out, "  ggml: " + ggml.version + "\n")) << ended.out;
  }
}

TEST(Library, GgmlsRowIsPlannedForEachWeightTypeWhereAssayWasBuiltWithIt) {
  const Home home;
  const bool is_here = cpu_libraries().at(0).missing.empty();
  for (const std::string weights : {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"}) {
    const Ended ended =
        home.run({"probe", "--dry-run", "--spec", "op=matmul | batch=1 | m=1 | n=896 | k=896 | tA=0 | tB=1", "--dtype",
                  weights, "--variant", "ggml/*"});
    EXPECT_EQ(ended.exit_code, is_here ? 0 : ended.exit_code) << ended.err;
    EXPECT_EQ(has(ended.out, "1 specs, 1 cases"), is_here) << ended.out << ended.err;
  }
}

}  // namespace
}  // namespace assay

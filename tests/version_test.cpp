// Laws of --version: what a bug report needs to name the program that it is about.
#include "assay_program.h"

namespace assay {
namespace {

TEST(version, names_commit_backends_instruction_set_and_libraries) {
  const Ended ended = Home().run({"--version"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out.rfind("assay 0.", 0), 0u) << ended.out;
  EXPECT_TRUE(has(ended.out.substr(0, ended.out.find('\n')), "(")) << ended.out;
  EXPECT_TRUE(has(ended.out, "\nbackends: cpu")) << ended.out;
  EXPECT_TRUE(has(ended.out, "\nprogram: for ")) << ended.out;
  EXPECT_TRUE(has(ended.out, "\ncpu:0: ") && has(ended.out, "; kernels for ")) << ended.out;
  for (const char* library :
       {"fmt ", "CLI11 ", "nlohmann-json ", "simdjson ", "SQLite ", "muParser ", "PCRE2 ", "zlib ", "zstd "})
    EXPECT_TRUE(has(ended.out, library)) << library << ended.out;
  EXPECT_EQ(ended.out.back(), '\n');
}

}  // namespace
}  // namespace assay

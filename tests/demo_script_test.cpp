// scripts/demo.sh: every step is shown, and Ctrl-C ends it between and within them.
#include <gtest/gtest.h>

#include "refusals.h"

namespace assay {
namespace {

class demo_script : public testing::Test {
 protected:
  demo_script() {
    home.variables["DEMO_ASSAY"] = ASSAY_PROGRAM;
    home.variables["DEMO_FOLDER"] = (home.folder / "demo").string();
    home.variables["DEMO_SHAPE"] = "tiny";
    home.variables["DEMO_PROBE"] = "--dry-run";  // what a probe takes minutes for has its own tests
  }
  std::unique_ptr<Running> start() const {
    return std::make_unique<Running>(Arguments{"/bin/sh", std::string(ASSAY_SOURCE_DIR) + "/scripts/demo.sh"},
                                     home.variables, home.folder / "shell");
  }
  Home home;
};

TEST_F(demo_script, shows_the_whole_loop) {
  const Ended ended = start()->wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* part :
       {"== 1. A model answers", "assay finds, proves and ships the fastest kernel", "Nine and eight are seventeen.",
        "== 2. ", "% of ceiling", "decode 32", "== 3. ", "events", "== 4. ", "ms per token", "Shapes with most to win",
        "== 5. ", "specs,", "That was the loop"})
    EXPECT_TRUE(has(ended.out, part)) << part << " is not in\n" << ended.out;
  for (const char* file : {"run.jsonl", "specs.json", "devices.txt", "tiny-q8_0.gguf"})
    EXPECT_TRUE(fs::exists(home.folder / "demo" / file)) << file;
}

TEST_F(demo_script, ends_where_it_is_interrupted) {
  const auto running = start();
  for (const int64_t began = now_ns(); now_ns() - began < 60'000'000'000; usleep(10'000))
    if (fs::exists(home.folder / "demo")) break;
  usleep(300'000);
  running->send(SIGINT);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.out;
  EXPECT_TRUE(has(ended.out, "demo: stopped")) << ended.out;
  EXPECT_FALSE(has(ended.out, "That was the loop"));
}

}  // namespace
}  // namespace assay

// A kernel that is fast where it is measured and slow where the model runs: what assay tune says and does about it.
#include <gtest/gtest.h>

#include "kernel/dispatch_table.h"
#include "refusals.h"

namespace assay {
namespace {

const fs::path kKernels = fs::path(ASSAY_SOURCE_DIR) / "tests/data/slow_in_context";

TEST(tune_in_context, an_entry_that_does_not_pay_where_the_model_runs_is_taken_back_and_named) {
  if (kSanitized) GTEST_SKIP() << "hundreds of workers";
  Home home;
  home.with_ceilings();
  const fs::path model = home.folder / "tiny.gguf";
  ASSERT_EQ(home.run({"synth", "--shape", "tiny", "--type", "q4_1", "--out", model}).exit_code, 0);
  // Beside other processes it may look slow where it is measured, and is taken back before a model runs: once more.
  Ended ended;
  for (const char* turns : {"5", "6", "7"}) {
    ended = home.run({"tune", model, "--kernels", kKernels, "--budget", "3s", "--turns", turns, "--fresh"});
    ASSERT_EQ(ended.exit_code, 0) << ended.err << ended.out;
    if (has(ended.out, "faster in 0 of 5 turns")) break;
  }
  for (const auto& entry : fs::directory_iterator(home.folder / "state/assay/tables"))
    for (const TableEntry& e : load_table(entry.path()).devices.at(0).entries)
      EXPECT_NE(e.variant, "slow_in_context/rows") << e.bucket.line();
  if (!has(ended.out, "slow_in_context/rows was "))
    GTEST_SKIP() << "beside other processes it never looked fast enough to be chosen:\n" << ended.out;
  EXPECT_TRUE(has(ended.out, "Taken back: generation_step_output")) << ended.out;
  EXPECT_TRUE(has(ended.out, "faster in 0 of 5 turns")) << ended.out;
  EXPECT_TRUE(has(ended.out, "The default was best")) << ended.out;
}

}  // namespace
}  // namespace assay

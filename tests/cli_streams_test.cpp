// Laws of standard streams and numbers on the command line: what cannot be shown is an error, what is no number is
// refused.
#include "refusals.h"
#include "trace_lines.h"

namespace assay {
namespace {

class cli_streams : public testing::Test {
 protected:
  cli_streams() {
    write_file(home_.folder / "trace", gpu_line("a", "1"));
    write_file(home_.folder / "log",
               "Spec op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1:\n"
               "   - a/x [best-gpu]: avg_gpu=0.162ms | avg_cpu=0.402ms maxAbs=1e-02 maxRel=4e-04\n");
  }
  int exit_of(const std::string& line) const {
    const Ended ended = run_in_shell(home_, line);
    EXPECT_EQ(ended.signal, 0) << line;
    last_ = ended;
    return ended.exit_code;
  }
  Home home_;
  mutable Ended last_;
};

TEST_F(cli_streams, closed_streams_change_no_exit_code_and_end_nothing_early) {
  for (const std::string closed : {">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&-"}) {
    EXPECT_EQ(exit_of("$ASSAY help " + closed), 0) << closed;
    EXPECT_EQ(exit_of("$ASSAY audit log --csv rows.csv " + closed), 0) << closed;
    EXPECT_EQ(exit_of("$ASSAY analyze missing " + closed), 2) << closed;
    EXPECT_EQ(exit_of("$ASSAY --wrong " + closed), 2) << closed;
  }
  EXPECT_GT(fs::file_size(home_.folder / "rows.csv"), 0u);
  exit_of("$ASSAY probe --dry-run --store s.sqlite >&- 2>&- <&-");
  EXPECT_EQ(exit_of("$ASSAY probe --dry-run --store s.sqlite"), 0) << "no message went into the store";
}

TEST_F(cli_streams, a_full_disk_behind_standard_output_is_exit_2_and_files_are_written_all_the_same) {
  for (const std::string command : {"help", "help probe", "--version", "audit log", "audit --json - log",
                                    "analyze trace", "analyze --classic trace", "devices --list", "probe --dry-run"}) {
    EXPECT_EQ(exit_of("$ASSAY " + command + " > /dev/full"), 2) << command;
    EXPECT_TRUE(has(last_.err, "assay: standard output could not be written to its end (No space left on device)\n"))
        << command << last_.err;
  }
  EXPECT_EQ(exit_of("$ASSAY analyze trace --json r.json > /dev/full"), 2);
  EXPECT_TRUE(fs::exists(home_.folder / "r.json"));
}

TEST_F(cli_streams, a_reader_that_leaves_is_exit_2_and_no_signal) {
  const std::string left = " | true; exit ${PIPESTATUS[0]}";
  EXPECT_EQ(exit_of("(sleep 0.3; exec $ASSAY audit log)" + left), 2);
  EXPECT_EQ(exit_of("(sleep 0.3; exec $ASSAY analyze trace --csv rows)" + left), 2);
  EXPECT_TRUE(fs::exists(home_.folder / "rows"));
}

TEST_F(cli_streams, a_file_that_may_not_grow_is_an_error_and_no_signal) {
  EXPECT_EQ(exit_of("ulimit -f 1; $ASSAY help probe > help"), 2);
  EXPECT_TRUE(has(last_.err, "could not be written to its end (File too large)")) << last_.err;
  EXPECT_EQ(exit_of("ulimit -f 1; $ASSAY analyze trace --json rows > /dev/null"), 2);
  EXPECT_TRUE(has(last_.err, "rows: cannot be written (File too large)")) << last_.err;
}

TEST_F(cli_streams, standard_error_that_cannot_be_written_changes_nothing) {
  EXPECT_EQ(exit_of("$ASSAY audit log 2> /dev/full"), 0);
  EXPECT_EQ(exit_of("$ASSAY analyze missing 2> /dev/full"), 2);
  EXPECT_EQ(exit_of("(sleep 0.3; exec $ASSAY analyze missing) 2>&1 > /dev/null | true; exit ${PIPESTATUS[0]}"), 2);
}

TEST_F(cli_streams, numbers_are_numbers_within_their_range) {
  struct Option {
    Arguments command;
    std::string name;
    bool whole;
  };
  const std::string trace = home_.folder / "trace", log = home_.folder / "log";
  const std::vector<Option> options = {{{"compare", log, log}, "--threshold", false},
                                       {{"analyze", trace}, "--threshold", false},
                                       {{"analyze", trace}, "--hot", false},
                                       {{"analyze", trace}, "--ceiling", false},
                                       {{"analyze", trace}, "--top", true},
                                       {{"analyze", trace}, "--kernel-top", true},
                                       {{"analyze", trace}, "--tokens", true},
                                       {{"audit", log}, "--max-rel", false},
                                       {{"probe", "--dry-run"}, "--footprint", false},
                                       {{"probe", "--dry-run"}, "--host-gap-device", false},
                                       {{"probe", "--dry-run"}, "--host-gap-host", false},
                                       {{"probe", "--dry-run"}, "--threads", true}};
  for (const Option& option : options) {
    std::vector<std::string> wrong = {
        "nan", "NaN", "inf", "-inf", "-1", "1e999", "5x", "", "0x5", "1,5", "99999999999999999999999"};
    if (option.whole) wrong.insert(wrong.end(), {"2.5", "1e3"});
    if (option.name == "--threads" || option.name == "--tokens" || option.name == "--footprint") wrong.push_back("0");
    for (const std::string& value : wrong) {
      if (option.name == "--ceiling" && value.empty()) continue;  // none is given
      Arguments arguments = option.command;
      arguments.push_back(option.name + "=" + value);
      expect_refused(home_, arguments, {option.name});
    }
  }
}

TEST_F(cli_streams, a_range_of_shapes_that_holds_nothing_is_refused) {
  for (const auto& [shape, why] : std::vector<std::pair<std::string, std::string>>{
           {"n=900..800", "ends before it begins"},
           {"n=-5", "\"-5\""},
           {"n=0", "\"0\""},
           {"n=5x", "\"5x\""},
           {"n=", "\"\""},
           {"n=1..", "\"\""},
           {"n=1..2..3", "2..3"},
           {"n=99999999999999999999", "9999"},
           {"n=nan", "nan"},
       })
    expect_refused(home_, {"probe", "--dry-run", "--shape=" + shape}, {"--shape", why});
}

}  // namespace
}  // namespace assay

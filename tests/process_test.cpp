// Programs run to their end, one or several at once: output, exit, signal, limit.
#include "base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_tree.h"

namespace assay {
namespace {

double seconds_since(int64_t start) { return double(now_ns() - start) / 1e9; }
std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }

struct TemporaryFile {
  TemporaryFile() {
    char name[] = "/tmp/assay-process-test-XXXXXX";
    close(mkstemp(name));
    path = name;
  }
  ~TemporaryFile() { unlink(path.c_str()); }
  std::string path;
};

TEST(run_process, gives_both_outputs_and_the_exit_code) {
  const ProcessResult result = run_process(shell("echo out; echo err >&2; exit 3"), 10);
  EXPECT_EQ(result.output, "out\nerr\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.signal, 0);
  EXPECT_FALSE(result.timed_out);
}

TEST(run_process, says_why_there_is_no_pipe_and_what_to_do) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  std::string why;
  try {
    run_process(shell("true"), 10);
  } catch (const Error& e) {
    why = e.what();
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(why, "cannot make a pipe to run sh (Too many open files); raise the limit of open files (ulimit -n)");
}

TEST(run_process, names_the_signal_that_ended_it) {
  EXPECT_EQ(run_process(shell("kill -SEGV $$"), 10).signal, SIGSEGV);
}

TEST(run_process, a_missing_program_exits_127_and_says_so) {
  const ProcessResult result = run_process({"assay-no-such-program"}, 10);
  EXPECT_EQ(result.exit_code, 127);
  EXPECT_NE(result.output.find("assay-no-such-program: not found"), std::string::npos) << result.output;
}

/// Whether no process has the id any more; waits a little for it to end.
bool is_gone(pid_t pid) {
  for (int i = 0; i < 1000 && kill(pid, 0) == 0; ++i) usleep(10'000);
  return kill(pid, 0) != 0;
}

TEST(run_process, kills_at_the_limit_with_all_children) {
  const TemporaryFile file;
  const int64_t start = now_ns();
  const ProcessResult result = run_process(shell("echo early; sleep 60 & echo $! > " + file.path + "; sleep 60"), 1);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_LT(seconds_since(start), 30);
  EXPECT_EQ(result.output, "early\n") << "what it printed before is kept";
  pid_t child = 0;
  std::ifstream(file.path) >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(is_gone(child)) << "a child outlived the limit";
}

TEST(run_process, the_limit_holds_for_a_program_that_closed_its_output) {
  const int64_t start = now_ns();
  EXPECT_TRUE(run_process(shell("exec >/dev/null 2>&1; sleep 60"), 0.2).timed_out);
  EXPECT_LT(seconds_since(start), 30);
}

TEST(run_process, the_limit_holds_for_a_program_that_never_stops_printing) {
  const int64_t start = now_ns();
  const ProcessResult result = run_process({"yes"}, 0.2);
  EXPECT_TRUE(result.timed_out);
  EXPECT_LE(result.output.size(), size_t(1) << 20);
  EXPECT_LT(seconds_since(start), 30);
}

TEST(run_process, standard_input_is_empty) { EXPECT_EQ(run_process({"cat"}, 10).exit_code, 0); }

TEST(process_set, programs_run_side_by_side_and_end_in_their_own_order) {
  const TemporaryFile flag;
  ProcessSet set;
  const size_t first = set.start(shell("while [ -e " + flag.path + " ]; do sleep 0.02; done; echo first"), 30);
  const size_t second = set.start(shell("rm " + flag.path + "; sleep 0.01; echo second"), 30);
  EXPECT_EQ(set.running(), 2u);
  std::map<size_t, ProcessResult> results;
  while (set.running() > 0)
    if (auto done = set.wait(30)) results.insert(std::move(*done));
  EXPECT_EQ(results[first].output, "first\n") << "one after the other, the first would wait for ever";
  EXPECT_EQ(results[second].output, "second\n");
  EXPECT_FALSE(results[first].timed_out);
}

TEST(process_set, each_program_has_its_own_limit) {
  ProcessSet set;
  const size_t hung = set.start(shell("sleep 60"), 0.2), fine = set.start(shell("sleep 0.5; exit 7"), 10);
  std::map<size_t, ProcessResult> results;
  while (set.running() > 0)
    if (auto done = set.wait(10)) results.insert(std::move(*done));
  EXPECT_TRUE(results[hung].timed_out);
  EXPECT_FALSE(results[fine].timed_out);
  EXPECT_EQ(results[fine].exit_code, 7);
}

TEST(process_set, wait_gives_nothing_when_nothing_ended_in_time_or_nothing_runs) {
  ProcessSet set;
  const int64_t start = now_ns();
  EXPECT_FALSE(set.wait(60));
  EXPECT_LT(seconds_since(start), 30);
  set.start(shell("sleep 60"), 60);
  EXPECT_FALSE(set.wait(0.1));
  EXPECT_GE(seconds_since(start), 0.1);
  EXPECT_EQ(set.running(), 1u);
}

TEST(process_set, a_signal_handler_ends_the_wait_early) {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  ProcessSet set;
  set.start(shell("sleep 60"), 60);
  const int64_t start = now_ns();
  ualarm(100'000, 100'000);  // again and again: the first may come before the wait begins
  EXPECT_FALSE(set.wait(60));
  ualarm(0, 0);
  EXPECT_LT(seconds_since(start), 30);
  sigaction(SIGALRM, &before, nullptr);
}

TEST(process_set, what_still_runs_dies_with_the_set) {
  const TemporaryFile file;
  pid_t pid = 0;
  {
    ProcessSet set;
    set.start(shell("echo $$ > " + file.path + "; exec sleep 60"), 60);
    for (int i = 0; i < 1000 && pid == 0; ++i) {
      EXPECT_FALSE(set.wait(0.01));
      std::ifstream(file.path) >> pid;
    }
    ASSERT_GT(pid, 0);
    ASSERT_EQ(kill(pid, 0), 0);
  }
  EXPECT_TRUE(is_gone(pid));
}

/// Between a file's opening and its reading a process may end.
TEST(process_tree, is_looked_at_while_its_processes_end) {
  ProcessSet forks;
  forks.start({"/bin/sh", "-c", "while :; do for i in 1 2 3 4 5 6 7 8; do : & done; wait; done"}, 20);
  size_t seen = 0;
  for (const int64_t began = now_ns(); now_ns() - began < 700'000'000;)
    EXPECT_NO_THROW(for (const pid_t pid : descendants_of(getpid())) seen += !command_of(pid).empty());
  EXPECT_GT(seen, 0u);
}

}  // namespace
}  // namespace assay

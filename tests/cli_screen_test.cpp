// Laws of what a probe shows on a terminal: one screen, never wider than the window; a pipe gets the seeds' lines.
#include <pty.h>

#include "assay_program.h"
#include "base/terminal.h"
#include "text_lines.h"

namespace assay {
namespace {

/// What the program writes to a window of so many columns, without its progress.
std::string shown_on(const Home& home, Arguments arguments, unsigned short columns, const Variables& more = {}) {
  arguments.insert(arguments.begin(), ASSAY_PROGRAM);
  arguments.push_back("--quiet");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const winsize window{40, columns, 0, 0};
  int master = -1;
  const pid_t child = forkpty(&master, nullptr, nullptr, &window);
  if (child == 0) {
    unsetenv("COLUMNS");
    unsetenv("LINES");
    for (const auto& [name, value] : home.variables) setenv(name.c_str(), value.c_str(), 1);
    for (const auto& [name, value] : more) setenv(name.c_str(), value.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  std::string text;
  char part[4096];
  for (ssize_t count; child > 0 && (count = read(master, part, sizeof part)) > 0;) text.append(part, size_t(count));
  int status = 0;
  if (child > 0) waitpid(child, &status, 0);
  close(master);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  std::erase(text, '\r');
  return text;
}

class ScreenTest : public testing::Test {
 protected:
  void SetUp() override {
    home_.with_ceilings();
    write_drop_ins(
        home_.kernels(),
        {{"test_plain"}, {"test_other"}, {"test_off", "", "nt", "only for this test, in a reason of many words"}});
    ASSERT_EQ(home_.run(probe()).exit_code, 0);  // the others find its results in the store
  }
  Arguments probe(const std::string& more = "") const {
    Arguments arguments = home_.probe(spec_line("64..128..32"));
    if (!more.empty()) arguments.push_back(more);
    return arguments;
  }
  Home home_;
};

TEST_F(ScreenTest, NothingIsWiderThanTheWindow) {
  for (const unsigned short columns : {40, 80, 200})
    for (const char* more : {"", "--full", "--skips", "--verbose", "--dry-run"}) {
      const std::string text = shown_on(home_, probe(more), columns);
      for (const std::string& line : lines_of(text)) EXPECT_LE(display_width(line), columns) << more << ": " << line;
      if (*more == 0) EXPECT_LT(lines_of(text).size(), 40u) << text;
    }
}

TEST_F(ScreenTest, ColumnsNarrowAWindowAndNeverWidenIt) {
  for (const char* asked : {"40", "300"}) {
    size_t widest = 0;
    for (const std::string& line : lines_of(shown_on(home_, probe("--full"), 80, {{"COLUMNS", asked}})))
      widest = std::max(widest, display_width(line));
    EXPECT_LE(widest, asked[0] == '4' ? 40u : 80u);
    EXPECT_GT(widest, 30u);
  }
}

TEST_F(ScreenTest, TheVerdictIsFirstAndAllTheRestIsAskedFor) {
  const Variables plain = {{"NO_COLOR", "1"}};
  const std::string verdict = shown_on(home_, probe(), 80, plain);
  EXPECT_TRUE(contains(verdict, "winner")) << verdict;
  EXPECT_TRUE(contains(verdict, "--full")) << verdict;
  EXPECT_FALSE(contains(verdict, "avg_dev=") || contains(verdict, "only for this test")) << verdict;
  EXPECT_TRUE(contains(shown_on(home_, probe("--full"), 200, plain), "test_other/plain"));
  EXPECT_TRUE(contains(shown_on(home_, probe("--skips"), 200, plain),
                       "disabled: only for this test, in a reason of many words [test_off]"));
  const Ended pipe = home_.run(probe());
  EXPECT_TRUE(contains(pipe.out, "avg_dev=")) << pipe.out;
  EXPECT_TRUE(contains(pipe.out,
                       " - test_off/plain: matmul skipped 3 (disabled: only for this test, in a reason of many words)"))
      << pipe.out;
}

}  // namespace
}  // namespace assay

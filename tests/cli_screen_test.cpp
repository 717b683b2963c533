// Laws of what a probe shows on a terminal: one screen, never wider than the window; a pipe gets the seeds' lines.
#include <pty.h>

#include "assay_program.h"
#include "base/terminal.h"
#include "text_lines.h"

namespace assay {
namespace {

/// What the program writes to a window of so many columns.
std::string shown_on(const Home& home, Arguments arguments, int columns, const Variables& more = {}) {
  arguments.insert(arguments.begin(), ASSAY_PROGRAM);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const winsize window{40, static_cast<unsigned short>(columns), 0, 0};
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
    write_drop_ins(
        home_.kernels(),
        {{"test_plain"}, {"test_other"}, {"test_off", "", "nt", "only for this test, in a reason of many words"}});
  }
  Arguments probe(const Arguments& more) const {
    Arguments arguments = home_.probe(spec_line("64"));
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back("--quiet");
    return arguments;
  }
  Home home_;
};

size_t widest(const std::string& text) {
  size_t width = 0;
  for (const std::string& line : lines_of(text)) width = std::max(width, display_width(line));
  return width;
}

TEST_F(ScreenTest, APlanIsNoWiderThanTheWindowAndColumnsOnlyNarrowIt) {
  for (const int columns : {40, 80, 200})
    for (const char* asked : {"", "30", "300"}) {
      const std::string text = shown_on(home_, probe({"--dry-run", "--skips"}), columns, {{"COLUMNS", asked}});
      EXPECT_LE(widest(text.substr(text.find("Spec "))), std::string(asked) == "30" ? 30u : size_t(columns)) << text;
      EXPECT_TRUE(contains(text, "disabled: only")) << text;
    }
  EXPECT_FALSE(contains(shown_on(home_, probe({"--dry-run"}), 80), "disabled: only"));
  EXPECT_TRUE(contains(home_.run(probe({"--dry-run"})).out, "test_off/plain: matmul skipped 1 (disabled: only for"));
}

TEST_F(ScreenTest, HelpIsNoWiderThanTheWindowAndLosesNoWord) {
  const auto words = [](std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return one_line(text);
  };
  for (const char* command : {"help", "probe", "run", "table", "report", "opbench"}) {
    const Arguments asked = command == std::string("help") ? Arguments{"--help"} : Arguments{command, "--help"};
    const std::string piped = home_.run(asked).out;
    EXPECT_LE(widest(piped), 120u) << command;
    for (const int columns : {60, 80, 200}) {
      const Variables short_names = {{"XDG_STATE_HOME", "/s"}};
      const std::string text = shown_on(home_, asked, columns, short_names);
      EXPECT_LE(widest(text), size_t(columns)) << command << text;
      EXPECT_EQ(words(text), words(home_.run(asked, short_names).out)) << command << columns;
    }
  }
}

TEST_F(ScreenTest, ProseIsBrokenWhereTheWindowEnds) {
  const fs::path log = home_.folder / "a log of a long name.log";
  write_file(log,
             "Matmul benchmark summary (iterations=6)\nSpec op=matmul | batch=1 | m=1 | n=896 | k=896 | tA=0 | tB=1:\n"
             "   - a/x [best-gpu] [best-cpu]: avg_gpu=0.1ms | avg_cpu=0.2ms maxAbs=1e-2 maxRel=4e-04\n");
  for (const int columns : {60, 80}) {
    const std::string text = shown_on(home_, {"audit", log}, columns);
    EXPECT_LE(widest(text), size_t(columns)) << text;
    EXPECT_TRUE(contains(text, "wrong rows")) << text;
  }
  EXPECT_GT(widest(home_.run({"audit", log}).out), 80u) << "a pipe gets lines as they are";
}

TEST_F(ScreenTest, TheVerdictIsOneScreenAndAllTheRestIsAskedFor) {
  home_.with_ceilings();
  const Variables plain = {{"NO_COLOR", "1"}};
  const std::string verdict = shown_on(home_, probe({}), 40, plain);
  EXPECT_LE(widest(verdict), 40u) << verdict;
  EXPECT_LT(lines_of(verdict).size(), 40u) << verdict;
  EXPECT_TRUE(contains(verdict, "winner") && contains(verdict, "--full")) << verdict;
  EXPECT_FALSE(contains(verdict, "avg_dev=") || contains(verdict, "only for")) << verdict;
  const std::string full = shown_on(home_, probe({"--full", "--skips"}), 120, plain);
  EXPECT_LE(widest(full), 120u) << full;
  EXPECT_TRUE(contains(full, "test_other/plain") && contains(full, "test_plain/plain")) << full;
  EXPECT_TRUE(contains(full, "disabled: only for this test, in a reason of many words [test_off]")) << full;
  const Ended pipe = home_.run(probe({}));
  EXPECT_TRUE(contains(pipe.out, "Spec " + spec_line("64") + ":\n   - test_other/plain")) << pipe.out;
  EXPECT_TRUE(contains(pipe.out, " - test_off/plain: matmul skipped 1 (disabled: only for this test")) << pipe.out;
}

}  // namespace
}  // namespace assay

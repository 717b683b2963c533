// Laws of the progress line, of terminals, and of texts cut to their width.
#include "report/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>

#include "base/clock.h"
#include "base/terminal.h"
#include "text_lines.h"

namespace assay {
namespace {

/// What `use` writes to a stream that is no terminal.
template <typename Use>
std::string written(Use use) {
  std::FILE* stream = std::tmpfile();
  use(stream);
  std::rewind(stream);
  std::string text(1 << 16, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), stream));
  std::fclose(stream);
  return text;
}

TEST(Progress, WithoutATerminalEachCaseHasItsLine) {
  const std::string text = written([](std::FILE* stream) {
    Progress progress(stream, false, 20);
    progress.advance(2);
    progress.start("r4_u2", "gemv_rowdot", "M:1 N:9728 K:896");
    progress.start("plain", "naive", "M:1 N:9728 K:896");
    progress.start("plain", "naive", "M:1 N:9728 K:896");
    progress.advance(3);
    progress.note("a note");
    progress.start("plain", "naive", "M:1 N:896 K:896");
    progress.finish();
  });
  EXPECT_EQ(lines_of(text)[0], "Running: r4_u2 [gemv_rowdot] - M:1 N:9728 K:896 | 3/20");
  EXPECT_EQ(lines_of(text)[1], "Running: plain [naive] - M:1 N:9728 K:896 | 4/20");
  EXPECT_EQ(lines_of(text).back(), "Running: plain [naive] - M:1 N:896 K:896 | 6/20");
  EXPECT_FALSE(contains(text, "\r") || contains(text, "\x1b"));
}

TEST(Progress, BuildingHasNoBarAndWithoutATerminalOneLineAtEachEnd) {
  const auto three = [](bool live) {
    return written([live](std::FILE* stream) {
      Progress progress(stream, live, 20);
      for (size_t done = 1; done <= 3; ++done) progress.build("naive/loop", done, 3);
      progress.finish();
    });
  };
  EXPECT_EQ(three(false), "Building kernels: 1/3 naive/loop\nBuilding kernels: 3/3 naive/loop\n");
  EXPECT_TRUE(contains(three(true), "Building kernels: 1/3") && !contains(three(true), "%")) << three(true);
}

TEST(Progress, LaterVisitsHaveALineEachAndShareTheBar) {
  const auto two_visits = [](bool live) {
    return written([live](std::FILE* stream) {
      Progress progress(stream, live, 2, 2);
      progress.start("plain", "naive", "M:1");
      progress.advance(2);
      for (int visit = 1; visit <= 2; ++visit)
        for (size_t spec = 1; spec <= 2; ++spec) {
          progress.again(visit, "M:1", spec, 2);
          progress.note("drawn");
        }
    });
  };
  const std::string lines = two_visits(false), live = two_visits(true);
  EXPECT_TRUE(contains(lines, "Contenders again (1/2): 2 specs\n"));
  EXPECT_TRUE(contains(lines, "Contenders again (2/2): 2 specs\n"));
  EXPECT_TRUE(contains(live, "Contenders again (2/2): M:1 | 2/2"));
  // Half of all work is in the first visit; of the other half three of four parts are over when the last spec begins.
  EXPECT_TRUE(contains(live, "50%") && contains(live, "88%") && !contains(live, "100%")) << live;
}

TEST(Progress, ALiveLineIsRedrawnAtMostTenTimesASecondAndTakenAwayAtTheEnd) {
  const int64_t began = now_ns();
  const std::string text = written([](std::FILE* stream) {
    Progress progress(stream, true, 1000);
    for (int i = 0; i < 1000; ++i) {
      progress.start("v" + std::to_string(i), "f", "M:1");
      progress.advance();
    }
  });
  EXPECT_FALSE(contains(text, "\n"));
  const int64_t tenths = (now_ns() - began) / 100'000'000;
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 5 + tenths);
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 2);
  EXPECT_TRUE(text.ends_with("\r\x1b[K"));
  EXPECT_TRUE(contains(text, "[--------------------] 0%"));
}

TEST(Progress, TimesLeftReadAsPeopleSayThem) {
  EXPECT_EQ(duration_text(12.4), "12s");
  EXPECT_EQ(duration_text(185), "3m05s");
  EXPECT_EQ(duration_text(7800), "2h10m");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::quiet_NaN()), "?");
}

/// A pseudo-terminal of a given width, and what a program sees behind it.
class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    master_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) GTEST_SKIP() << "no pseudo-terminals here";
    const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY);
    if (slave < 0) GTEST_SKIP() << "no pseudo-terminals here";
    set_width(40);
    stream_ = fdopen(slave, "w");
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
  }
  void TearDown() override {
    if (stream_) std::fclose(stream_);
    if (master_ >= 0) close(master_);
  }
  void set_width(unsigned short columns) {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = 24;
    ioctl(master_, TIOCSWINSZ, &size);
  }
  /// All that was written so far: up to a mark that is written behind it.
  std::string shown() {
    constexpr char kMark = '\x04';
    std::fputc(kMark, stream_);
    std::fflush(stream_);
    std::string text;
    for (pollfd ready{master_, POLLIN, 0}; text.find(kMark) == std::string::npos && poll(&ready, 1, 60'000) == 1;) {
      char part[256];
      const ssize_t count = read(master_, part, sizeof part);
      if (count <= 0) break;
      text.append(part, size_t(count));
    }
    return text.substr(0, text.find(kMark));
  }
  int master_ = -1;
  std::FILE* stream_ = nullptr;
};

TEST_F(TerminalTest, ATerminalHasItsWidthAndColour) {
  const Terminal terminal = describe_terminal(stream_);
  EXPECT_TRUE(terminal.interactive && terminal.live && terminal.colour);
  EXPECT_EQ(terminal.width, 40u);
}

TEST_F(TerminalTest, TheLesserOfTheWindowAndTheEnvironmentCounts) {
  setenv("COLUMNS", "30", 1);
  EXPECT_EQ(describe_terminal(stream_).width, 30u);
  setenv("COLUMNS", "300", 1);
  EXPECT_EQ(describe_terminal(stream_).width, 40u);
  set_width(0);  // a terminal that does not say
  EXPECT_EQ(describe_terminal(stream_).width, 300u);
  setenv("COLUMNS", "no number", 1);
  EXPECT_EQ(describe_terminal(stream_).width, 80u);
  unsetenv("COLUMNS");
  EXPECT_EQ(describe_terminal(stream_).height, 24u);
}

TEST_F(TerminalTest, ANoteIsBrokenWhereTheWindowEnds) {
  Progress(stream_, true, 20).note("another process measures on cpu:0: waiting for its turn to end");
  EXPECT_EQ(shown(), "another process measures on cpu:0:\r\n  waiting for its turn to end\r\n");
}

TEST_F(TerminalTest, NoColorAndADumbTerminalAreRespected) {
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(describe_terminal(stream_).colour);
  EXPECT_TRUE(describe_terminal(stream_).live);
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(describe_terminal(stream_).colour);
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(describe_terminal(stream_).colour || describe_terminal(stream_).live);
  EXPECT_TRUE(describe_terminal(stream_).interactive);
}

TEST_F(TerminalTest, TheLiveLineFitsEvenANarrowWindow) {
  for (const size_t width : {10, 40, 60, 100}) {
    set_width(static_cast<unsigned short>(width));
    Progress progress(stream_, true, 20);
    progress.start("r4_u2", "gemv_rowdot", "M:1 N:9728 K:896");
    const std::string text = shown();
    const std::string last = text.substr(text.rfind('\r') + 1);
    EXPECT_TRUE(contains(last, "Run")) << text;
    EXPECT_LT(display_width(last), width) << text;
  }
}

TEST(Terminal, AFileIsNoTerminalAndHasNoWidth) {
  std::FILE* stream = std::tmpfile();
  const Terminal terminal = describe_terminal(stream);
  EXPECT_FALSE(terminal.interactive || terminal.live || terminal.colour);
  EXPECT_EQ(terminal.width, 0u);
  std::fclose(stream);
}

TEST(Text, AWideCharacterTakesTwoColumnsAndIsNeverParted) {
  const std::string wide = "日本語";
  EXPECT_EQ(display_width(wide), 6u);
  EXPECT_EQ(display_width("e\xcc\x81"), 1u) << "an accent of its own";
  EXPECT_EQ(cut_end(wide, 6), wide);
  EXPECT_EQ(cut_end(wide, 5), "日..");
  EXPECT_EQ(cut_end(wide, 1), "");
  for (size_t width = 1; width < 24; ++width) {
    EXPECT_LE(display_width(cut_middle("日本語日本語日本語日本語", width)), width);
    EXPECT_LE(display_width(cut_end("a日本語日本語日本語日本語", width)), width);
  }
}

TEST(Text, IsBrokenAtBlanksAndWithinAWordThatIsLongerThanALine) {
  EXPECT_EQ(wrap("one two three", 0, 2), "one two three");
  EXPECT_EQ(wrap("one two three", 13, 2), "one two three");
  EXPECT_EQ(wrap("one two three", 8, 2), "one two\n  three");
  EXPECT_EQ(wrap("abcdefghij", 4, 1), "abcd\n efg\n hij");
  EXPECT_EQ(wrap_lines("one two\nthree\n", 4, 0), "one\ntwo\nthre\ne\n");
  const std::string text =
      " - 日本語 " + paint("coloured words", Colour::red, true) + " averyverylongword 日本語日本語日本語日本語";
  for (size_t width = 2; width < 60; ++width)
    for (const std::string& line : lines_of(wrap(text, width, 3) + "\n")) EXPECT_LE(display_width(line), width) << line;
}

TEST(Text, IsCutToItsWidthBetweenCodePoints) {
  EXPECT_EQ(cut_end("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_end("abcdef", 5), "abc..");
  EXPECT_EQ(cut_end("abcdef", 1), "a");
  EXPECT_EQ(cut_middle("gemv_rowdot/r4_u2_p8", 14), "gemv..r4_u2_p8");
  const std::string micros = "\xc2\xb5\xc2\xb5\xc2\xb5\xc2\xb5";
  EXPECT_EQ(cut_end(micros, 3), "\xc2\xb5..");
  EXPECT_EQ(display_width(micros), 4u);
  EXPECT_EQ(display_width("\r" + paint("abc", Colour::red, true)), 3u);
  EXPECT_EQ(one_line(" a\n\tb\x1b[31m \r\n"), "a b [31m");
  EXPECT_EQ(one_line("a\u202eb\u2066c\u2028d"), "a b c d") << "what turns others about is shown as a blank";
  EXPECT_EQ(printable(std::string("a\0 \x1b[31m  b\r\n  c\u202e\xff\n", 21)), "a   [31m  b\n  c \\xff\n")
      << "lines and blanks stay";
  EXPECT_EQ(printable("\tx\x1b[2J\x03\n", /*keeps_tabs=*/true), "\tx [2J \n");
}

}  // namespace
}  // namespace assay

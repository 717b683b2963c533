// Laws of a process that runs what is not trusted: it has one descriptor, and nothing that it starts outlives it or its
// parent.
#include "base/isolated_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>

#include "base/clock.h"
#include "base/process_tree.h"

namespace assay {
namespace {

constexpr double kLongS = 60;  // only a hang takes so long, however busy the machine is

/// What processes tell the test, whoever forked them.
struct Board {
  std::atomic<pid_t> pids[4] = {};
  std::atomic<int> count{0};
};

class IsolatedProcessTest : public ::testing::Test {
 protected:
  IsolatedProcessTest()
      : board_(new (mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Board) {}
  ~IsolatedProcessTest() override {
    for (int i = 0; i < 4; ++i)
      if (board_->pids[i] > 0) kill(board_->pids[i], SIGKILL);
    munmap(board_, sizeof(Board));
  }

  template <typename Condition>
  static bool comes_true(Condition condition) {
    for (const int64_t began = now_ns(); double(now_ns() - began) < kLongS * 1e9; poll(nullptr, 0, 2))
      if (condition()) return true;
    return false;
  }
  bool all_started(int count) const {
    return comes_true([&] { return board_->count >= count; });
  }
  bool all_gone() const {
    return comes_true([&] {
      for (int i = 0; i < board_->count; ++i)
        if (start_ticks(board_->pids[i]) != 0) return false;
      return true;
    });
  }
  static char state_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    return text.substr(text.rfind(')') + 2)[0];
  }

  Board* board_;
};

void enlist(Board* board) { board->pids[board->count++] = getpid(); }

[[noreturn]] void live_on(Board* board) {
  enlist(board);
  for (;;) pause();
}

/// A child in the process group, and one that has left group, session and parent.
void leave_two_behind(Board* board) {
  if (fork() == 0) live_on(board);
  if (fork() == 0) {
    setsid();
    if (fork() == 0) live_on(board);
    _exit(0);
  }
}

TEST_F(IsolatedProcessTest, ItHasNoDescriptorButItsSocketAndStandardStreams) {
  const int inheritable = open("/dev/null", O_RDONLY);
  IsolatedProcess process([](int socket) {
    int open_ones = 0;
    bool others = false;
    for (int fd = 0; fd < 1024; ++fd)
      if (fcntl(fd, F_GETFD) >= 0) ++open_ones, others |= fd > 2 && fd != socket;
    const char told = char(others ? 100 : open_ones);
    send(socket, &told, 1, 0);
  });
  char told = 0;
  EXPECT_EQ(recv(process.socket(), &told, 1, 0), 1);
  EXPECT_EQ(int(told), 4);
  close(inheritable);
}

TEST_F(IsolatedProcessTest, ItWorksInAProgramThatWasStartedWithoutStandardStreams) {
  const pid_t parent = fork();
  if (parent == 0) {
    for (const int stream : {0, 1, 2}) close(stream);
    IsolatedProcess process([](int socket) { send(socket, "x", 1, 0); });
    char told = 0;
    _exit(recv(process.socket(), &told, 1, 0) == 1 && told == 'x' ? 0 : 1);
  }
  int status = -1;
  waitpid(parent, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(IsolatedProcessTest, ItsOwnEndIsToldWithTheMemoryThatItHad) {
  IsolatedProcess process([](int) { _exit(7); });
  const ProcessEnd end = process.end(kLongS);
  EXPECT_TRUE(WIFEXITED(end.status));
  EXPECT_EQ(WEXITSTATUS(end.status), 7);
  EXPECT_GT(end.peak_bytes, 0);
  EXPECT_TRUE(end.nothing_left);
  EXPECT_TRUE(process.has_been_ended());
}

TEST_F(IsolatedProcessTest, ASignalThatEndedItIsToldThoughWhatItStartedWasKilledAfterwards) {
  IsolatedProcess process([this](int) {
    leave_two_behind(board_);
    all_started(2);
    signal(SIGABRT, SIG_DFL);
    std::abort();
  });
  const ProcessEnd end = process.end(kLongS);
  EXPECT_TRUE(WIFSIGNALED(end.status));
  EXPECT_EQ(WTERMSIG(end.status), SIGABRT);
  EXPECT_EQ(board_->count, 2);
  EXPECT_TRUE(all_gone());
}

TEST_F(IsolatedProcessTest, WhatItStartedEndsWithItAlsoOutsideOfItsGroupAndSession) {
  IsolatedProcess process([this](int) {
    leave_two_behind(board_);
    live_on(board_);
  });
  ASSERT_TRUE(all_started(3));
  EXPECT_EQ(process.started(true).size(), 2u);
  EXPECT_TRUE(process.end(0).nothing_left);
  EXPECT_TRUE(all_gone());
}

TEST_F(IsolatedProcessTest, ItsGroupStopsAndGoesOnWithIt) {
  IsolatedProcess process([this](int) {
    if (fork() == 0) live_on(board_);
    live_on(board_);
  });
  ASSERT_TRUE(all_started(2));
  process.signal_group(SIGSTOP);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(comes_true([&] { return state_of(board_->pids[i]) == 'T'; }));
  process.signal_group(SIGCONT);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(comes_true([&] { return state_of(board_->pids[i]) != 'T'; }));
}

TEST_F(IsolatedProcessTest, NothingOutlivesAParentThatIsKilled) {
  const pid_t parent = fork();
  if (parent == 0) {
    IsolatedProcess process([this](int) {
      leave_two_behind(board_);
      live_on(board_);
    });
    for (;;) pause();
  }
  ASSERT_TRUE(all_started(3));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(all_gone());
}

TEST_F(IsolatedProcessTest, OneThatKillsItsKeeperEndsWithAllThatItStarted) {
  IsolatedProcess process([this](int) {
    leave_two_behind(board_);
    all_started(2);
    kill(getppid(), SIGKILL);
    live_on(board_);
  });
  ASSERT_TRUE(all_started(2));
  pollfd ending{process.ending(), POLLIN, 0};
  poll(&ending, 1, int(kLongS) * 1000);
  EXPECT_TRUE(process.end(0).nothing_left);
  EXPECT_TRUE(all_gone());
}

TEST_F(IsolatedProcessTest, AnEarlierChildOfTheParentIsLeftAlone) {
  const pid_t bystander = fork();
  if (bystander == 0) {
    setsid();
    live_on(board_);
  }
  ASSERT_TRUE(all_started(1));
  const pid_t parent =
      fork();  // a process in which no isolated one was made before, with a child of somebody else's making
  if (parent == 0) {
    const pid_t earlier = fork();
    if (earlier == 0) {
      setsid();
      live_on(board_);
    }
    all_started(2);
    IsolatedProcess process([](int) {
      kill(getppid(), SIGKILL);
      pause();
    });
    process.end(1);
    const bool lives = start_ticks(earlier) != 0;
    kill(earlier, SIGKILL);
    _exit(lives ? 0 : 1);
  }
  int status = -1;
  waitpid(parent, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(start_ticks(bystander), 0);
  kill(bystander, SIGKILL);
  waitpid(bystander, nullptr, 0);
}

TEST(process_tree, a_command_is_told_on_one_line_and_a_process_that_ended_has_none) {
  const pid_t child = fork();
  if (child == 0) {
    execlp("sleep", "sleep", "60", nullptr);
    _exit(127);
  }
  for (int i = 0; i < 5000 && command_of(child) != "sleep 60"; ++i) usleep(1000);
  EXPECT_EQ(command_of(child), "sleep 60");
  EXPECT_GT(start_ticks(child), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(command_of(child), "");
  EXPECT_EQ(start_ticks(child), 0);
}

/// The rest of this in a process of its own, which is stopped for twice the limit while it listens to one that says
/// nothing.
TEST_F(IsolatedProcessTest, TimeInWhichTheListenerIsStoppedIsNoWaiting) {
  constexpr double kLimitS = 1.5;
  const int64_t began = now_ns();
  const pid_t listener = fork();
  ASSERT_GE(listener, 0);
  if (listener == 0) {
    IsolatedProcess silent([](int) { pause(); });
    const Heard heard = silent.listen(kLimitS, [] { return false; });
    _exit(heard == Heard::nothing ? 0 : 1);
  }
  poll(nullptr, 0, 500);
  kill(listener, SIGSTOP);
  poll(nullptr, 0, int(2 * kLimitS * 1e3));
  kill(listener, SIGCONT);
  int status = -1;
  ASSERT_EQ(waitpid(listener, &status, 0), listener);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  // Half a second of the limit had passed before, two looks of 0.1 s while it was stopped: 0.8 s came after.
  EXPECT_GE(double(now_ns() - began) * 1e-9, 0.5 + 2 * kLimitS + 0.5);
}

TEST_F(IsolatedProcessTest, ListeningEndsWithAMessageWithTheProcessAndWhenItIsGivenUp) {
  IsolatedProcess talker([](int socket) { send(socket, "x", 1, 0), pause(); });
  EXPECT_EQ(talker.listen(kLongS, [] { return false; }), Heard::message);
  IsolatedProcess ended([](int) {});
  EXPECT_EQ(ended.listen(kLongS, [] { return false; }), Heard::end);
  IsolatedProcess silent([](int) { pause(); });
  EXPECT_EQ(silent.listen(kLongS, [] { return true; }), Heard::nothing);
}

}  // namespace
}  // namespace assay

// Laws of the measuring lock: nobody's planted file is used, no orphan holds it, and who waits is told for whom.
#include "measure/measuring_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/process_tree.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class MeasuringLockTest : public ::testing::Test {
 protected:
  MeasuringLockTest() {
    char name[] = "/tmp/assay-lock-test-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~MeasuringLockTest() override {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  /// A process that does `work`, tells that it has, and then waits to be killed.
  template <typename Work>
  pid_t fork_and(Work work) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    const pid_t child = fork();
    if (child == 0) {
      work();
      static_cast<void>(!write(ends[1], "x", 1));
      for (;;) pause();
    }
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    children_.push_back(child);
    return child;
  }
  std::string refusal() const {
    try {
      MeasuringLock lock("cpu:0", folder_);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  std::string holder() const {
    const int file = open(path_().c_str(), O_RDWR | O_CLOEXEC);
    const std::string text = lock_holder(file, path_());
    close(file);
    return text;
  }
  std::string path_() const { return folder_ + "/assay-cpu-0.lock"; }

  std::string folder_;
  std::vector<pid_t> children_;
};

TEST_F(MeasuringLockTest, WhoWaitsIsToldTheHoldersPidAndCommand) {
  const pid_t other = fork_and([this] {
    static MeasuringLock lock("cpu:0", folder_);
    lock.acquire({});
  });
  const std::string expected = fmt::format("process {} ({})", other, command_of(other));
  EXPECT_EQ(holder(), expected);
  MeasuringLock mine("cpu:0", folder_);
  std::string told;
  EXPECT_TRUE(mine.acquire([&](const std::string& text) {
    told = text;
    kill(other, SIGKILL);
  })) << "a lock ends with its holder";
  EXPECT_EQ(told, expected);
}

TEST_F(MeasuringLockTest, OfTwoThatTakeTurnsNoneIsToldAtEachTurn) {
  int told = 0;
  for (int turn = 0; turn < 3; ++turn) {
    MeasuringLock mine("cpu:0", folder_);  // a new one each time, as tune makes them
    const pid_t other = fork_and([this] {
      static MeasuringLock lock("cpu:0", folder_);
      lock.acquire({});
      ualarm(300'000, 0);  // ends it, and with it the lock
    });
    EXPECT_NE(holder(), "") << other;
    EXPECT_TRUE(mine.acquire([&](const std::string&) { ++told; }));
    mine.release();
  }
  EXPECT_EQ(told, 1);
}

TEST_F(MeasuringLockTest, ReleasedItIsFreeThoughAnotherProcessInheritedTheOpenFile) {
  MeasuringLock lock("cpu:0", folder_);
  ASSERT_TRUE(lock.acquire({}));
  fork_and([] {});
  lock.release();
  MeasuringLock second("cpu:0", folder_);
  bool waited = false;
  EXPECT_TRUE(second.acquire([&](const std::string&) { waited = true; }));
  EXPECT_FALSE(waited);
}

TEST_F(MeasuringLockTest, AnOrphanThatHoldsItIsNamed) {
  pid_t orphan = 0;
  const int file = open(path_().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(flock(file, LOCK_EX), 0);
  ASSERT_EQ(write(file, "999999999 1\n", 12), 12);
  orphan = fork_and([] {});
  close(file);
  EXPECT_EQ(holder(),
            fmt::format("process {} ({}), which got it from one that has ended: end it", orphan, command_of(orphan)));
}

TEST_F(MeasuringLockTest, ALockThatNobodyKnownHoldsSaysSo) {
  write_file(path_(), "999999999 1\n");
  EXPECT_EQ(
      holder(),
      fmt::format(
          "nobody known (process 999999999 took it and has ended), and no process that this user can see has {} open",
          path_()));
  write_file(path_(), "what else may stand there");
  EXPECT_TRUE(holder().starts_with("nobody known, and")) << holder();
}

TEST_F(MeasuringLockTest, APidThatIsAnothersByNowIsNotTheHolder) {
  write_file(path_(), fmt::format("{} {}\n", getpid(), start_ticks(getpid()) - 1));
  EXPECT_TRUE(holder().starts_with("nobody known")) << holder();
}

TEST_F(MeasuringLockTest, ALinkInItsPlaceIsNotFollowed) {
  const std::string victim = folder_ + "/victim";
  write_file(victim, "kept");
  fs::create_symlink(victim, path_());
  EXPECT_NE(refusal().find("it is a link"), std::string::npos) << refusal();
  fs::remove(path_());
  fs::create_hard_link(victim, path_());
  EXPECT_NE(refusal().find("a second name"), std::string::npos) << refusal();
  fs::remove(path_());
  fs::create_symlink(folder_ + "/nowhere", path_());
  EXPECT_NE(refusal().find("it is a link"), std::string::npos) << refusal();
  EXPECT_FALSE(fs::exists(folder_ + "/nowhere"));
  EXPECT_EQ(read_file(victim), "kept");
}

TEST_F(MeasuringLockTest, APipeOrAFolderInItsPlaceIsRefusedAtOnce) {
  ASSERT_EQ(mkfifo(path_().c_str(), 0666), 0);
  EXPECT_NE(refusal().find("no plain file"), std::string::npos) << refusal();
  fs::remove(path_());
  fs::create_directory(path_());
  EXPECT_NE(refusal().find("remove it"), std::string::npos) << refusal();
}

}  // namespace
}  // namespace assay

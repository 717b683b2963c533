// Laws of store/ between processes: writers at once, forks and kills lose nothing that was acknowledged.
#include <fcntl.h>
#include <poll.h>

#include <csignal>

#include "base/clock.h"
#include "store/database.h"
#include "store/store.h"
#include "store_fixture.h"

namespace assay {
namespace {

TEST_F(StoreTest, TwoProcessesThatWriteAtOnceLoseNothing) {
  constexpr int kEach = 100;
  std::vector<pid_t> children;
  for (const std::string name : {"x", "y"})
    children.push_back(in_child([&] {
      Store store(file_);  // both also make the file at once
      for (int i = 0; i < kEach; ++i) store.put(large_record(name + std::to_string(i)));
    }));
  for (const pid_t child : children) EXPECT_TRUE(ended_well(child));
  const Store store(file_);
  EXPECT_EQ(store.newest_of_each_key().size(), size_t(2 * kEach));
}

TEST_F(StoreTest, WhoWasAskedToEndDoesNotWaitTenSecondsForAnothersLock) {
  Store store(file_);
  store.put(large_record("before"));
  Database other(file_, Database::Open::existing);
  other.execute("BEGIN IMMEDIATE");
  Database::hurry_when([] { return true; });
  const int64_t began = now_ns();
  std::string why;
  try {
    store.put(large_record("late"));
  } catch (const Error& e) {
    why = e.what();
  }
  Database::hurry_when(nullptr);
  EXPECT_LT(double(now_ns() - began) * 1e-9, 5);
  EXPECT_NE(why.find("keeps the store locked"), std::string::npos) << why;
  other.execute("ROLLBACK");
  store.put(large_record("after"));
  EXPECT_EQ(store.newest_of_each_key().size(), 2u);
}

TEST_F(StoreTest, ManyThatMakeTheSameStoreAtOnceAllSucceed) {
  for (int round = 0; round < 20; ++round) {
    const fs::path file = folder_ / ("r" + std::to_string(round));
    std::vector<pid_t> children;
    for (int i = 0; i < 6; ++i)
      children.push_back(in_child([&] { Store(file).put(small_record("k" + std::to_string(i))); }));
    for (const pid_t child : children) EXPECT_TRUE(ended_well(child));
    EXPECT_EQ(Store(file).newest_of_each_key().size(), 6u);
  }
}

TEST_F(StoreTest, WhoIsEndedWhileItMakesStoresLeavesNoPartOfOne) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    for (int round = 0; round < 4; ++round) {
      const pid_t child = in_child([&] {
        for (int i = 0;; ++i) Store(folder_ / ("s" + std::to_string(i)));
      });
      usleep(20'000 + 3'000 * useconds_t(round));
      kill(child, signal);
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal);
      for (const std::string& name : names()) EXPECT_EQ(name.find(".new"), std::string::npos) << name;
      for (const std::string& name : names()) fs::remove(folder_ / name);
    }
}

TEST_F(StoreTest, AFolderThatCannotBeWrittenIsNotCalledAMissingFile) {
  chmod(folder_.c_str(), 0555);
  const AsNobody stranger;
  std::string why;
  try {
    Store made(file_);
  } catch (const Error& e) {
    why = e.what();
  }
  EXPECT_NE(why.find("Permission denied"), std::string::npos) << why;
}

TEST_F(StoreTest, APutWaitsForAnotherWriter) {
  Store store(file_);
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_NONBLOCK), 0);
  const auto says = [&](char expected, int limit_ms) {
    pollfd ready{pipe_ends[0], POLLIN, 0};
    char byte = 0;
    return poll(&ready, 1, limit_ms) == 1 && read(pipe_ends[0], &byte, 1) == 1 && byte == expected;
  };
  const pid_t child = in_child([&] {
    sqlite3* other = nullptr;
    sqlite3_open(file_.c_str(), &other);
    if (sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK) _exit(1);
    if (write(pipe_ends[1], "b", 1) != 1) _exit(1);
    usleep(300'000);
    if (write(pipe_ends[1], "c", 1) != 1) _exit(1);
    sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
  });
  ASSERT_TRUE(says('b', 60'000));
  EXPECT_EQ(error_of([&] { store.put(small_record("a")); }), "");
  EXPECT_TRUE(says('c', 0)) << "the put was there before the other committed";
  EXPECT_TRUE(ended_well(child));
  close(pipe_ends[0]), close(pipe_ends[1]);
}

TEST_F(StoreTest, NoAcknowledgedPutIsLostToKillNine) {
  int expected = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = in_child([&] {
      close(pipe_ends[0]);
      Store store(file_);
      for (int i = expected;; ++i) {
        store.put(large_record("key-" + std::to_string(i)));
        if (write(pipe_ends[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    });
    close(pipe_ends[1]);
    int last = -1;
    const int until = expected + 15 + 40 * round;
    while (last < until && read(pipe_ends[0], &last, sizeof last) == sizeof last) {
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(pipe_ends[0], &last, sizeof last) == sizeof last) {
    }
    close(pipe_ends[0]);
    ASSERT_GE(last, until);
    const Store store(file_);
    for (int i = 0; i <= last; ++i) ASSERT_TRUE(store.find("key-" + std::to_string(i))) << i << " of " << last;
    expected = last + 1;
  }
  EXPECT_EQ(sql(file_, "PRAGMA integrity_check"), "ok");
  EXPECT_EQ(names().count("results.db.corrupt-1"), 0u);
}

TEST_F(StoreTest, AForkedChildThatDropsTheStoreDoesItNoHarm) {
  auto store = std::make_unique<Store>(file_);
  store->put(small_record("a"));
  EXPECT_TRUE(ended_well(in_child([&] { store.reset(); })));
  EXPECT_TRUE(fs::exists(file_.string() + "-wal"));
  store->put(small_record("b"));
  EXPECT_EQ(Store(file_).newest_of_each_key().size(), 2u);
}

TEST_F(StoreTest, APutThroughAnInheritedStoreIsABug) {
  Store store(file_);
  const pid_t child = in_child([&] {
    std::fclose(stderr);
    store.put(small_record("a"));
  });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  EXPECT_FALSE(store.find("a"));
}

TEST_F(StoreTest, SecondStoresOfOneProcessDoNotDropItsLocks) {
  Store store(file_);
  { const Store other(file_); }
  { const Store other(file_, Store::Access::read_only); }
  EXPECT_TRUE(ended_well(in_child([&] { Store(file_).put(small_record("child")); })));
  EXPECT_TRUE(fs::exists(file_.string() + "-wal"));  // had the lock been lost, the child would have removed the log
  store.put(small_record("parent"));
  EXPECT_EQ(Store(file_).newest_of_each_key().size(), 2u);
}

}  // namespace
}  // namespace assay

// Laws of store/ over files that are damaged, foreign, old or cannot be written: nothing is lost, and the message says
// what to do.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/file.h"
#include "store/kept.h"
#include "store/store.h"
#include "store_fixture.h"

namespace assay {
namespace {

TEST_F(StoreTest, DamagedFilesAreMovedAsideWithTheirLogsAndANewStoreIsMade) {
  { Store(file_).put(large_record("a")); }
  const std::string good = read_file(file_);
  std::string no_schema_version = good;
  std::fill_n(no_schema_version.begin() + 60, 4, '\0');
  std::string broken_tree = good;
  std::fill_n(broken_tree.begin() + 100, 400, '\xff');
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"cut in the header, behind the store's mark", good.substr(0, 75)},
      {"cut in the first page", good.substr(0, 1000)},
      {"cut in the middle", good.substr(0, good.size() / 8192 * 4096)},
      {"no schema version", no_schema_version},
      {"broken first page", broken_tree},
  };
  int n = 0;
  for (const auto& [what, bytes] : damages) {
    SCOPED_TRACE(what);
    const std::string aside = file_.string() + ".corrupt-" + std::to_string(++n);
    write_file(file_, bytes);
    write_file(file_.string() + "-journal", "an old journal");
    testing::internal::CaptureStderr();
    {
      Store store(file_);
      EXPECT_FALSE(store.find("a"));
      store.put(small_record("b"));
    }
    const std::string message = testing::internal::GetCapturedStderr();
    EXPECT_NE(message.find(aside), std::string::npos) << message;
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1);
    EXPECT_EQ(read_file(aside), bytes);
    EXPECT_FALSE(fs::exists(file_.string() + "-journal"));
    EXPECT_TRUE(Store(file_).find("b"));
  }
}

/// A store that was cut off behind its mark.
std::string damaged_store(const fs::path& folder) {
  const fs::path file = folder / "made";
  { Store(file).put(small_record("a")); }
  const std::string bytes = read_file(file);
  fs::remove(file);
  return bytes.substr(0, 80);
}

TEST_F(StoreTest, WhatNeverWasAStoreIsRefusedAndStaysAsItIs) {
  { Store(file_).put(large_record("a")); }
  const std::string good = read_file(file_);
  std::mt19937 random(1);
  std::string noise(10'000, '\0');
  for (char& c : noise) c = char(random());
  const std::vector<std::pair<std::string, std::string>> contents = {
      {"nothing", ""},
      {"a text", "name,us\r\nx,1\r\n"},
      {"random bytes", noise},
      {"zeros", std::string(8192, '\0')},
      {"a database's head without its mark", good.substr(0, 50)},
      {"a text that speaks of SQLite", "SQLite format 3\nis a file format" + std::string(200, ' ')},
      {"a text with the mark in its place", std::string(68, ' ') + "ASSY" + std::string(100, ' ')},
  };
  for (const auto& [what, bytes] : contents) {
    SCOPED_TRACE(what);
    write_file(file_, bytes);
    for (const Store::Access access : {Store::Access::read_write, Store::Access::read_only}) {
      const std::string error = error_of([&, access = access] { Store store(file_, access); });
      EXPECT_NE(error.find("not an assay store"), std::string::npos) << error;
      EXPECT_EQ(read_file(file_), bytes);
      EXPECT_EQ(names(), std::set<std::string>{"results.db"});
    }
  }
}

TEST_F(StoreTest, AFolderAPipeADeviceAndAnEmptyNameAreRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  for (const fs::path& place : {file_, folder_, fs::path("/dev/null"), fs::path("/dev/zero")})
    EXPECT_NE(error_of([&] { Store store(place); }).find("not a file"), std::string::npos) << place;
  EXPECT_NE(error_of([&] { Store store(""); }).find("empty name"), std::string::npos);
  EXPECT_EQ(names(), std::set<std::string>{"results.db"});
}

TEST_F(StoreTest, ANameThatSqliteTakesForSomethingElseIsAFile) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  { Store(":memory:").put(small_record("a")); }
  { Store("file:x?mode=memory").put(small_record("a")); }
  fs::current_path(before);
  EXPECT_EQ(names(), (std::set<std::string>{":memory:", "file:x?mode=memory"}));
  EXPECT_TRUE(Store(folder_ / ":memory:").find("a"));
}

TEST_F(StoreTest, ALinkToAPlaceWithoutAFileMakesTheStoreThere) {
  fs::create_symlink("results.db", folder_ / "link");
  { Store(folder_ / "link").put(small_record("a")); }
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_TRUE(Store(file_).find("a"));
}

TEST_F(StoreTest, LogsOfAStoreThatIsGoneAreNotPlayedBackIntoTheNextOne) {
  {
    Store store(file_);
    store.put(small_record("old"));
    fs::copy_file(file_.string() + "-wal", folder_ / "log");
  }
  fs::remove(file_);
  fs::rename(folder_ / "log", file_.string() + "-wal");
  { Store(file_).put(small_record("new")); }
  EXPECT_FALSE(Store(file_).find("old"));
  EXPECT_TRUE(Store(file_).find("new"));
  EXPECT_EQ(sql(file_, "PRAGMA integrity_check"), "ok");
}

TEST_F(StoreTest, TheLogOfADamagedFileIsKeptBesideIt) {
  write_file(file_, damaged_store(folder_));
  write_file(file_.string() + "-wal", "log");
  write_file(file_.string() + "-shm", "index");
  testing::internal::CaptureStderr();
  { Store store(file_); }
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(read_file(file_.string() + ".corrupt-1-wal"), "log");
  EXPECT_EQ(read_file(file_.string() + ".corrupt-1-shm"), "index");
  EXPECT_EQ(names().count("results.db-wal"), 0u);
}

TEST_F(StoreTest, AStoreThatHasLostATableIsMovedAside) {
  { Store store(file_); }
  sql(file_, "DROP TABLE ceilings");
  testing::internal::CaptureStderr();
  Store(file_).put(CeilingRecord{"d", "{}", 1});
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(names().count("results.db.corrupt-1"), 1u);
}

TEST_F(StoreTest, TwoThatMeetTheSameDamageMoveItOnce) {
  const std::string damaged = damaged_store(folder_);
  for (int round = 0; round < 10; ++round) {
    const fs::path file = folder_ / ("r" + std::to_string(round));
    write_file(file, damaged);
    const auto writer = [&](const std::string& key) {
      return in_child([&file, key] {
        if (!std::freopen("/dev/null", "w", stderr)) _exit(2);
        Store(file).put(small_record(key));
      });
    };
    const pid_t first = writer("first"), second = writer("second");
    EXPECT_TRUE(ended_well(first));
    EXPECT_TRUE(ended_well(second));
    EXPECT_FALSE(fs::exists(file.string() + ".corrupt-2"));
    const Store store(file);
    EXPECT_TRUE(store.find("first"));
    EXPECT_TRUE(store.find("second"));
  }
}

TEST_F(StoreTest, WhoeverWaitsToMoveADamagedFileLooksAgainFirst) {
  write_file(file_, damaged_store(folder_));
  const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(flock(folder, LOCK_EX), 0);
  const pid_t child = in_child([&] {
    close(folder);
    Store(file_).put(small_record("child"));
  });
  usleep(200'000);
  EXPECT_EQ(names(), std::set<std::string>{"results.db"});
  fs::remove(file_);
  Store(file_).put(small_record("parent"));
  ASSERT_EQ(flock(folder, LOCK_UN), 0);
  EXPECT_TRUE(ended_well(child));
  close(folder);
  EXPECT_EQ(names().count("results.db.corrupt-1"), 0u);
  EXPECT_EQ(Store(file_).newest_of_each_key().size(), 2u);
}

TEST_F(StoreTest, DamageFoundLaterIsAnErrorThatSaysWhatToDoAndMovesNothing) {
  {
    Store store(file_);
    for (int i = 0; i < 100; ++i) store.put(large_record("key-" + std::to_string(i)));
  }
  std::string bytes = read_file(file_);
  std::fill(bytes.begin() + 10 * 4096, bytes.end() - 20 * 4096, '\xff');  // the newest edge stays whole
  write_file(file_, bytes);
  const Store store(file_);
  const std::string error = error_of([&] { store.newest_of_each_key(); });
  EXPECT_NE(error.find("is damaged"), std::string::npos) << error;
  EXPECT_NE(error.find("--store FILE"), std::string::npos) << error;
  EXPECT_EQ(names().count("results.db.corrupt-1"), 0u);
}

TEST_F(StoreTest, ADatabaseOfAnotherProgramIsAnErrorAndStaysAsItIs) {
  sql(file_, "CREATE TABLE songs(name TEXT); INSERT INTO songs VALUES('x'); PRAGMA user_version = 1");
  const std::string before = read_file(file_);
  for (const Store::Access access : {Store::Access::read_write, Store::Access::read_only}) {
    const std::string error = error_of([&] { Store store(file_, access); });
    EXPECT_NE(error.find("another program"), std::string::npos) << error;
    EXPECT_EQ(read_file(file_), before);
    EXPECT_EQ(names(), std::set<std::string>{"results.db"});
  }
}

TEST_F(StoreTest, AnotherProgramsUnfinishedLogIsNotPlayedBack) {
  const fs::path original = folder_ / "original.db";
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(original.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "PRAGMA journal_mode = WAL; CREATE TABLE songs(name TEXT)", nullptr, nullptr, nullptr);
  fs::copy_file(original, file_);
  fs::copy_file(original.string() + "-wal", file_.string() + "-wal");
  sqlite3_close(database);
  fs::remove(original);
  const std::string main_before = read_file(file_), log_before = read_file(file_.string() + "-wal");
  ASSERT_FALSE(log_before.empty());
  EXPECT_NE(error_of([&] { Store store(file_); }).find("another program"), std::string::npos);
  EXPECT_EQ(read_file(file_), main_before);
  EXPECT_EQ(read_file(file_.string() + "-wal"), log_before);
}

TEST_F(StoreTest, ANewerSchemaIsAnErrorThatNamesItAndStaysAsItIs) {
  { Store(file_).put(small_record("a")); }
  sql(file_, "PRAGMA user_version = 99");
  const std::string before = read_file(file_);
  for (const Store::Access access : {Store::Access::read_write, Store::Access::read_only}) {
    const std::string error = error_of([&] { Store store(file_, access); });
    EXPECT_NE(error.find("written by a newer assay (schema 99)"), std::string::npos) << error;
    EXPECT_NE(error.find("--store FILE"), std::string::npos) << error;
    EXPECT_EQ(read_file(file_), before);
  }
  EXPECT_EQ(names(), std::set<std::string>{"results.db"});
}

TEST_F(StoreTest, AnOlderSchemaIsBroughtUpToDateWithItsRows) {
  { Store(file_).put(small_record("a")); }
  sql(file_, "ALTER TABLE cases DROP COLUMN completion; PRAGMA user_version = 1");
  const std::string error = error_of([&] { Store store(file_, Store::Access::read_only); });
  EXPECT_NE(error.find("written by an older assay (schema 1)"), std::string::npos) << error;
  CaseRecord newer = small_record("b");
  newer.completion = {"dtA=f16: the run's title says so"};
  { Store(file_).put(newer); }
  Store store(file_, Store::Access::read_only);
  EXPECT_EQ(store.find("a")->device_us, small_record("a").device_us);
  EXPECT_TRUE(store.find("a")->completion.empty());
  EXPECT_EQ(store.find("b")->completion, newer.completion);
}

TEST_F(StoreTest, ARowOfBeforeThereWereClassesHasTheOneThatItsKeySays) {
  CaseRecord rounded = small_record("a");
  rounded.key_text = "threads: team\nactivation error: int8_block32\n";
  { Store(file_).put(rounded); }
  { Store(file_).put(small_record("b")); }
  sql(file_,
      "ALTER TABLE cases DROP COLUMN accuracy; ALTER TABLE cases DROP COLUMN bound_used; PRAGMA user_version = 3");
  Store store(file_);
  EXPECT_EQ(store.find("a")->accuracy, Accuracy::int8_activation);
  EXPECT_EQ(store.find("b")->accuracy, Accuracy::exact);
  EXPECT_TRUE(std::isnan(store.find("a")->errors.bound_used)) << "not known";
}

TEST_F(StoreTest, PlacesThatCannotBeWrittenAreErrors) {
  { Store(file_).put(small_record("a")); }
  chmod(file_.c_str(), 0444);
  write_file(folder_ / "plain", "x");
  chmod(folder_.c_str(), 0555);
  {
    const AsNobody nobody;
    for (const fs::path& file :
         {file_, folder_ / "new.db", folder_ / "deep" / "new.db", folder_ / "plain" / "new.db"}) {
      const std::string error = error_of([&] { Store store(file); });
      EXPECT_NE(error.find("--store FILE"), std::string::npos) << file << ": " << error;
    }
  }
  chmod(folder_.c_str(), 0755);
  EXPECT_NE(error_of([&] { Store store(folder_); }).find("not a file"), std::string::npos);
}

TEST_F(StoreTest, DamageThatCannotBeMovedIsAnError) {
  const std::string damaged = damaged_store(folder_);
  write_file(file_, damaged);
  chmod(file_.c_str(), 0666);
  chmod(folder_.c_str(), 0555);
  {
    const AsNobody nobody;
    EXPECT_NE(error_of([&] { Store store(file_); }).find("cannot be moved aside"), std::string::npos);
  }
  chmod(folder_.c_str(), 0755);
  EXPECT_EQ(read_file(file_), damaged);
}

TEST_F(StoreTest, AFullDiskIsAnErrorAndWhatWasPutStays) {
  std::string error;
  int stored = 0;
  {
    Store store(file_, Store::Access::read_write, 40);
    for (; stored < 1000 && error.empty(); ++stored)
      error = error_of([&] { store.put(large_record("key-" + std::to_string(stored))); });
    --stored;
    EXPECT_NE(error.find("the disk is full"), std::string::npos) << error;
    EXPECT_GT(stored, 5);
    EXPECT_LT(stored, 40);
    EXPECT_NE(error_of([&] { store.put(large_record("again")); }), "");
    for (int i = 0; i < stored; ++i) EXPECT_TRUE(store.find("key-" + std::to_string(i)));
    EXPECT_FALSE(store.find("key-" + std::to_string(stored)));
  }
  Store store(file_);  // space was freed
  store.put(large_record("after"));
  EXPECT_EQ(store.newest_of_each_key().size(), size_t(stored) + 1);
}

TEST_F(StoreTest, ADiskTooSmallForAnEmptyStoreIsAnError) {
  EXPECT_NE(error_of([&] { Store store(file_, Store::Access::read_write, 2); }).find("the disk is full"),
            std::string::npos);
  Store(file_).put(small_record("a"));
}

TEST_F(StoreTest, AStoreInAFolderThatCannotBeWrittenIsReadWithoutTraces) {
  const fs::path odd = folder_ / "100%?#.db";
  { Store(odd).put(small_record("a")); }
  chmod(odd.c_str(), 0444);
  chmod(folder_.c_str(), 0555);
  {
    const AsNobody nobody;
    EXPECT_TRUE(Store(odd, Store::Access::read_only).find("a"));
  }
  chmod(folder_.c_str(), 0755);
  {
    const AsNobody nobody;  // the file alone is protected
    EXPECT_TRUE(Store(odd, Store::Access::read_only).find("a"));
  }
  EXPECT_EQ(names(), std::set<std::string>{"100%?#.db"});
}

}  // namespace
TEST_F(StoreTest, ATextThatCannotBeReadAnyMoreIsAsIfItWereNotThere) {
  Store store(file_);
  store.put(CeilingRecord{"d", "12", 1});
  const auto parse = [](const std::string& text) { return std::stoll(text); };
  EXPECT_EQ(read_kept(store, store.newest_ceiling("d"), parse), 12);
  EXPECT_FALSE(read_kept(store, store.newest_ceiling("e"), parse));
  store.put(CeilingRecord{"d",
                          "\xd0"
                          "2",
                          2});
  for (int i = 0; i < 2; ++i) {
    testing::internal::CaptureStderr();
    EXPECT_FALSE(read_kept(store, store.newest_ceiling("d"), parse));
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(said.find("the store is damaged") != std::string::npos, i == 0) << said;
  }
}

}  // namespace assay

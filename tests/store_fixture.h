// What tests of store/ share: a folder of their own, records, and another program's, process's or user's look at the
// file.
#pragma once
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "base/error.h"
#include "store/store.h"

namespace assay {
namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string name = (fs::temp_directory_path() / "assay-store-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    chmod(folder_.c_str(), 0755);
    file_ = folder_ / "results.db";
  }
  ~StoreTest() override { fs::remove_all(folder_); }

  std::set<std::string> names() const {
    std::set<std::string> result;
    for (const auto& entry : fs::directory_iterator(folder_)) result.insert(entry.path().filename().string());
    return result;
  }

  fs::path folder_, file_;
};

inline CaseRecord small_record(const std::string& key, double device_us = 10) {
  CaseRecord record;
  record.key = key;
  record.key_text = "key text of " + key;
  record.variant = "naive/plain";
  record.device_us = {device_us, device_us + 1, device_us + 2};
  return record;
}

inline CaseRecord large_record(const std::string& key) {
  CaseRecord record = small_record(key);
  record.key_text = std::string(600, 't');
  record.spec_line = record.math_line = std::string(150, 's');
  record.device_us.assign(200, 12.5);
  record.host_us.assign(200, 13.5);
  record.head_to_head_us.assign(50, 12.25);
  record.disturbed.assign(200, 0);
  return record;
}

/// What `action` throws, or "" where it throws nothing.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Runs SQL on the file as another program would; the first column of the last row.
inline std::string sql(const fs::path& file, const std::string& statements) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  std::string result;
  char* error = nullptr;
  sqlite3_exec(
      database, statements.c_str(),
      [](void* out, int, char** values, char**) {
        *static_cast<std::string*>(out) = values[0] ? values[0] : "NULL";
        return 0;
      },
      &result, &error);
  EXPECT_EQ(error, nullptr) << error;
  sqlite3_free(error);
  sqlite3_close(database);
  return result;
}

/// Runs `body` in a child and returns its id; the child leaves without destructors, as a worker does.
inline pid_t in_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

inline bool ended_well(pid_t child) {
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// While it lives, root has no more rights than a stranger: permissions can be tested.
class AsNobody {
 public:
  AsNobody() : root_(geteuid() == 0) { ASSAY_CHECK(!root_ || seteuid(65534) == 0); }
  ~AsNobody() { ASSAY_CHECK(!root_ || seteuid(0) == 0); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool root_;
};

}  // namespace assay

// Laws of folders that assay chooses itself: another user's is never used, nor one that others could write into.
#include "base/private_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class PrivateFolderTest : public ::testing::Test {
 protected:
  PrivateFolderTest() {
    char name[] = "/tmp/assay-folder-test-XXXXXX";
    base_ = mkdtemp(name);
    for (const char* variable : {"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}) {
      const char* value = std::getenv(variable);
      saved_.emplace_back(variable, value ? value : "");
      unsetenv(variable);
    }
    setenv("TMPDIR", base_.c_str(), 1);
  }
  ~PrivateFolderTest() override {
    for (const auto& [name, value] : saved_)
      if (!value.empty()) setenv(name.c_str(), value.c_str(), 1);
    unsetenv("TMPDIR");
    fs::remove_all(base_);
  }
  static std::string refusal(const fs::path& folder) {
    try {
      make_own_folder(folder);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  static mode_t mode_of(const fs::path& path) {
    struct stat is {};
    stat(path.c_str(), &is);
    return is.st_mode & 07777;
  }

  fs::path base_;
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(PrivateFolderTest, WithoutAHomeItLiesInTheTemporaryFolderClosedToAllOthers) {
  const fs::path folder = base_ / ("assay-" + std::to_string(geteuid()));
  EXPECT_EQ(state_folder(), folder);
  EXPECT_EQ(cache_folder(), folder);
  setenv("HOME", "relative", 1);
  EXPECT_EQ(state_folder(), folder);
  EXPECT_EQ(refusal(folder), "");
  EXPECT_EQ(mode_of(folder), 0700u);
  EXPECT_EQ(refusal(folder), "") << "its own of the last run";
}

TEST_F(PrivateFolderTest, InTheTemporaryFolderALinkAFileAndAnOpenFolderAreRefused) {
  const fs::path folder = state_folder(), elsewhere = base_ / "elsewhere";
  fs::create_directory(elsewhere);
  fs::create_directory_symlink(elsewhere, folder);
  EXPECT_NE(refusal(folder).find("is a link"), std::string::npos) << refusal(folder);
  EXPECT_NE(refusal(folder).find("set HOME"), std::string::npos) << "what to do";
  fs::remove(folder);
  write_file(folder, "a file");
  EXPECT_NE(refusal(folder), "");
  fs::remove(folder);
  for (const mode_t mode : {0777, 0755, 0710, 0701}) {
    fs::create_directory(folder);
    chmod(folder.c_str(), mode);
    EXPECT_NE(refusal(folder).find("open to others"), std::string::npos) << mode;
    fs::remove(folder);
  }
}

TEST_F(PrivateFolderTest, AnotherUsersFolderAndCodeAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make another user's folder";
  const fs::path folder = state_folder(), home = base_ / "home/assay";
  fs::create_directories(home);
  fs::create_directory(folder);
  chmod(folder.c_str(), 0700);
  for (const fs::path& each : {folder, home}) {
    ASSERT_EQ(chown(each.c_str(), 12345, 12345), 0);
    EXPECT_NE(refusal(each).find("belongs to user 12345"), std::string::npos) << refusal(each);
  }
  const fs::path module = base_ / "module.so";
  write_file(module, "code");
  EXPECT_TRUE(is_trusted_file(module));
  ASSERT_EQ(chown(module.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(is_trusted_file(module));
}

TEST_F(PrivateFolderTest, BelowAHomeItMayBeReadableAndALinkButNotWritableForAll) {
  const fs::path target = base_ / "disk", link = base_ / "home/.cache/assay";
  fs::create_directories(target);
  fs::create_directories(link.parent_path());
  fs::create_directory_symlink(target, link);
  chmod(target.c_str(), 0755);
  EXPECT_EQ(refusal(link), "");
  chmod(target.c_str(), 0777);
  EXPECT_NE(refusal(link).find("open to others"), std::string::npos);
  const fs::path deep = base_ / "a/b/c/assay";
  EXPECT_EQ(refusal(deep), "");
  EXPECT_EQ(mode_of(deep), 0700u);
}

TEST_F(PrivateFolderTest, CodeThatAllMayWriteIsNotTrusted) {
  const fs::path module = base_ / "module.so";
  write_file(module, "code");
  chmod(module.c_str(), 0755);
  EXPECT_TRUE(is_trusted_file(module));
  chmod(module.c_str(), 0777);
  EXPECT_FALSE(is_trusted_file(module));
  EXPECT_FALSE(is_trusted_file(base_));
  EXPECT_FALSE(is_trusted_file(base_ / "none"));
}

}  // namespace
}  // namespace assay

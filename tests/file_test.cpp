// Laws of base/file and base/file_identity: what a name means, what may be read, and that writing destroys nothing but
// the old bytes.
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/error.h"
#include "base/file_identity.h"
#include "base/scratch_folder.h"
#include "store_fixture.h"

namespace assay {
namespace {

class File : public testing::Test {
 protected:
  File() {
    char name[] = "/tmp/assay-file-XXXXXX";
    folder_ = mkdtemp(name);
    chmod(folder_.c_str(), 0777);  // a stranger may write there
  }
  ~File() override { fs::remove_all(folder_); }

  fs::path at(const std::string& name) const { return folder_ / name; }
  std::set<std::string> names() const {
    std::set<std::string> result;
    for (const auto& entry : fs::directory_iterator(folder_)) result.insert(entry.path().filename().string());
    return result;
  }
  void expect_refused(const std::string& why, const std::function<void()>& action) const {
    const std::string error = error_of(action);
    EXPECT_NE(error.find(why), std::string::npos) << why << "\nis not in\n" << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }

  fs::path folder_;
};

TEST_F(File, TwoNamesOfOneFileAreOneHoweverTheyAreWritten) {
  write_file(at("f"), "x");
  fs::create_symlink("f", at("link"));
  fs::create_symlink("link", at("link2"));
  fs::create_hard_link(at("f"), at("hard"));
  fs::create_directory(at("d"));
  fs::create_directory_symlink("d", at("dlink"));
  const FileIdentity f = file_identity(at("f"));
  const std::string around = "../" + folder_.filename().string() + "/f";
  for (const std::string& name : {std::string("f"), std::string("./f"), std::string("d/../f"), std::string("link"),
                                  std::string("link2"), std::string("hard"), std::string("dlink/../f"), around})
    EXPECT_TRUE(file_identity(at(name)).same_file(f)) << name;
  EXPECT_FALSE(file_identity(at("d")).same_file(f));
}

TEST_F(File, NamesOfAFileThatDoesNotExistYetAreOneToo) {
  fs::create_directory(at("d"));
  fs::create_directory_symlink("d", at("dlink"));
  fs::create_symlink("d/new", at("dangling"));
  const FileIdentity future = file_identity(at("d/new"));
  EXPECT_FALSE(future.exists());
  for (const std::string name : {"d/./new", "dlink/new", "dangling", "d/none/../new"})
    EXPECT_TRUE(file_identity(at(name)).same_file(future)) << name;
  EXPECT_FALSE(file_identity(at("new")).same_file(future));
  EXPECT_TRUE(future.would_hold(file_identity(at("dlink/new/below"))));
  EXPECT_FALSE(future.would_hold(file_identity(at("d/newer"))));
}

TEST_F(File, ALoopOfLinksEnds) {
  fs::create_symlink("b", at("a"));
  fs::create_symlink("a", at("b"));
  EXPECT_NE(file_identity(at("a")).below, "");
  expect_refused("cannot be read", [&] { read_file(at("a")); });
  expect_refused("cannot be", [&] { write_file(at("a/b"), "x"); });
}

TEST_F(File, StandardStreamsAreKnownByEveryName) {
  for (const std::string name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
    EXPECT_EQ(own_descriptor(name), 1) << name;
  EXPECT_EQ(own_descriptor("/dev/stdin"), 0);
  EXPECT_EQ(own_descriptor("/dev/null"), -1);
  EXPECT_EQ(own_descriptor(at("1")), -1);
}

TEST_F(File, OnlyARegularFileOrAPipeThatTheShellOpenedIsReadAndNothingWaits) {
  mkfifo(at("pipe").c_str(), 0600);
  fs::create_symlink("pipe", at("link"));
  alarm(20);
  expect_refused("pipe: is a named pipe; a regular file is wanted", [&] { read_file(at("pipe")); });
  expect_refused("link: is a named pipe", [&] { read_file(at("link")); });
  expect_refused("is a folder; a regular file is wanted", [&] { read_file(folder_); });
  expect_refused("/dev/zero: is a device", [&] { read_file("/dev/zero"); });
  expect_refused("No such file", [&] { read_file(at("absent")); });
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "given", 5), 5);
  close(ends[1]);
  EXPECT_EQ(read_file("/dev/fd/" + std::to_string(ends[0])), "given");
  close(ends[0]);
  alarm(0);
}

TEST_F(File, WritingKeepsTheModeAndReplacesWhatALinkPointsTo) {
  write_file(at("f"), "old");
  chmod(at("f").c_str(), 0640);
  fs::create_symlink("f", at("link"));
  fs::create_symlink("sub/new", at("dangling"));
  write_file(at("link"), "new");
  write_file(at("dangling"), "made");
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(read_file(at("f")), "new");
  EXPECT_EQ(read_file(at("sub/new")), "made");
  struct stat status {};
  ASSERT_EQ(stat(at("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(names(), (std::set<std::string>{"f", "link", "dangling", "sub"}));
}

TEST_F(File, AReaderOfTheOldBytesKeepsThemWhole) {
  write_file(at("f"), "old");
  const int reader = open(at("f").c_str(), O_RDONLY | O_CLOEXEC);
  write_file(at("f"), "new");
  EXPECT_EQ(read_descriptor(reader, "f"), "old");
  close(reader);
}

TEST_F(File, ANameAsLongAsTheFileSystemAllowsCanBeWritten) {
  const fs::path file = at(std::string(255, 'n'));
  check_writable(file);
  write_file(file, "x");
  EXPECT_EQ(read_file(file), "x");
  expect_refused("cannot be", [&] { write_file(at(std::string(256, 'n')), "x"); });
}

TEST_F(File, WhatIsNoPlaceForAFileIsRefusedBeforeAndAtWriting) {
  write_file(at("f"), "x");
  const int socket_end = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  at("socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_end, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(socket_end);
  const std::vector<std::pair<fs::path, std::string>> places = {
      {"", "empty name"},           {folder_, "is a folder"},        {at("new/"), "is a folder"},
      {at("f/below"), "cannot be"}, {"/proc/absent/r", "cannot be"}, {at("socket"), "is a socket"}};
  for (const auto& [place, why] : places) {
    expect_refused(why, [&, place = place] { check_writable(place); });
    expect_refused(why, [&, place = place] { write_file(place, "y"); });
  }
  EXPECT_EQ(names(), (std::set<std::string>{"f", "socket"}));
  EXPECT_EQ(read_file(at("f")), "x");
}

TEST_F(File, AClosedFolderIsRefusedBeforeAndAFileInItThatIsOpenIsWrittenInPlace) {
  fs::create_directory(at("closed"));
  write_file(at("closed/open"), "old");
  write_file(at("closed/shut"), "old");
  chmod(at("closed/open").c_str(), 0666);
  chmod(at("closed/shut").c_str(), 0444);
  chmod(at("closed").c_str(), 0555);
  {
    const AsNobody nobody;
    expect_refused("cannot be written (Permission denied)", [&] { check_writable(at("closed/new")); });
    expect_refused("cannot be written (Permission denied)", [&] { check_writable(at("closed/deep/new")); });
    expect_refused("cannot be written (Permission denied)", [&] { check_writable(at("closed/shut")); });
    check_writable(at("closed/open"));
    write_file(at("closed/open"), "new");
  }
  chmod(at("closed").c_str(), 0755);
  EXPECT_EQ(read_file(at("closed/open")), "new");
  EXPECT_EQ(read_file(at("closed/shut")), "old");
}

TEST_F(File, CheckingLeavesNothingBehindAndChangesNothing) {
  write_file(at("f"), "old");
  check_writable(at("f"));
  check_writable(at("new"));
  check_writable(at("deep/er/new"));
  check_writable("/dev/null");
  EXPECT_EQ(names(), std::set<std::string>{"f"});
  EXPECT_EQ(read_file(at("f")), "old");
}

TEST_F(File, APipeIsWrittenAsItLiesAndAReaderThatLeavesIsAnError) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string name = "/dev/fd/" + std::to_string(ends[1]);
  write_file(name, "bytes");
  char bytes[6] = {};
  EXPECT_EQ(read(ends[0], bytes, 5), 5);
  EXPECT_STREQ(bytes, "bytes");
  close(ends[0]);
  expect_refused("cannot be written", [&] { write_file(name, "bytes"); });
  close(ends[1]);
  signal(SIGPIPE, SIG_DFL);
}

TEST_F(File, AFullDeviceIsAnError) {
  expect_refused("/dev/full: cannot be written (No space left on device)", [&] { write_file("/dev/full", "x"); });
}

TEST(trusted_file, is_its_owners_to_write_whatever_the_umask_and_the_file_of_before) {
  const ScratchFolder scratch("assay-file-test");
  const fs::path file = scratch.path() / "folder/table.json";
  const auto mode = [](const fs::path& path) { return unsigned(fs::status(path).permissions()); };
  const mode_t before = umask(0);
  write_trusted_file(file, "one");
  EXPECT_EQ(mode(file), 0644u);
  EXPECT_EQ(mode(file.parent_path()), 0755u);
  fs::permissions(file, fs::perms(0666));
  write_trusted_file(file, "two");
  EXPECT_EQ(mode(file), 0644u);
  umask(077);
  write_trusted_file(scratch.path() / "other", "one");
  EXPECT_EQ(mode(scratch.path() / "other"), 0600u);
  umask(0);
  write_file(scratch.path() / "result", "a file that a user names");
  EXPECT_EQ(mode(scratch.path() / "result"), 0666u);
  umask(before);
}

}  // namespace
}  // namespace assay

// Compiles: their messages and limits, every way in which one can go wrong, many at once, and which compiler is taken.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "build_cache_fixture.h"
#include "kernel/working_folder.h"

namespace assay {
namespace {

TEST_F(BuildCacheTest, a_failing_compile_gives_its_messages_with_file_and_line_and_is_not_kept) {
  write("src/k.cpp", "int ok;\nint broken = undefined_name;\n");
  const BuiltModule built = cache().build(variant_, kGeneric);
  EXPECT_TRUE(built.file.empty());
  EXPECT_NE(built.error.find((root_ / "src/k.cpp").string() + ":2:"), std::string::npos) << built.error;
  EXPECT_NE(built.error.find("undefined_name"), std::string::npos) << built.error;
  EXPECT_TRUE(cached_files().empty());
  write("src/k.cpp", "int ok;\n");
  EXPECT_EQ(cache().build(variant_, kGeneric).error, "");
}

TEST_F(BuildCacheTest, a_missing_include_is_the_compilers_to_report) {
  write("src/k.cpp", "#include \"gone.h\"\n");
  EXPECT_NE(cache().key(variant_, kGeneric).text.find("include: gone.h missing\n"), std::string::npos);
  EXPECT_NE(cache().build(variant_, kGeneric).error.find("k.cpp:1:"), std::string::npos);
}

TEST_F(BuildCacheTest, long_messages_are_cut_at_forty_lines) {
  Compiler loud = real_compiler();
  loud.command = script("loud", "i=0; while [ $i -lt 1000 ]; do echo k.cpp:$i: error; i=$((i+1)); done; exit 1\n");
  const std::string error = cache(loud).build(variant_, kGeneric).error;
  EXPECT_NE(error.find("k.cpp:39: error\n(more messages follow)"), std::string::npos) << error;
  EXPECT_EQ(error.find("k.cpp:40:"), std::string::npos);
}

TEST_F(BuildCacheTest, a_hanging_compiler_is_killed_at_the_limit) {
  Compiler hanging = real_compiler();
  hanging.command = script("hanging", "sleep 60\n");
  hanging.limit_s = 0.3;
  const int64_t start = now_ns();
  const BuiltModule built = cache(hanging).build(variant_, kGeneric);
  EXPECT_LT(now_ns() - start, 20'000'000'000);
  EXPECT_NE(built.error.find("more than 0.3 s for k.cpp and was killed"), std::string::npos) << built.error;
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(BuildCacheTest, a_missing_compiler_says_what_to_install) {
  for (const char* version : {"", "vanished after it was found"}) {
    Compiler missing{"assay-no-such-compiler", version, 10};
    const BuiltModule built = cache(missing).build(variant_, kGeneric);
    EXPECT_NE(built.error.find("apt-get install g++"), std::string::npos) << built.error;
    EXPECT_NE(built.error.find("ASSAY_CXX"), std::string::npos) << built.error;
  }
}

TEST_F(BuildCacheTest, a_compiler_that_makes_nothing_is_an_error) {
  Compiler idle = real_compiler();
  idle.command = script("idle", "exit 0\n");
  EXPECT_NE(cache(idle).build(variant_, kGeneric).error.find("made no module"), std::string::npos);
}

TEST_F(BuildCacheTest, a_source_edited_while_it_compiles_is_not_kept_under_the_old_key) {
  Compiler editing = real_compiler();
  editing.command =
      script("editing", "echo >> " + variant_.source.string() + "\nexec " + real_compiler().command + " \"$@\"\n");
  const BuiltModule built = cache(editing).build(variant_, kGeneric);
  EXPECT_NE(built.error.find("changed since assay read it"), std::string::npos) << built.error;
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(BuildCacheTest, a_folder_that_cannot_be_written_is_an_error_that_names_it) {
  write("file", "not a folder");
  BuildCache blocked(real_compiler(), {root_ / "file" / "cache"}, kAbiFolder);
  try {
    blocked.build(variant_, kGeneric);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find((root_ / "file" / "cache").string()), std::string::npos) << e.what();
  }
}

TEST_F(BuildCacheTest, a_source_that_is_gone_is_an_error_that_names_it) {
  fs::remove(variant_.source);
  EXPECT_THROW(cache().key(variant_, kGeneric), Error);
}

TEST_F(BuildCacheTest, two_builders_at_once_both_end_with_a_whole_module) {
  std::vector<pid_t> builders;
  for (int i = 0; i < 2; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      const BuiltModule built = cache().build(variant_, kGeneric);
      _exit(built.error.empty() && answer_of(built.file) == 101 ? 0 : 1);
    }
    builders.push_back(pid);
  }
  for (const pid_t pid : builders) {
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(cached_files().size(), 2u);
  EXPECT_TRUE(cache().find(variant_, kGeneric));
}

TEST_F(BuildCacheTest, many_are_built_side_by_side_and_equal_keys_once) {
  std::vector<Variant> variants(5, variant_);
  for (int i = 0; i < 5; ++i) variants[size_t(i)].parameters = {{"X", i % 4}};  // the last is the first again
  variants[2].compile_flags = {"-fno-such-flag"};
  std::vector<BuildRequest> requests;
  for (const Variant& variant : variants) requests.push_back({&variant, &kGeneric});
  std::vector<size_t> progress;
  const Compiler compiler = counting_compiler();
  const auto modules = cache(compiler).build_all(
      requests, 2, [&](const BuildRequest& request, const BuiltModule& module, size_t done, size_t total) {
        EXPECT_EQ(total, 5u);
        EXPECT_EQ(module.error.empty(), request.variant != &variants[2]) << module.error;
        progress.push_back(done);
      });
  EXPECT_EQ(progress, (std::vector<size_t>{1, 2, 3, 4, 5}));
  ASSERT_EQ(modules.size(), 5u);
  for (const size_t i : {0u, 1u, 3u}) EXPECT_EQ(answer_of(modules[i].file), 100 + int(i));
  EXPECT_EQ(modules[4].file, modules[0].file);
  EXPECT_NE(modules[2].error.find("no-such-flag"), std::string::npos) << modules[2].error;
  EXPECT_EQ(compile_count(), 4);
}

TEST_F(BuildCacheTest, what_many_include_is_precompiled_and_gives_the_same_modules) {
  if (!real_compiler().precompiles) GTEST_SKIP() << "only with g++";
  write("src/precompiled.h", "#pragma once\n#include <vector>\n");
  write("src/k.cpp",
        "#include \"k.h\"\n#include \"precompiled.h\"\n"
        "extern \"C\" __attribute__((visibility(\"default\"))) int answer() { return X + Y + W * int(std::vector(1, "
        "1).size()); }\n");
  const auto build = [&](int count, const std::string& folder) {
    std::vector<Variant> variants(size_t(count), variant_);
    std::vector<BuildRequest> requests;
    for (int i = 0; i < count; ++i) {
      variants[size_t(i)].parameters = {{"X", i}};
      variants[size_t(i)].compile_flags = {i % 2 ? "-DW=2" : "-DW=3"};
      requests.push_back({&variants[size_t(i)], &kGeneric});
    }
    return BuildCache(counting_compiler(), {root_ / folder}, kAbiFolder).build_all(requests, 2);
  };
  const auto many = build(4, "many");
  EXPECT_EQ(compile_count(), 5) << "the header, and each";
  const auto few = build(3, "few");
  EXPECT_EQ(compile_count(), 8) << "no header";
  for (size_t i = 0; i < many.size(); ++i) EXPECT_EQ(answer_of(many[i].file), 100 + int(i) + (i % 2 ? 2 : 3));
  for (size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i].key.text, many[i].key.text);
    EXPECT_EQ(read_file(few[i].file), read_file(many[i].file));
  }

  // What the parameters change, and what does not compile, is read as text.
  write("src/precompiled.h", "#ifdef X\n#undef Y\n#define Y 1000\n#endif\n#include <vector>\n");
  for (const BuiltModule& module : build(4, "parameters")) EXPECT_GE(answer_of(module.file), 1000) << module.error;
  write("src/precompiled.h", "#ifndef X\n#error no parameters\n#endif\n#include <vector>\n");
  for (const BuiltModule& module : build(4, "error")) EXPECT_GE(answer_of(module.file), 100) << module.error;
}

TEST_F(BuildCacheTest, at_most_jobs_compilers_run_at_once_and_they_do_run_at_once) {
  Compiler compiler = real_compiler();
  // Each leaves a mark while it runs, notes how many marks there are, and waits until two were there at once, or a
  // minute.
  const std::string marks = (root_ / "marks").string(), met = (root_ / "met").string();
  fs::create_directories(marks);
  compiler.command = script("marking", "touch " + marks + "/$$\nfor i in $(seq 3000); do\n  n=$(ls " + marks +
                                           " | wc -l); [ $n -ge 2 ] && touch " + met + "\n  [ -e " + met +
                                           " ] && break\n  sleep 0.02\ndone\nls " + marks + " | wc -l >> " +
                                           (root_ / "seen").string() + "\nsleep 0.1; rm " + marks + "/$$; exit 1\n");
  std::vector<Variant> variants(6, variant_);
  std::vector<BuildRequest> requests;
  for (size_t i = 0; i < variants.size(); ++i) {
    variants[i].parameters = {{"X", int64_t(i)}};
    requests.push_back({&variants[i], &kGeneric});
  }
  cache(compiler).build_all(requests, 3);
  std::ifstream seen(root_ / "seen");
  int most = 0, lines = 0;
  for (int count = 0; seen >> count; ++lines) most = std::max(most, count);
  EXPECT_EQ(lines, 6);
  EXPECT_LE(most, 3);
  EXPECT_TRUE(fs::exists(met));
}

TEST_F(BuildCacheTest, a_stop_kills_the_compilers_and_leaves_no_partial_files) {
  Compiler hanging = real_compiler();
  hanging.command =
      script("hanging", "for last; do :; done; while [ \"$1\" != -o ]; do shift; done; echo x > \"$2\"; touch " +
                            (root_ / "running").string() + "; sleep 60\n");
  const BuildRequest request{&variant_, &kGeneric};
  const int64_t start = now_ns();
  const auto modules = cache(hanging).build_all({&request, 1}, 1, {}, [&] { return fs::exists(root_ / "running"); });
  EXPECT_LT(now_ns() - start, 20'000'000'000);
  EXPECT_NE(modules[0].error.find("stopped"), std::string::npos) << modules[0].error;
  EXPECT_FALSE(modules[0].key.hash.empty());
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(BuildCacheTest, a_stop_ends_what_is_compiled_for_many_too) {
  Compiler hanging = real_compiler();
  hanging.precompiles = true;
  hanging.command = script("hanging", "touch " + (root_ / "running").string() + "; sleep 60\n");
  write("src/precompiled.h", "");
  write("src/k.cpp", "#include \"precompiled.h\"\n");
  std::vector<Variant> variants(4, variant_);
  std::vector<BuildRequest> requests;
  for (size_t i = 0; i < variants.size(); ++i) {
    variants[i].parameters = {{"X", int64_t(i)}};
    requests.push_back({&variants[i], &kGeneric});
  }
  const int64_t start = now_ns();
  cache(hanging).build_all(requests, 2, {}, [&] { return fs::exists(root_ / "running"); });
  EXPECT_LT(now_ns() - start, 20'000'000'000);
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(BuildCacheTest, a_killed_compilers_temporary_files_are_gone) {
  fs::create_directories(root_ / "tmp");
  setenv("TMPDIR", (root_ / "tmp").c_str(), 1);
  Compiler hanging = real_compiler();
  hanging.command = script(
      "hanging", "echo x > \"${TMPDIR:-/tmp}/ccXYZ.s\"; echo $TMPDIR > " + (root_ / "where").string() + "; sleep 60\n");
  hanging.limit_s = 0.5;
  const BuiltModule module = cache(hanging).build(variant_, kGeneric);
  unsetenv("TMPDIR");
  EXPECT_NE(module.error.find("killed"), std::string::npos) << module.error;
  std::string where;
  std::ifstream(root_ / "where") >> where;
  EXPECT_TRUE(where.starts_with((root_ / "cache").string())) << where;
  EXPECT_TRUE(fs::is_empty(root_ / "tmp"));
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(BuildCacheTest, what_a_killed_assay_left_is_swept_and_what_another_one_uses_is_not) {
  write("cache/.working-abcdef/ccXYZ.s", "x");
  const WorkingFolder others(root_ / "cache");
  EXPECT_FALSE(fs::exists(root_ / "cache/.working-abcdef"));
  write("cache/.working-fedcba/headers0/precompiled.h.gch", "x");
  EXPECT_EQ(cache().build(variant_, kGeneric).error, "");
  EXPECT_FALSE(fs::exists(root_ / "cache/.working-fedcba"));
  EXPECT_TRUE(fs::exists(others.path()));
}

class CompilerChoice : public BuildCacheTest {
 protected:
  void SetUp() override {
    BuildCacheTest::SetUp();
    if (const char* set = std::getenv("ASSAY_CXX")) before_ = set;
  }
  void TearDown() override {
    before_ ? setenv("ASSAY_CXX", before_->c_str(), 1) : unsetenv("ASSAY_CXX");
    BuildCacheTest::TearDown();
  }
  std::optional<std::string> before_;
};

TEST_F(CompilerChoice, is_the_systems_without_ASSAY_CXX) {
  unsetenv("ASSAY_CXX");
  const Compiler compiler = find_compiler();
  EXPECT_FALSE(compiler.version.empty()) << "no compiler on this machine";
  EXPECT_EQ(compiler.version.find('\n'), std::string::npos);
}

TEST_F(CompilerChoice, is_ASSAY_CXX_with_its_own_version) {
  const std::string fake = script("fake",
                                  "case $1 in --version) echo Fake 1.5; echo more;; -dumpfullversion) echo 1.5.2;; "
                                  "-dumpmachine) echo riscv;; esac\n");
  setenv("ASSAY_CXX", fake.c_str(), 1);
  EXPECT_EQ(find_compiler().command, fake);
  EXPECT_EQ(find_compiler().version, "1.5.2 riscv; Fake 1.5");
}

TEST_F(CompilerChoice, is_never_silently_another_than_ASSAY_CXX) {
  setenv("ASSAY_CXX", "assay-no-such-compiler", 1);
  EXPECT_EQ(find_compiler().command, "assay-no-such-compiler");
  EXPECT_EQ(find_compiler().version, "");
}

}  // namespace
}  // namespace assay

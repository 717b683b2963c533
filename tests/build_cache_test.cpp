// The build cache: what a key depends on and what it does not, and every way in which a compile can go wrong.
#include "kernel/build_cache.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "../kernels/cpu/assay_kernel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

const fs::path kAbiFolder = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu";
const IsaLevel kGeneric = {"generic", {}};

class BuildCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/assay-build-cache-test-XXXXXX";
    root_ = mkdtemp(name);
    write("src/k.cpp",
          "#include \"k.h\"\nextern \"C\" __attribute__((visibility(\"default\"))) int answer() { return X + Y; }\n");
    write("src/k.h", "  #  include \"deep/inner.h\"\n#define Y 100\n");
    write("src/deep/inner.h", "#include \"beside.h\"\n");
    write("src/deep/beside.h", "// nothing\n");
    variant_.family = "adder";
    variant_.name = "x1";
    variant_.source = root_ / "src" / "k.cpp";
    variant_.parameters = {{"X", 1}};
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::string script(const std::string& name, const std::string& body) const {
    write(name, "#!/bin/sh\n" + body);
    fs::permissions(root_ / name, fs::perms::all);
    return (root_ / name).string();
  }
  BuildCache cache(const Compiler& compiler) const { return BuildCache(compiler, {root_ / "cache"}, kAbiFolder); }
  BuildCache cache() const { return cache(real_compiler()); }
  static const Compiler& real_compiler() {
    static const Compiler compiler = find_compiler();
    return compiler;
  }
  std::string hash() const { return cache().key(variant_, kGeneric).hash; }
  int compile_count() const {  // of a counting_compiler
    std::ifstream in(root_ / "count");
    return int(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  Compiler counting_compiler() const {
    Compiler compiler = real_compiler();
    compiler.command = script(
        "counting", "echo x >> " + (root_ / "count").string() + "\nexec " + real_compiler().command + " \"$@\"\n");
    return compiler;
  }
  std::vector<std::string> cached_files() const {
    std::vector<std::string> names;
    if (fs::exists(root_ / "cache"))
      for (const auto& entry : fs::directory_iterator(root_ / "cache")) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path root_;
  Variant variant_;
};

int answer_of(const fs::path& module) {
  void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return -1;
  const auto answer = reinterpret_cast<int (*)()>(dlsym(handle, "answer"));
  const int result = answer ? answer() : -2;
  dlclose(handle);
  return result;
}

TEST_F(BuildCacheTest, a_source_is_compiled_once_with_its_parameters_and_then_found) {
  const Compiler compiler = counting_compiler();
  EXPECT_FALSE(cache(compiler).find(variant_, kGeneric));
  const BuiltModule built = cache(compiler).build(variant_, kGeneric);
  ASSERT_EQ(built.error, "");
  EXPECT_FALSE(built.from_cache);
  EXPECT_EQ(answer_of(built.file), 101);
  EXPECT_EQ(built.file.filename(), "adder-generic-" + built.key.hash.substr(0, 16) + ".so");

  const auto found = cache(compiler).find(variant_, kGeneric);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->from_cache);
  EXPECT_EQ(found->file, built.file);
  EXPECT_TRUE(cache(compiler).build(variant_, kGeneric).from_cache);
  EXPECT_EQ(compile_count(), 1);
  EXPECT_EQ(cached_files().size(), 2u) << "the module and its key, nothing else";
  EXPECT_EQ(read_file(fs::path(built.file).replace_extension(".key")), built.key.text);
}

TEST_F(BuildCacheTest, edited_content_is_compiled_again_and_reverted_content_is_not) {
  const Compiler compiler = counting_compiler();
  cache(compiler).build(variant_, kGeneric);
  const std::string before = read_file(root_ / "src/k.h");
  write("src/k.h", "#define Y 200\n");
  const BuiltModule edited = cache(compiler).build(variant_, kGeneric);
  EXPECT_FALSE(edited.from_cache);
  EXPECT_EQ(answer_of(edited.file), 201);
  write("src/k.h", before);
  const BuiltModule reverted = cache(compiler).build(variant_, kGeneric);
  EXPECT_TRUE(reverted.from_cache);
  EXPECT_EQ(answer_of(reverted.file), 101);
  EXPECT_EQ(compile_count(), 2);
}

TEST_F(BuildCacheTest, the_key_changes_with_all_that_a_build_depends_on) {
  std::set<std::string> hashes = {hash()};
  const auto expect_new = [&](const std::string& what, const std::string& value) {
    EXPECT_TRUE(hashes.insert(value).second) << what << " does not change the key";
  };
  write("src/k.cpp", read_file(root_ / "src/k.cpp") + "\n");
  expect_new("the source", hash());
  write("src/deep/beside.h", "// something\n");
  expect_new("an include of an include", hash());
  write("src/k.h", read_file(root_ / "src/k.h") + "#include \"later.h\"\n");
  expect_new("a missing include", hash());
  write("src/later.h", "\n");
  expect_new("an include that is there now", hash());
  write("src/k.h", read_file(root_ / "src/k.h") + "#include <deep/angle.h>\n");
  expect_new("an edit", hash());
  write("src/deep/angle.h", "\n");
  expect_new("an include in <> that lies among the kernels", hash());
  const Variant plain = variant_;
  variant_.parameters = {{"X", 2}};
  expect_new("a define", hash());
  variant_ = plain;
  variant_.compile_flags = {"-O1"};
  expect_new("a compile flag", hash());
  variant_.compile_flags = {"-O1 -g"};
  const std::string one_flag = hash();
  variant_.compile_flags = {"-O1", "-g"};
  expect_new("two flags", hash());
  expect_new("one flag with a blank", one_flag);
  variant_ = plain;
  variant_.link_flags = {"-lm"};
  expect_new("a link flag", hash());
  variant_ = plain;
  expect_new("the ISA level's name", cache().key(variant_, {"avx2", {}}).hash);
  expect_new("the ISA level's flags", cache().key(variant_, {"generic", {"-msse4"}}).hash);
  Compiler other = real_compiler();
  other.version += " (patched)";
  expect_new("the compiler", cache(other).key(variant_, kGeneric).hash);
}

TEST_F(BuildCacheTest, the_key_depends_on_nothing_else) {
  const std::string before = cache().key(variant_, kGeneric).text;
  write("src/other.h", "int unrelated;\n");
  write("src/manifest.json", "{}");
  variant_.family = "renamed";
  variant_.technique = "other words";
  variant_.supports.bias = true;
  EXPECT_EQ(cache().key(variant_, kGeneric).text, before);
  fs::create_directories(root_ / "moved");
  fs::rename(root_ / "src", root_ / "moved" / "elsewhere");
  variant_.source = root_ / "moved" / "elsewhere" / "k.cpp";
  Compiler other = real_compiler();
  other.command = "/usr/bin/" + other.command;
  other.limit_s = 1;
  EXPECT_EQ(cache(other).key(variant_, kGeneric).text, before);
  EXPECT_EQ(before.find(root_.string()), std::string::npos) << before;
}

TEST_F(BuildCacheTest, the_key_can_be_read) {
  const std::string text = cache().key(variant_, kGeneric).text;
  for (const char* line :
       {"abi version: 1\n", "source: k.cpp ", "include: k.h ", "include: deep/inner.h ", "include: beside.h ",
        "source hash: ", "defines: [\"X=1\"]\n", "isa: generic\n", "compiler: ", "link flags: []\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << " is missing in\n" << text;
}

TEST_F(BuildCacheTest, includes_may_go_in_circles_and_stand_twice) {
  write("src/deep/inner.h",
        "#include \"../k.h\"\n#include \"beside.h\"\n#include \"beside.h\"\n#include \"inner.h\"\n");
  const std::string text = cache().key(variant_, kGeneric).text;
  EXPECT_NE(text.find("include: beside.h"), std::string::npos);
  EXPECT_EQ(text.find("include: beside.h"), text.rfind("include: beside.h")) << text;
}

TEST_F(BuildCacheTest, a_module_whose_key_text_differs_is_not_used) {
  const BuiltModule built = cache().build(variant_, kGeneric);
  const fs::path key_file = fs::path(built.file).replace_extension(".key");
  std::ofstream(key_file) << built.key.text << "tampered: yes\n";
  EXPECT_FALSE(cache().find(variant_, kGeneric));
  fs::remove(key_file);
  EXPECT_FALSE(cache().find(variant_, kGeneric));
  EXPECT_FALSE(cache().build(variant_, kGeneric).from_cache);
  EXPECT_TRUE(cache().find(variant_, kGeneric));
}

TEST_F(BuildCacheTest, modules_built_elsewhere_are_found_in_any_folder_and_new_ones_go_into_the_last) {
  const BuiltModule built = cache().build(variant_, kGeneric);
  fs::rename(root_ / "cache", root_ / "shipped");
  BuildCache both(real_compiler(), {root_ / "shipped", root_ / "new"}, kAbiFolder);
  const BuiltModule found = both.build(variant_, kGeneric);
  EXPECT_TRUE(found.from_cache);
  EXPECT_EQ(found.file, root_ / "shipped" / built.file.filename());
  variant_.parameters = {{"X", 5}};
  EXPECT_EQ(both.build(variant_, kGeneric).file.parent_path(), root_ / "new");
}

TEST_F(BuildCacheTest, without_a_compiler_a_module_of_any_compiler_serves_if_all_else_is_equal) {
  const BuiltModule built = cache().build(variant_, kGeneric);
  const Compiler missing{"assay-no-such-compiler", "", 10};
  const auto found = cache(missing).find(variant_, kGeneric);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->file, built.file);
  EXPECT_EQ(found->key.text, built.key.text);
  EXPECT_EQ(found->key.hash, built.key.hash);
  EXPECT_TRUE(cache(missing).build(variant_, kGeneric).from_cache);
  Variant other = variant_;
  other.parameters = {{"X", 2}};
  EXPECT_FALSE(cache(missing).find(other, kGeneric));
  EXPECT_FALSE(cache(missing).find(variant_, {"avx2", {}}));
  Compiler upgraded = real_compiler();
  upgraded.version += "+1";
  EXPECT_FALSE(cache(upgraded).find(variant_, kGeneric)) << "a compiler that is there decides";
}

TEST_F(BuildCacheTest, the_source_hash_is_compiled_in) {
  write("src/k.cpp",
        "extern \"C\" __attribute__((visibility(\"default\"))) const char* hash() { return ASSAY_SOURCE_HASH; }\n");
  const BuiltModule built = cache().build(variant_, kGeneric);
  ASSERT_EQ(built.error, "");
  void* handle = dlopen(built.file.c_str(), RTLD_NOW);
  ASSERT_TRUE(handle);
  const std::string compiled_in = reinterpret_cast<const char* (*)()>(dlsym(handle, "hash"))();
  EXPECT_NE(built.key.text.find("source hash: " + compiled_in + "\n"), std::string::npos) << compiled_in;
  dlclose(handle);
}

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
  variants[2].compile_flags = {"--no-such-flag"};
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

TEST_F(BuildCacheTest, at_most_jobs_compilers_run_at_once_and_they_do_run_at_once) {
  Compiler compiler = real_compiler();
  // Each leaves a mark while it runs and notes how many marks there are.
  const std::string marks = (root_ / "marks").string();
  fs::create_directories(marks);
  compiler.command = script("marking", "touch " + marks + "/$$; ls " + marks + " | wc -l >> " +
                                           (root_ / "seen").string() + "; sleep 0.2; rm " + marks + "/$$; exit 1\n");
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
  EXPECT_GE(most, 2);
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

TEST_F(BuildCacheTest, keys_of_forty_variants_read_each_source_once_and_take_milliseconds) {
  BuildCache one = cache();
  const int64_t start = now_ns();
  for (int i = 0; i < 40; ++i) {
    variant_.parameters = {{"X", i}};
    one.key(variant_, kGeneric);
  }
  EXPECT_LT(now_ns() - start, 100'000'000);  // 1 ms in a release build; sanitizers are slower
  const std::string before = one.key(variant_, kGeneric).hash;
  write("src/k.h", "#define Y 1\n");
  EXPECT_EQ(one.key(variant_, kGeneric).hash, before) << "one object sees one state of the sources";
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

// The worked example of docs/drop-in-kernels.md, as a user would run it.
class DropInExample : public BuildCacheTest {
 protected:
  static assay_tensor tensor(uint32_t role, uint32_t dtype, void* data, int64_t rows, int64_t columns) {
    return {data, nullptr, role, 0, dtype, ASSAY_STRIDED, {1, rows, columns, 1}, {rows * columns, columns, 1, 1}};
  }
  // Random values as the dtype holds them, with what they are exactly.
  static std::vector<double> fill(std::vector<unsigned char>& bytes, uint32_t dtype, size_t count, uint32_t& seed) {
    std::vector<double> exact(count);
    bytes.assign(count * (dtype == ASSAY_F32 ? 4 : 2), 0);
    for (size_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      const float value = float(int32_t(seed)) * 0x1p-31f;
      const uint16_t half = float_to_half(value);
      exact[i] = dtype == ASSAY_F32 ? value : half_to_float(half);
      dtype == ASSAY_F32 ? memcpy(&bytes[i * 4], &value, 4) : memcpy(&bytes[i * 2], &half, 2);
    }
    return exact;
  }
  static void expect_right(const assay_kernel& kernel, uint32_t a, uint32_t b, uint32_t d, int64_t n, int64_t k) {
    SCOPED_TRACE(fmt::format("{} a={} b={} d={} n={} k={}", kernel.name, a, b, d, n, k));
    uint32_t seed = 7;
    std::vector<unsigned char> a_bytes, b_bytes, d_bytes(size_t(n) * 4 + 4, 0xff);
    const auto a_exact = fill(a_bytes, a, size_t(k), seed), b_exact = fill(b_bytes, b, size_t(n * k), seed);
    const assay_tensor tensors[] = {tensor(ASSAY_A, a, a_bytes.data(), 1, k), tensor(ASSAY_B, b, b_bytes.data(), n, k),
                                    tensor(ASSAY_D, d, d_bytes.data(), 1, n)};
    assay_call call{};
    call.struct_size = sizeof call;
    call.abi_version = ASSAY_ABI_VERSION;
    call.op = ASSAY_MATMUL;
    call.tensor_count = 3;
    call.tensors = tensors;
    for (uint32_t index = 0; index < 3; ++index) {
      assay_thread thread{};
      thread.struct_size = sizeof thread;
      thread.index = index;
      thread.count = 3;
      ASSERT_EQ(kernel.run(&call, &thread), ASSAY_OK);
    }
    for (int64_t row = 0; row < n; ++row) {
      double exact = 0, scale = 0;
      for (int64_t i = 0; i < k; ++i) {
        exact += a_exact[size_t(i)] * b_exact[size_t(row * k + i)];
        scale += std::fabs(a_exact[size_t(i)] * b_exact[size_t(row * k + i)]);
      }
      float got = 0;
      uint16_t half = 0;
      memcpy(&half, &d_bytes[size_t(row) * 2], 2);
      d == ASSAY_F32 ? static_cast<void>(memcpy(&got, &d_bytes[size_t(row) * 4], 4)) : void(got = half_to_float(half));
      EXPECT_NEAR(got, exact, 1e-5 * scale + (d == ASSAY_F32 ? 0 : std::fabs(exact) * 0x1p-10) + 1e-7) << "row " << row;
    }
    EXPECT_EQ(d_bytes[size_t(n) * (d == ASSAY_F32 ? 4 : 2)], 0xff) << "wrote past its output";
  }
};

TEST_F(DropInExample, compiles_loads_and_computes_right_numbers_in_every_type_and_awkward_shape) {
  const Manifest manifest = load_manifest(fs::path(ASSAY_SOURCE_DIR) / "docs" / "examples" / "drop-in");
  ASSERT_EQ(manifest.variants.size(), 2u);
  std::vector<BuildRequest> requests;
  for (const Variant& variant : manifest.variants) requests.push_back({&variant, &kGeneric});
  for (const BuiltModule& module : cache().build_all(requests, 2)) {
    ASSERT_EQ(module.error, "");
    void* handle = dlopen(module.file.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(handle) << dlerror();
    const auto entry = reinterpret_cast<const assay_kernel* (*)()>(dlsym(handle, "assay_kernel_entry"));
    ASSERT_TRUE(entry);
    const assay_kernel& kernel = *entry();
    EXPECT_EQ(kernel.abi_version, ASSAY_ABI_VERSION);
    EXPECT_EQ(kernel.struct_size, sizeof(assay_kernel));
    for (const uint32_t a : {ASSAY_F32, ASSAY_F16})
      for (const uint32_t b : {ASSAY_F32, ASSAY_F16})
        for (const uint32_t d : {ASSAY_F32, ASSAY_F16})
          for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {2, 31}, {7, 33}, {129, 96}, {64, 1001}})
            expect_right(kernel, a, b, d, n, k);
    dlclose(handle);
  }
}

TEST_F(DropInExample, is_the_one_that_the_document_shows) {
  const fs::path docs = fs::path(ASSAY_SOURCE_DIR) / "docs";
  EXPECT_NE(read_file(docs / "drop-in-kernels.md").find(read_file(docs / "examples" / "drop-in" / "manifest.json")),
            std::string::npos);
}

TEST_F(DropInExample, refuses_what_it_does_not_support) {
  const Manifest manifest = load_manifest(fs::path(ASSAY_SOURCE_DIR) / "docs" / "examples" / "drop-in");
  Spec spec;
  spec.op = "matmul";
  spec.n = 64;
  spec.k = 64;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec), "layout is nn, supports nt");
  spec.tB = true;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec), "");
  spec.bias = true;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec), "has a bias, supports none");
}

}  // namespace
}  // namespace assay

// What a module is built from that no scan of its sources sees: macros as file names, flags that name files, archives.
#include "base/file.h"
#include "build_cache_fixture.h"
#include "kernel/include_lines.h"

namespace assay {
namespace {

constexpr const char* kAnswer =
    "extern \"C\" __attribute__((visibility(\"default\"))) int answer() { return FACTOR + X; }\n";

class BuildInputsTest : public BuildCacheTest {
 protected:
  /// Builds, edits, and expects another key and another answer; then the first content, and no compiler.
  void expect_rebuilt(const std::function<void(int)>& edit) {
    edit(1);
    const BuiltModule one = cache().build(variant_, kGeneric);
    ASSERT_EQ(one.error, "");
    EXPECT_EQ(answer_of(one.file), 2);
    edit(2);
    const BuiltModule two = cache().build(variant_, kGeneric);
    ASSERT_EQ(two.error, "");
    EXPECT_FALSE(two.from_cache);
    EXPECT_NE(one.key.hash, two.key.hash);
    EXPECT_EQ(answer_of(two.file), 3);
    EXPECT_TRUE(cache().build(variant_, kGeneric).from_cache);
    edit(1);
    EXPECT_EQ(cache().key(variant_, kGeneric).hash, one.key.hash);
    EXPECT_TRUE(cache().build(variant_, kGeneric).from_cache);
  }
  void header(int value, const std::string& name = "src/factor.h") const {
    write(name, fmt::format("#define FACTOR {}\n", value));
  }
  void archive(int value) const {
    write("lib/fac.cpp", fmt::format("extern \"C\" int fac() {{ return {}; }}\n", value));
    const std::string folder = (root_ / "lib").string();
    ASSERT_EQ(run_process({real_compiler().command, "-fPIC", "-c", folder + "/fac.cpp", "-o", folder + "/fac.o"}, 60)
                  .exit_code,
              0);
    fs::remove(root_ / "lib/libfac.a");
    ASSERT_EQ(run_process({"ar", "rcD", folder + "/libfac.a", folder + "/fac.o"}, 60).exit_code, 0);
  }
};

TEST_F(BuildInputsTest, an_include_by_a_macro_is_read) {
  write("src/k.cpp", std::string("#define HDR \"factor.h\"\n#include HDR\n") + kAnswer);
  expect_rebuilt([&](int value) { header(value); });
}

TEST_F(BuildInputsTest, an_include_by_a_macro_in_an_include_by_a_macro_is_read) {
  write("src/k.cpp", std::string("#define HDR \"outer.h\"\n#include HDR\n") + kAnswer);
  write("src/outer.h", "#undef HDR\n#define HDR \"factor.h\"\n#include HDR\n");
  expect_rebuilt([&](int value) { header(value); });
}

TEST_F(BuildInputsTest, an_include_by_a_macro_of_the_flags_is_read) {
  write("src/k.cpp", std::string("#include HDR\n") + kAnswer);
  variant_.compile_flags = {"-DHDR=\"factor.h\""};
  expect_rebuilt([&](int value) { header(value); });
}

TEST_F(BuildInputsTest, an_include_after_a_comment_over_two_lines_and_by_the_next_folder_is_read) {
  for (const char* include : {"/* why */ #include \"factor.h\"\n", "/* a\n b */#/**/include/**/\"factor.h\"\n",
                              "#incl\\\nude \"factor.h\"\n", "%:include \"factor.h\"\n"}) {
    write("src/k.cpp", std::string(include) + kAnswer);
    expect_rebuilt([&](int value) { header(value); });
  }
  write("src/k.cpp", std::string("#include \"factor.h\"\n") + kAnswer);
  write("src/factor.h", "#include_next <factor.h>\n");
  variant_.compile_flags = {"-I" + (root_ / "next").string()};
  expect_rebuilt([&](int value) { header(value, "next/factor.h"); });
}

TEST_F(BuildInputsTest, the_folder_that_the_compiler_takes_is_the_one_that_counts) {
  write("src/k.cpp", std::string("#include <factor.h>\n") + kAnswer);
  header(7);
  variant_.compile_flags = {"-I" + (root_ / "first").string()};
  expect_rebuilt([&](int value) { header(value, "first/factor.h"); });
  variant_.compile_flags = {"-isystem", (root_ / "system").string()};
  fs::remove(root_ / "src/factor.h");
  expect_rebuilt([&](int value) { header(value, "system/factor.h"); });
}

TEST_F(BuildInputsTest, a_file_that_a_flag_includes_is_read_with_what_it_includes) {
  write("src/k.cpp", kAnswer);
  write("src/outer.h", "#include \"factor.h\"\n");
  variant_.compile_flags = {"-include", (root_ / "src/factor.h").string()};
  expect_rebuilt([&](int value) { header(value); });
  variant_.compile_flags = {"-include", (root_ / "src/outer.h").string()};
  expect_rebuilt([&](int value) { header(value); });
  write("flags", "-include " + (root_ / "src/outer.h").string() + "\n");
  variant_.compile_flags = {"@" + (root_ / "flags").string()};
  expect_rebuilt([&](int value) { header(value); });
}

TEST_F(BuildInputsTest, bytes_that_the_assembler_includes_are_read) {
  write("src/k.cpp", fmt::format("asm(\".data\\nbytes: .incbin \\\"{}\\\"\\n.byte 0\\n.text\\n\");\n"
                                 "extern \"C\" __attribute__((visibility(\"hidden\"))) const char bytes[];\n"
                                 "#define FACTOR (bytes[0] - '0')\n{}",
                                 (root_ / "src/bytes").string(), kAnswer));
  expect_rebuilt([&](int value) { write("src/bytes", std::to_string(value)); });
}

TEST_F(BuildInputsTest, an_archive_that_is_linked_is_read) {
  write("src/k.cpp", std::string("extern \"C\" int fac();\n#define FACTOR fac()\n") + kAnswer);
  const std::string folder = (root_ / "lib").string();
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"-L" + folder, "-lfac"},
        {"-L", folder, "-l", "fac"},
        {"-Wl,-L," + folder, "-l:libfac.a"},
        {folder + "/libfac.a"},
        {"-Wl,--whole-archive," + folder + "/libfac.a", "-Wl,--no-whole-archive"}}) {
    variant_.link_flags = flags;
    expect_rebuilt([&](int value) { archive(value); });
  }
}

TEST_F(BuildInputsTest, keys_of_usual_kernels_start_no_compiler) {
  const Compiler compiler = counting_compiler();
  variant_.compile_flags = {"-O2", "-mavx2", "-DTURNED=1", "-ffast-math", "-I" + (root_ / "src").string()};
  variant_.link_flags = {"-lm"};
  cache(compiler).key(variant_, kGeneric);
  EXPECT_EQ(compile_count(), 0);
}

TEST_F(BuildInputsTest, a_compiler_that_lists_nothing_takes_all_files_of_the_folders) {
  Compiler compiler = real_compiler();
  compiler.lists_reads = false;
  write("src/k.cpp", std::string("#define HDR \"factor.h\"\n#include HDR\n") + kAnswer);
  header(1);
  const std::string before = cache(compiler).key(variant_, kGeneric).hash;
  header(2);
  EXPECT_NE(cache(compiler).key(variant_, kGeneric).hash, before);
}

TEST(IncludeLinesTest, comments_and_strings_hold_none) {
  const IncludeLines lines = include_lines(
      "// #include MACRO\n/*\n#include MACRO\n*/\nconst char* text = R\"x(\n#include MACRO\n)\" )x\";\n"
      "#error don't\nint n = 1'000; const char* s = \"/*\";\n #  include \"a.h\" // \"b.h\"\n");
  EXPECT_FALSE(lines.unclear);
  ASSERT_EQ(lines.found.size(), 1u);
  EXPECT_EQ(lines.found[0].name, "a.h");
}

TEST(IncludeLinesTest, a_name_by_a_macro_is_unclear) {
  for (const char* text : {"#include MACRO", "#include_next <a.h>", "#import \"a.h\"", "#embed \"a\"",
                           "# include\tM(x)", "int x;\n/**/ #include MACRO\n"})
    EXPECT_TRUE(include_lines(text).unclear) << text;
}

}  // namespace
}  // namespace assay

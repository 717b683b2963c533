// The build cache: what a key depends on and what it does not, and which modules are found.
#include <set>

#include "base/file.h"
#include "build_cache_fixture.h"
#include "processor_time.h"

namespace assay {
namespace {

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

TEST_F(BuildCacheTest, kernels_of_one_module_are_compiled_once_whatever_their_families) {
  Variant other = variant_;
  other.family = "subtracter";
  variant_.entry = "plus", other.entry = "minus";
  const std::vector<BuildRequest> requests = {{&variant_, &kGeneric}, {&other, &kGeneric}};
  const std::vector<BuiltModule> modules = cache(counting_compiler()).build_all(requests, 2);
  ASSERT_EQ(modules[0].error + modules[1].error, "");
  EXPECT_EQ(modules[0].file, modules[1].file);
  EXPECT_EQ(compile_count(), 1);
}

TEST_F(BuildCacheTest, where_nothing_can_be_made_what_is_there_is_found_and_the_rest_says_why) {
  cache().build(variant_, kGeneric);
  BuildCache closed(real_compiler(), {root_ / "cache"}, kAbiFolder, "no folder for kernels");
  EXPECT_TRUE(closed.build(variant_, kGeneric).from_cache);
  variant_.parameters = {{"X", 2}};
  try {
    closed.build(variant_, kGeneric);
    ADD_FAILURE() << "built into a folder that is for reading";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "no folder for kernels");
  }
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
  variant_.supports.features = {"bias"};
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
       {"abi version: 3\n", "source: k.cpp ", "include: k.h ", "include: deep/inner.h ", "include: beside.h ",
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

TEST_F(BuildCacheTest, keys_of_forty_variants_read_each_source_once_and_take_milliseconds) {
  const auto forty_keys = [&] {
    BuildCache fresh = cache();
    for (int i = 0; i < 40; ++i) {
      variant_.parameters = {{"X", i}};
      fresh.key(variant_, kGeneric);
    }
  };
  EXPECT_LT(least_processor_ns(5, forty_keys), 100'000'000);  // 1 ms in a release build; sanitizers are slower
  BuildCache one = cache();
  const std::string before = one.key(variant_, kGeneric).hash;
  write("src/k.h", "#define Y 1\n");
  EXPECT_EQ(one.key(variant_, kGeneric).hash, before) << "one object sees one state of the sources";
}

}  // namespace
}  // namespace assay

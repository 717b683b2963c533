// A folder with one small kernel source, its includes, and a build cache, for tests of both.
#pragma once
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernel/build_cache.h"

namespace assay {

namespace fs = std::filesystem;

inline const fs::path kAbiFolder = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu";
inline const IsaLevel kGeneric = {"generic", {}};

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

inline int answer_of(const fs::path& module) {
  void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return -1;
  const auto answer = reinterpret_cast<int (*)()>(dlsym(handle, "answer"));
  const int result = answer ? answer() : -2;
  dlclose(handle);
  return result;
}

}  // namespace assay

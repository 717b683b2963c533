// assay-nvrtc: compiles one .cu to a cubin, called like a C++ compiler so that the build cache can run it as one.
#include <nvrtc.h>

#include <cstdio>
#include <string>
#include <vector>

#include "backend/cuda/shared_library.h"
#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

constexpr char kUsage[] =
    "assay-nvrtc FLAGS SOURCE.cu -o MODULE.cubin\n"
    "Compiles device code for one architecture with NVRTC; no GPU is needed. FLAGS are NVRTC's: "
    "--gpu-architecture=sm_90a, -std=c++20,\n"
    "-DNAME=value, -Ifolder. The toolkit's include folders are added. --version says which NVRTC was found.\n"
    "NVRTC is looked for in $CUDA_HOME, the system's library folders, /usr/local/cuda and the folder lib beside this "
    "program.\n";

/// The functions of NVRTC that are used, found while the program runs.
struct Nvrtc {
  decltype(&nvrtcVersion) version;
  decltype(&nvrtcGetErrorString) error_string;
  decltype(&nvrtcCreateProgram) create;
  decltype(&nvrtcCompileProgram) compile;
  decltype(&nvrtcGetProgramLogSize) log_size;
  decltype(&nvrtcGetProgramLog) log;
  decltype(&nvrtcGetCUBINSize) cubin_size;
  decltype(&nvrtcGetCUBIN) cubin;

  Nvrtc() {
    void* library = open_shared_library({"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"});
    if (!library)
      fail("libnvrtc.so is not here: install a CUDA toolkit (12 or 13), or set CUDA_HOME to the folder of one");
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library_function(library, name));
      if (!function) fail("libnvrtc.so has no {}: install a CUDA toolkit from 12 on", name);
    };
    find(version, "nvrtcVersion");
    find(error_string, "nvrtcGetErrorString");
    find(create, "nvrtcCreateProgram");
    find(compile, "nvrtcCompileProgram");
    find(log_size, "nvrtcGetProgramLogSize");
    find(log, "nvrtcGetProgramLog");
    find(cubin_size, "nvrtcGetCUBINSize");
    find(cubin, "nvrtcGetCUBIN");
  }
  void check(nvrtcResult result) const {
    if (result != NVRTC_SUCCESS) fail("NVRTC: {}", error_string(result));
  }
};

int print_version() {
  int major = 0, minor = 0;
  const Nvrtc nvrtc;
  nvrtc.check(nvrtc.version(&major, &minor));
  fmt::print("NVRTC {}.{}\n", major, minor);
  return 0;
}

int compile(const std::string& source, const std::string& module, std::vector<std::string> flags) {
  const Nvrtc nvrtc;
  for (const auto& folder : toolkit_includes()) flags.push_back("-I" + folder.string());
  std::vector<const char*> options;
  for (const std::string& flag : flags) options.push_back(flag.c_str());
  const std::string text = read_file(source);
  nvrtcProgram program = nullptr;
  nvrtc.check(nvrtc.create(&program, text.c_str(), source.c_str(), 0, nullptr, nullptr));
  const nvrtcResult result = nvrtc.compile(program, int(options.size()), options.data());
  size_t size = 0;
  nvrtc.check(nvrtc.log_size(program, &size));
  std::string log(size, '\0');
  nvrtc.check(nvrtc.log(program, log.data()));
  while (!log.empty() && (log.back() == '\0' || log.back() == '\n')) log.pop_back();
  if (!log.empty()) fmt::print(stderr, "{}\n", log);
  if (result != NVRTC_SUCCESS) {
    if (log.empty()) fmt::print(stderr, "{}: {}\n", source, nvrtc.error_string(result));
    return 1;
  }
  nvrtc.check(nvrtc.cubin_size(program, &size));
  if (size == 0) fail("{}: NVRTC made no cubin; name a real architecture (--gpu-architecture=sm_90a)", source);
  std::string cubin(size, '\0');
  nvrtc.check(nvrtc.cubin(program, cubin.data()));
  write_file(module, cubin);
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  std::string source, module;
  std::vector<std::string> flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--version") return print_version();
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kUsage);
      return 0;
    }
    if (argument == "-o") {
      if (i + 1 == arguments.size()) fail("-o needs the file to write; see --help");
      module = arguments[++i];
    } else if (argument.starts_with("-")) {
      flags.push_back(argument);
    } else if (source.empty()) {
      source = argument;
    } else {
      fail("two sources, {} and {}; one at a time", source, argument);
    }
  }
  if (source.empty() || module.empty()) fail("needs a source and -o MODULE; see --help");
  return compile(source, module, std::move(flags));
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  try {
    return assay::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    fmt::print(stderr, "assay-nvrtc: {}\n", e.what());
    return 1;
  }
}

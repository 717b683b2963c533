// Finding the system's C++ compiler, and saying why a compiler made no module.
#include "kernel/compiler.h"

#include <fmt/format.h>

#include <cstdlib>

#include "../../kernels/cpu/assay_kernel.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr double kAnswerLimitS = 5;
constexpr int kMostMessageLines = 40;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// All three questions at once: a start-up pays for the slowest only.
std::string ask_version(const std::string& command) {
  ProcessSet questions;
  for (const char* question : {"--version", "-dumpfullversion", "-dumpmachine"})
    questions.start({command, question}, kAnswerLimitS);
  std::string answers[3];
  while (questions.running() > 0) {
    const auto done = questions.wait(kAnswerLimitS);
    if (!done) continue;
    if (done->second.exit_code == 0) answers[done->first] = first_line(done->second.output);
  }
  if (answers[0].empty()) return "";
  return fmt::format("{} {}; {}", answers[1], answers[2], answers[0]);
}

void ask(const std::string& command, Compiler& compiler) {
  compiler.command = command;
  compiler.version = ask_version(command);
  compiler.precompiles = !compiler.version.starts_with(' ');  // clang has no -dumpfullversion
}

}  // namespace

Compiler find_compiler() {
  Compiler compiler;
  ASSAY_CHECK(compiler.abi_version == ASSAY_ABI_VERSION);
  compiler.limit_s = compile_limit_s();
  compiler.lists_reads = true;
  if (const char* chosen = std::getenv("ASSAY_CXX"); chosen && *chosen) {
    ask(chosen, compiler);
    return compiler;
  }
  for (const char* command : {"g++", "c++", "clang++"}) {
    ask(command, compiler);
    if (!compiler.version.empty()) return compiler;
  }
  compiler.command = "g++";
  return compiler;
}

double compile_limit_s() {
  const char* limit = std::getenv("ASSAY_COMPILE_LIMIT_S");
  return limit && std::atof(limit) > 0 ? std::atof(limit) : 120;
}

const std::vector<std::string>& Compiler::cxx_module_flags() {
  static const std::vector<std::string> flags = {"-std=c++20",     "-O3", "-fPIC", "-shared", "-fvisibility=hidden",
                                                 "-fno-math-errno"};
  return flags;
}

const Library* Compiler::library(const std::string& name) const {
  for (const Library& library : libraries)
    if (library.name == name && library.missing.empty()) return &library;
  return nullptr;
}

std::string missing_compiler_error(const Compiler& compiler) {
  return fmt::format("the {} {} is missing or does not answer: {}", compiler.what, compiler.command, compiler.install);
}

std::string compile_error(const Compiler& compiler, const std::string& source_name, const ProcessResult& result) {
  if (result.timed_out)
    return fmt::format("{} needed more than {:g} s for {} and was killed", compiler.command, compiler.limit_s,
                       source_name);
  if (result.exit_code == 0) return "";
  if (result.exit_code == 127) return missing_compiler_error(compiler);
  std::string messages = result.output;
  size_t end = 0;
  for (int line = 0; line < kMostMessageLines && end < messages.size(); ++line) {
    const size_t newline = messages.find('\n', end);
    end = newline == std::string::npos ? messages.size() : newline + 1;
  }
  if (end < messages.size()) messages = messages.substr(0, end) + "(more messages follow)\n";
  while (!messages.empty() && messages.back() == '\n') messages.pop_back();
  const std::string why =
      result.signal != 0 ? fmt::format("signal {}", result.signal) : fmt::format("exit {}", result.exit_code);
  return fmt::format("{} failed on {} ({}){}{}", compiler.command, source_name, why, messages.empty() ? "" : ":\n",
                     messages);
}

}  // namespace assay

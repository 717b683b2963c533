// The system's C++ compiler: which one, which version, and the command that makes a kernel module.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/process.h"

namespace assay {

struct Compiler {
  std::string command;   // "g++", $ASSAY_CXX: one program, without arguments
  std::string version;   // "12.2.0 x86_64-linux-gnu; g++ (Debian 12.2.0-14+deb12u1) 12.2.0"; empty if it is missing
  double limit_s = 120;  // one file may take this long; $ASSAY_COMPILE_LIMIT_S changes it
};

/// $ASSAY_CXX and nothing else where it is set, or the first of g++, c++, clang++ that answers; version empty if none
/// does.
Compiler find_compiler();

/// The flags of every module, before those of ISA level and manifest.
const std::vector<std::string>& module_flags();

/// "" if the compiler made its file, else what went wrong: its messages as they are (40 lines), or what to install.
std::string compile_error(const Compiler& compiler, const std::string& source_name, const ProcessResult& result);
std::string missing_compiler_error(const Compiler& compiler);

}  // namespace assay

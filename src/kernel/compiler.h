// A backend's compiler as data: the program, its version, the flags of every module, and what it says when it fails.
#pragma once
#include <string>
#include <vector>

#include "base/process.h"

namespace assay {

/// What a kernel may be built against where it is installed: a manifest's "library".
struct Library {
  std::string name;
  std::string version;                                   // of its content; part of every key
  std::vector<std::string> include_folders, link_flags;  // the flags stand after the source
  std::string missing;                                   // "" where it is here, else why not and how to get it
};

/// One program that is called as PROGRAM FLAGS… -Ifolder… -DNAME=value… SOURCE -o MODULE LINK_FLAGS… and exits 0 or
/// prints why not.
struct Compiler {
  std::string command;   // "g++", $ASSAY_CXX: one program, without arguments
  std::string version;   // "12.2.0 x86_64-linux-gnu; g++ (Debian 12.2.0-14+deb12u1) 12.2.0"; empty if it is missing
  double limit_s = 120;  // one file may take this long; $ASSAY_COMPILE_LIMIT_S changes it
  std::vector<std::string> module_flags =
      cxx_module_flags();  // of every module, before those of ISA level and manifest
  std::string module_extension = ".so";
  int abi_version = 3;  // of the kernel ABI that its modules have; part of every key
  std::string install = "install g++ (apt-get install g++) or set ASSAY_CXX";  // what to do when it is missing
  std::string what = "C++ compiler";
  bool lists_reads = false;             // -M and -MMD write a rule with the files that it reads
  bool precompiles = false;             // as GCC does: FILE.gch stands for FILE
  std::vector<Library> libraries = {};  // all that its manifests may name, here or not

  /// Null if it is not here.
  const Library* library(const std::string& name) const;

  static const std::vector<std::string>& cxx_module_flags();
};

/// $ASSAY_CXX and nothing else where it is set, or the first of g++, c++, clang++ that answers; version empty if none
/// does.
Compiler find_compiler();

/// $ASSAY_COMPILE_LIMIT_S, or else 120.
double compile_limit_s();

/// "" if the compiler made its file, else what went wrong: its messages as they are (40 lines), or what to install.
std::string compile_error(const Compiler& compiler, const std::string& source_name, const ProcessResult& result);
std::string missing_compiler_error(const Compiler& compiler);

}  // namespace assay

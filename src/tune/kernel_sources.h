// The sources of exported kernels with what they include, and for each kernel a source of its own that sets its defines
// and gives all that it defines names of its own.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tune/export_folder.h"
#include "tune/winner.h"

namespace assay {

/// One compiled object of an export: several specs may have it as winner.
struct ExportedKernel {
  const Variant* variant = nullptr;
  const IsaLevel* isa = nullptr;
  std::string symbol;              // "fast_cpu_gemv_rowdot_r2_u2_p0_avx512": what its names begin with
  std::string file;                // "winners/gemv_rowdot-r2_u2_p0-avx512.cpp"
  std::vector<std::string> flags;  // of the compiler, without defines and output
  std::string provenance;          // lines, without comment signs
};

/// Files below kernels/: each source and header once. Error where one is missing, or lies outside of the folders that
/// its kernel names.
class KernelSources {
 public:
  /// shipped: the folder that has the ABI header `abi_header`.
  KernelSources(std::filesystem::path shipped, const std::string& abi_header, std::string origin);

  /// Adds the kernel's files; sets its file and its include folders as flags.
  void add(ExportedKernel& kernel, const std::string& prefix);
  const ExportedFiles& files() const { return files_; }

 private:
  std::string place(const std::filesystem::path& file, const std::vector<std::filesystem::path>& roots);
  std::string folder_of(const std::filesystem::path& root);
  void copy(const std::string& name, const std::filesystem::path& from);

  std::filesystem::path shipped_;
  std::string origin_;
  std::vector<std::filesystem::path> roots_;
  ExportedFiles files_;
};

/// Letters, digits and _ alone.
std::string identifier(const std::string& text);
/// A C comment of these lines.
std::string c_comment(const std::string& lines);

}  // namespace assay

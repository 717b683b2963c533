// Winners as a folder that somebody else's engine builds without assay: sources, tables, a header, tests.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tune/export_folder.h"
#include "tune/winner.h"

namespace assay {

struct ExportRequest {
  std::string prefix;                                         // of all names: "fast_cpu"
  DeviceInfo device;                                          // on which the winners were measured
  std::vector<std::string> module_flags;                      // Compiler::module_flags
  std::filesystem::path kernels;                              // the backend's shipped kernels: the ABI header is there
  std::filesystem::path templates;                            // kernels/export
  std::string program, date;                                  // "assay 0.1.0 (9f3e…)", "2026-11-28"
  std::function<std::string(const CaseRecord&)> measured_by;  // the same of the program that measured
};

/// Error where the prefix is no name in C, or a kernel's source cannot stand alone.
ExportedFiles make_export(const ExportRequest& request, const Winners& winners);

/// The mark's members: what was exported, for programs.
std::string about_export(const ExportRequest& request, const Winners& winners);

}  // namespace assay

// The Makefile and the README of an export.
#pragma once
#include <string>
#include <vector>

#include "tune/c_tables.h"
#include "tune/exporter.h"

namespace assay {

/// With names of the prefix "dropin", as in the templates.
std::string cpu_makefile(const std::vector<ExportedKernel>& kernels, const std::string& provenance);
std::string cuda_makefile(const std::vector<ExportedKernel>& kernels, const std::string& provenance);
std::string export_readme(const ExportRequest& request, const Winners& winners,
                          const std::vector<ExportedKernel>& kernels, const std::vector<ExportedSpec>& specs);

/// "measured on cpu:0 (…), 2026-11-28, by assay …: median 46.4 us, 95.3 % of the floor" and its notes.
std::string measured_text(const ExportRequest& request, const Winner& winner);
std::string date_text(int64_t unix_seconds);

}  // namespace assay

// The tables of an export in C: constants, specs, kernels with their rules, test vectors.
#pragma once
#include <string>
#include <vector>

#include "tune/kernel_sources.h"
#include "tune/test_vector.h"
#include "tune/winner.h"

namespace assay {

/// A winner, and which of the exported kernels it is.
struct ExportedSpec {
  const Winner* winner = nullptr;
  size_t kernel = 0;
};

/// A spec that is no winner's, and the kernel that is tried on it.
struct ExportedVector {
  TestVector vector;
  size_t spec = 0;          // the winner's whose kernel runs it
  bool is_winners = false;  // its spec is that winner's own
  bool is_measured = false;
};

/// What the header lacks: enums of ops, types, roles and layouts, the struct of sizes.
std::string c_constants(const std::vector<ExportedSpec>& specs, size_t kernels);
/// Specs, kernels and where sizes stand. `code`: of each kernel the initializer of its dropin_code.
std::string c_tables(const std::vector<ExportedSpec>& specs, const std::vector<ExportedKernel>& kernels,
                     const std::vector<std::string>& code);
/// Names of sizes and types, and what entry names are made of: for GPUs.
std::string c_name_tables(const std::vector<ExportedSpec>& specs);
std::string c_vectors(const std::vector<ExportedVector>& vectors, const std::vector<Pool>& pools,
                      const std::vector<ExportedSpec>& specs);

}  // namespace assay

// Instruction sets of CPUs as sets of features: their names in manifests, the compiler's flags.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// A set of instructions that a source can be compiled for: its compiler flags, and what a processor must have to run
/// it.
struct IsaLevel {
  std::string name;  // "generic", "avx2", "avx512+vnni" … of a CPU; "sm_90a" of a GPU
  std::vector<std::string> flags;
};

/// One feature. It is named together with those that it needs: "avx512+vnni"; avx512 has avx2 within it.
struct IsaFeature {
  std::string_view name, needs;
  std::vector<std::string> flags;                 // what it adds to those of the feature that it needs
  std::vector<std::string_view> processor_words;  // all must be in the list of flags that the system shows
};
const std::vector<IsaFeature>& isa_features();

/// Every set that a processor with these features can run, "generic" first, the one with most last.
std::vector<IsaLevel> isa_levels(const std::function<bool(const IsaFeature&)>& has);

/// The sets' names that a manifest may use.
const std::vector<std::string>& isa_names();

}  // namespace assay

// Near names for a misspelt one, and glob matching of names.
#pragma once
#include <string>
#include <vector>

namespace assay {

/// The up to three names of `known` nearest to `name` by edit distance, nearest first, in small letters or
/// capitals; none that differ by more than
/// half.
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known);

/// "; did you mean X or Y?" or "" where nothing is near.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

/// Whether `name` matches the shell pattern (`*` also crosses `/`).
bool glob_matches(const std::string& pattern, const std::string& name);

}  // namespace assay

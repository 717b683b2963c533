// Near names for a misspelt one, and glob matching of names.
#include "base/suggest.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "base/joined.h"

namespace assay {
namespace {
std::string in_small_letters(std::string text) {
  for (char& each : text) each = char(std::tolower(static_cast<unsigned char>(each)));
  return text;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}
}  // namespace

std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known) {
  std::vector<std::pair<size_t, std::string>> scored;
  const std::string small = in_small_letters(name);
  for (const std::string& candidate : known) {
    const std::string other = in_small_letters(candidate);
    const bool contains = other.find(small) != std::string::npos && name.size() > 2;
    const size_t distance = other == small ? 0 : contains ? 1 : edit_distance(small, other);
    if (2 * distance <= std::max(name.size(), candidate.size())) scored.emplace_back(distance, candidate);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < scored.size() && i < 3; ++i) result.push_back(scored[i].second);
  return result;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const auto near = near_names(name, known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", joined(near, " or "));
}

bool glob_matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace assay

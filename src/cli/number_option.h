// A number on the command line, or a list of them: the one place where such a text is judged.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// The whole text as a number of that type; nothing for "5x", "", "1e999", and for NaN.
template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value != value) return std::nullopt;
  return value;
}

/// "1,8,0" as whole numbers, all from `least` to `most`; nothing for "", "1,", "1,,2" and what is no number.
inline std::optional<std::vector<int64_t>> parse_number_list(const std::string& text, int64_t least, int64_t most) {
  std::vector<int64_t> values;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const auto value = parse_number<int64_t>(text.substr(at, end - at));
    if (!value || *value < least || *value > most) return std::nullopt;
    values.push_back(*value);
    at = end + 1;
  }
  return values;
}

}  // namespace assay

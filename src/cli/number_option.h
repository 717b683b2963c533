// A number on the command line: the one place where such a text is judged.
#pragma once
#include <charconv>
#include <optional>
#include <string>

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

}  // namespace assay

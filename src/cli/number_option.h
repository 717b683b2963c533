// The range of an option that is a number: the one place where such a text is judged.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
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

namespace number_option {
template <typename Number>
CLI::Validator range(Number least, Number most, const char* what) {
  const auto fault = [=](const std::string& text) {
    const std::optional<Number> value = parse_number<Number>(text);
    const bool is_within = value && *value >= least && *value <= most;
    return is_within ? std::string()
                     : fmt::format("{} is no {} from {} to {}", text.empty() ? "\"\"" : text, what, least, most);
  };
  return CLI::Validator(fault, "");
}
}  // namespace number_option

/// Refuses what is no number from `least` to `most`: NaN and infinities, too much for a double, text behind it.
inline CLI::Validator number_from(double least, double most) { return number_option::range(least, most, "number"); }

/// The same for whole numbers.
inline CLI::Validator whole_from(int64_t least, int64_t most) {
  return number_option::range(least, most, "whole number");
}

}  // namespace assay

// The range of an option that is a number.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

namespace assay {

/// Refuses what is no number from `least` to `most`, NaN too, which CLI::Range lets through.
inline CLI::Validator number_from(double least, double most) {
  const auto fault = [least, most](const std::string& text) {
    double value = 0;
    const bool is_within = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
    return is_within ? std::string() : fmt::format("{} is no number from {} to {}", text, least, most);
  };
  return CLI::Validator(fault, "");
}

}  // namespace assay

// Pieces of a log's lines, and how messages quote them.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/terminal.h"

namespace assay {

inline std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Takes the part up to the separator off the front of `text`; false when all parts are taken.
inline bool cut(std::string_view& text, std::string_view separator, std::string_view& part) {
  if (text.data() == nullptr) return false;
  const size_t end = text.find(separator);
  part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + separator.size());
  return true;
}

inline std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The beginning of the text, as a message shows it.
inline std::string quoted(std::string_view text) { return "'" + cut_end(one_line(text.substr(0, 300)), 60) + "'"; }

}  // namespace assay

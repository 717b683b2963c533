// One walk over the bytes of a bad line: encodings first, then what stands outside of texts and within them.
#include "trace/json_fault.h"

#include <algorithm>
#include <charconv>

namespace assay {
namespace {

constexpr size_t kMostContainers = 1024;  // simdjson's limit
constexpr size_t kGapNuls = 8;            // UTF-32 has three in a row

/// The four hex digits of an escape \uXXXX that begins at `at`; -1 if it is none.
int escape_at(std::string_view line, size_t at) {
  if (line.substr(at, 2) != "\\u" || at + 6 > line.size()) return -1;
  int value = 0;
  const auto [end, error] = std::from_chars(line.data() + at + 2, line.data() + at + 6, value, 16);
  return error == std::errc() && end == line.data() + at + 6 ? value : -1;
}

std::string encoding_fault(std::string_view line) {
  const auto nuls = static_cast<size_t>(std::count(line.begin(), line.end(), '\0'));
  if (line.find(std::string(kGapNuls, '\0')) != std::string_view::npos)
    return "a gap of NUL bytes, as a crash or a cut file leaves";
  const std::string_view mark = line.substr(0, 2);
  if (mark == "\xff\xfe" || mark == "\xfe\xff" || (line.size() > 3 && nuls * 3 >= line.size() && nuls < line.size()))
    return "UTF-16 or UTF-32, not UTF-8";
  if (line.starts_with("\xef\xbb\xbf")) return "a byte order mark";
  return nuls > 0 ? "a NUL byte" : "";
}

/// Moves `at` from behind a text's opening quote to behind its closing one.
std::string text_fault(std::string_view line, size_t& at) {
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '"') return ++at, "";
    if (static_cast<unsigned char>(c) < 0x20) return "a control character in a text";
    if (c != '\\') continue;
    const int unit = escape_at(line, at);
    if (unit >= 0xD800 && unit <= 0xDFFF) {
      const int second = unit < 0xDC00 ? escape_at(line, at + 6) : -1;
      if (second < 0xDC00 || second > 0xDFFF) return "a lone surrogate";
      at += 6;
    }
    at += unit >= 0 ? 5 : 1;
  }
  return "it ends within a text";
}

std::string structure_fault(std::string_view line) {
  size_t open = 0, deepest = 0;
  for (size_t at = 0; at < line.size();) {
    const char c = line[at];
    if (line.substr(at, 3) == "NaN") return "NaN";
    if (line.substr(at, 8) == "Infinity") return "Infinity";
    ++at;
    if (c == '"') {
      if (std::string fault = text_fault(line, at); !fault.empty()) return fault;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++open);
    } else if ((c == '}' || c == ']') && open-- == 0) {
      return "a bracket that nothing opened";
    }
    if (open == 0 && (c == '}' || c == ']')) {
      const size_t next = line.find_first_not_of(" \t\r", at);
      if (next == std::string_view::npos) continue;
      if (line[next] == '{' || line[next] == '[') return "two objects on a line: a line end is missing";
      if (line[next] == '}' || line[next] == ']') continue;  // one too many
      return "something behind the object";
    }
  }
  if (deepest > kMostContainers) return "more than 1,024 containers within each other";
  return open > 0 ? "it ends before its brackets close" : "";
}

}  // namespace

std::string json_fault(std::string_view line, simdjson::error_code error) {
  std::string fault = encoding_fault(line);
  if (fault.empty() && error == simdjson::UTF8_ERROR) fault = "invalid UTF-8";
  if (fault.empty()) fault = structure_fault(line);
  if (!fault.empty()) return fault;
  switch (error) {
    case simdjson::NUMBER_ERROR:
      return "a malformed number, or one beyond 64 bits";
    case simdjson::STRING_ERROR:
      return "an escape that JSON does not have";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word that JSON does not have";
    case simdjson::TAPE_ERROR:
      return "something missing or out of place between values";
    default:
      return simdjson::error_message(error);
  }
}

}  // namespace assay

// A manifest's launch geometry as a C function.
#include "tune/c_geometry.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kSizes[] = {"m", "n", "n0", "n1", "n2", "k", "batch", "segments", "bytes", "sms"};
constexpr std::pair<std::string_view, std::string_view> kFunctions[] = {
    {"ceil", "ceil"}, {"floor", "floor"}, {"min", "fmin"}, {"max", "fmax"}};

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

[[noreturn]] void refuse(const std::string& text, const std::string& what) {
  fail("the launch expression \"{}\" uses {}, which cannot be exported to C", text, what);
}

/// What stands between the brackets that open at `open` has so many commas of its own.
int commas(const std::string& text, size_t open) {
  int depth = 0, count = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) break;
    count += text[i] == ',' && depth == 1;
  }
  return count;
}

std::string c_word(const std::string& word, const std::string& text, size_t end,
                   const std::vector<std::pair<std::string, int64_t>>& parameters) {
  if (std::isdigit(static_cast<unsigned char>(word[0])))  // a whole number would divide as one
    return word.find_first_not_of("0123456789") == std::string::npos ? word + ".0" : word;
  for (const auto& [name, value] : parameters)
    if (name == word) return fmt::format("{}.0", value);
  if (std::find(std::begin(kSizes), std::end(kSizes), word) != std::end(kSizes)) return "s->" + word;
  for (const auto& [name, in_c] : kFunctions) {
    if (name != word) continue;
    const size_t open = text.find_first_not_of(' ', end);
    const bool takes_two = name == "min" || name == "max";
    if (open == std::string::npos || text[open] != '(' || commas(text, open) != int(takes_two))
      refuse(text, fmt::format("{} of other than {}", name, takes_two ? "two" : "one"));
    return std::string(in_c);
  }
  refuse(text, word);
}

}  // namespace

std::string c_expression(const std::string& text, const std::vector<std::pair<std::string, int64_t>>& parameters) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (in_word(text[i])) {
      size_t end = i;
      while (end < text.size() && in_word(text[end])) ++end;
      out += c_word(text.substr(i, end - i), text, end, parameters);
      i = end;
      continue;
    }
    if (std::string_view("+-*/()<>=!&|?:, ").find(text[i]) == std::string_view::npos)
      refuse(text, fmt::format("'{}'", text[i]));
    out += text[i++];
  }
  return out;
}

std::string c_geometry(const Variant& variant, const std::string& name) {
  ASSAY_CHECK(variant.launch != nullptr);
  std::string body;
  for (const auto& [key, texts] : variant.launch->expressions()) {
    const bool has_parts = key.ends_with("grid") || key.ends_with("block");
    for (size_t i = 0; i < texts.size(); ++i)
      body += fmt::format("  g->{}{} = {};\n", key, has_parts ? fmt::format("[{}]", i) : "",
                          c_expression(texts[i], variant.parameters));
  }
  if (variant.launch->is_cooperative()) body += "  g->cooperative = 1;\n";
  return fmt::format("static void {}(const dropin_launch_sizes* s, dropin_geometry* g) {{\n  (void)s;\n{}}}\n", name,
                     body);
}

}  // namespace assay

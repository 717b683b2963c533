// A walk over a source's characters: comments become a blank, the rest is cut into lines.
#include "kernel/include_lines.h"

#include <algorithm>
#include <cctype>

namespace assay {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string spliced(std::string_view text) {
  std::string joined;
  joined.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      joined += text[i];
      continue;
    }
    const size_t next = text.find_first_not_of(kBlanks, i + 1);
    if (next != std::string_view::npos && text[next] == '\n')
      i = next;
    else
      joined += text[i];
  }
  return joined;
}

class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::string without_comments() {
    while (at_ < text_.size()) {
      const char c = text_[at_], next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (c == '/' && next == '/')
        at_ = end_at("\n", at_, 0);
      else if (c == '/' && next == '*')
        kept_ += ' ', at_ = end_at("*/", at_ + 2, 2);
      else if (c == '"' && is_raw())
        raw_string();
      else if (c == '"' || (c == '\'' && (at_ == 0 || !is_name(text_[at_ - 1]))))
        quoted(c);
      else
        kept_ += c, ++at_;
    }
    return std::move(kept_);
  }

 private:
  size_t end_at(std::string_view mark, size_t from, size_t more) const {
    const size_t found = text_.find(mark, from);
    return found == std::string_view::npos ? text_.size() : found + more;
  }

  /// R, uR, u8R, UR, LR before a ".
  bool is_raw() const {
    if (at_ == 0 || text_[at_ - 1] != 'R') return false;
    size_t start = at_ - 1;
    while (start > 0 && is_name(text_[start - 1])) --start;
    const std::string_view prefix = text_.substr(start, at_ - 1 - start);
    return prefix.empty() || prefix == "u" || prefix == "u8" || prefix == "U" || prefix == "L";
  }

  /// Its line ends would look like those of the source.
  void raw_string() {
    const size_t open = end_at("(", at_, 0);
    const std::string close = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
    const size_t end = end_at(close, open, close.size());
    for (; at_ < end; ++at_) kept_ += text_[at_] == '\n' ? ' ' : text_[at_];
  }

  /// To the closing quote, or to the end of the line: an apostrophe in an #error.
  void quoted(char quote) {
    kept_ += text_[at_++];
    while (at_ < text_.size() && text_[at_] != '\n') {
      const char c = text_[at_];
      kept_ += c, ++at_;
      if (c == quote) return;
      if (c == '\\' && at_ < text_.size() && text_[at_] != '\n') kept_ += text_[at_++];
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string kept_;
};

std::string_view skip_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

void read_directive(std::string_view line, IncludeLines& lines) {
  line = skip_blanks(line);
  if (!line.starts_with('#') && !line.starts_with("%:")) return;
  line = skip_blanks(line.substr(line[0] == '#' ? 1 : 2));
  size_t end = 0;
  while (end < line.size() && is_name(line[end])) ++end;
  const std::string_view word = line.substr(0, end);
  if (word == "include_next" || word == "import" || word == "embed") lines.unclear = true;
  if (word != "include") return;
  line = skip_blanks(line.substr(end));
  const size_t close = line.empty() ? std::string_view::npos : line.find(line[0] == '"' ? '"' : '>', 1);
  if (close == std::string_view::npos || (line[0] != '"' && line[0] != '<'))
    lines.unclear = true;
  else
    lines.found.push_back({std::string(line.substr(1, close - 1)), line[0] == '"'});
}

/// asm(".incbin \"file\"").
void read_incbins(std::string_view line, IncludeLines& lines) {
  constexpr std::string_view kWord = ".incbin";
  for (size_t at = line.find(kWord); at != std::string_view::npos; at = line.find(kWord, at + 1)) {
    const size_t start = line.find_first_not_of(" \t\\\"", at + kWord.size());
    if (start == std::string_view::npos) continue;
    lines.found.push_back({std::string(line.substr(start, line.find_first_of("\\\"", start) - start)), true, true});
  }
}

}  // namespace

IncludeLines include_lines(std::string_view text) {
  const std::string joined = spliced(text), plain = Walk(joined).without_comments();
  IncludeLines lines;
  for (size_t start = 0; start < plain.size();) {
    const size_t end = std::min(plain.find('\n', start), plain.size());
    const std::string_view line = std::string_view(plain).substr(start, end - start);
    read_directive(line, lines);
    read_incbins(line, lines);
    start = end + 1;
  }
  return lines;
}

}  // namespace assay

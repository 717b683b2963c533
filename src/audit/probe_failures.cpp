// The grammar of failures.
#include "audit/probe_failures.h"

#include <charconv>
#include <optional>

#include "audit/log_text.h"
#include "base/error.h"

namespace assay {
namespace {

/// Parts end at commas outside brackets.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] != ',' || depth > 0) continue;
    parts.push_back(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  parts.push_back(trimmed(text.substr(begin)));
  return parts;
}

}  // namespace

bool is_failed_case(std::string_view item) {
  const size_t at = item.find(" @ "), colon = item.find(": ");
  return at != std::string_view::npos && at < colon && item.find("op=", at) < colon;
}

ProbeFailure parse_failed_case(std::string_view item) {
  const size_t at = item.find(" @ "), colon = item.find(": ");
  const std::string_view said = trimmed(item.substr(std::min(item.size(), colon + 2)));
  const std::string_view what = said.substr(0, said.find(':')), op = item.substr(item.find("op=", at) + 3);
  const std::string_view reason = what.size() < said.size() ? trimmed(said.substr(what.size() + 1)) : "";
  return {one_line(item.substr(0, at)), one_line(op.substr(0, op.find_first_of(" |:"))), one_line(what),
          one_line(reason), 1};
}

std::vector<ProbeFailure> parse_failures(std::string_view item, std::vector<std::string>& unread) {
  std::vector<ProbeFailure> failures;
  const size_t colon = item.find(": ");
  if (colon == std::string_view::npos) {
    unread.push_back(fmt::format("{} is no failure of a variant", quoted(item)));
    return failures;
  }
  for (const std::string_view part : parts_of(item.substr(colon + 2))) {
    const size_t first = part.find(' '), second = part.find(' ', first + 1), open = part.find('(');
    const auto count = second < open && open != std::string_view::npos
                           ? whole_number(trimmed(part.substr(second, open - second)))
                           : std::nullopt;
    if (!count || *count < 0 || part.back() != ')')
      unread.push_back(fmt::format("{} is no 'OP skipped N (reason)'", quoted(part)));
    else
      failures.push_back({one_line(item.substr(0, colon)), one_line(part.substr(0, first)),
                          one_line(part.substr(first, second - first)),
                          one_line(part.substr(open + 1, part.size() - open - 2)), *count});
  }
  return failures;
}

}  // namespace assay

// The text of spec lines: splitting, printing, and ranges of sizes.
#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "spec/completion.h"
#include "spec/field_reader.h"

namespace assay {
namespace {
constexpr size_t kMostLines = 4096;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

struct SizeRange {
  int64_t first = 0, last = 0, step = 1;
  size_t count() const { return size_t((last - first) / step) + 1; }
};

/// "16..96" or "16..96..8"; nothing where the value has no "..".
std::optional<SizeRange> parse_range(const std::string& field, const std::string& value, const std::string& where) {
  if (value.find("..") == std::string::npos) return std::nullopt;
  SizeRange range;
  const char* at = value.data();
  const char* const end = at + value.size();
  const auto number = [&](int64_t& result) {
    const auto [next, error] = std::from_chars(at, end, result);
    at = next;
    return error == std::errc() && result >= 1;
  };
  const auto dots = [&] {
    if (end - at < 2 || at[0] != '.' || at[1] != '.') return false;
    at += 2;
    return true;
  };
  bool good = number(range.first) && dots() && number(range.last);
  if (good && at != end) good = dots() && number(range.step) && at == end;
  if (!good) fail("{}: field {}={}: a range is FIRST..LAST or FIRST..LAST..STEP in whole numbers", where, field, value);
  if (range.last < range.first) fail("{}: field {}={}: the range ends before it begins", where, field, value);
  return range;
}
/// Whether the line's op has a size, or a field of whole numbers, of this name; or any op where the line names none.
bool is_size(const SpecFields& fields, std::string_view key) {
  const std::string* const name = find_field(fields, "op");
  const Op* const of_line = name ? find_op(*name) : nullptr;
  const auto has = [&](const Op& op) {
    const auto is_whole = [&](const OpField& f) { return f.name == key && f.says.starts_with("a whole number"); };
    return std::any_of(op.sizes.begin(), op.sizes.end(), [&](const OpSize& size) { return size.name == key; }) ||
           std::any_of(op.fields.begin(), op.fields.end(), is_whole);
  };
  if (of_line) return has(*of_line);
  return std::any_of(all_ops().begin(), all_ops().end(), [&](const Op* op) { return has(*op); });
}
}  // namespace

SpecFields parse_spec_fields(std::string_view line, const std::string& where) {
  std::string_view rest = trimmed(line);
  if (rest.ends_with(':')) rest = trimmed(rest.substr(0, rest.size() - 1));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(rest.begin(), rest.end(), is_control))
    fail("{}: a spec is one line without control characters", where);
  SpecFields fields;
  fields.reserve(16);
  for (bool more = true; more;) {
    const size_t bar = rest.find('|');
    const std::string_view part = trimmed(rest.substr(0, bar));
    more = bar != std::string_view::npos;
    if (more) rest.remove_prefix(bar + 1);

    const auto after = [&] { return fields.empty() ? "at the start" : fmt::format("after {}=", fields.back().first); };
    if (part.empty()) fail("{}: an empty field {}; write \"op=matmul | batch=1 | …\"", where, after());
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos)
      fail("{}: \"{}\" {} is no field; write name=value, and \"|\" between fields", where, part, after());
    const std::string key(trimmed(part.substr(0, equals))), value(trimmed(part.substr(equals + 1)));
    if (key.empty()) fail("{}: \"{}\" has no name before its \"=\"", where, part);
    // A ':' ends a line in the engine's reports, so that a value with one would not survive printing.
    if (value.empty() || value.find(':') != std::string::npos)
      fail("{}: field {} has {}", where, key, value.empty() ? "no value" : "a \":\" in its value");
    if (std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field.first == key; }))
      fail("{}: field {} stands twice", where, key);
    fields.emplace_back(key, value);
  }
  return fields;
}

std::string print_spec_fields(const SpecFields& fields) {
  std::string line;
  for (const auto& [key, value] : fields) {
    if (!line.empty()) line += " | ";
    line.append(key).append("=").append(value);
  }
  return line;
}

std::vector<SpecFields> expand_ranges(const SpecFields& fields, const std::string& where) {
  std::vector<SpecFields> lines = {fields};
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto& [key, value] = fields[i];
    if (!is_size(fields, key)) continue;
    const auto range = parse_range(key, value, where);
    if (!range) continue;
    if (range->count() > kMostLines / lines.size())
      fail("{}: field {}={}: the ranges stand for more than {} specs; use a larger step", where, key, value,
           kMostLines);
    std::vector<SpecFields> longer;
    for (const SpecFields& line : lines)
      for (size_t j = 0; j < range->count(); ++j) {
        longer.push_back(line);
        longer.back()[i].second = std::to_string(range->first + int64_t(j) * range->step);
      }
    lines = std::move(longer);
  }
  return lines;
}

}  // namespace assay

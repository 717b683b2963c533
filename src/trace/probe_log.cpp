// Reading of probe logs, line by line.
#include "trace/probe_log.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/terminal.h"

namespace assay {
namespace {

constexpr std::string_view kOutcomes[] = {"pass",         "wrong",        "impossible",    "noisy",   "unsupported",
                                          "build_failed", "device_limit", "launch_failed", "crashed", "timed_out"};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool starts_with(std::string_view text, std::string_view begin) { return text.substr(0, begin.size()) == begin; }

template <typename Take>
void split(std::string_view text, std::string_view separator, Take take) {
  for (size_t at = 0;;) {
    const size_t end = text.find(separator, at);
    if (!take(text.substr(at, end - at)) || end == std::string_view::npos) return;
    at = end + separator.size();
  }
}

/// A log that was shown in colour holds escape sequences.
std::string without_colours(std::string_view line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\x1b' || i + 1 == line.size() || line[i + 1] != '[') {
      plain += line[i];
      continue;
    }
    for (i += 2; i < line.size() && (line[i] < '@' || line[i] > '~');) ++i;
  }
  return plain;
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "0.484ms" with its unit's size in µs; a time is finite and not below zero.
std::optional<double> time_us(std::string_view text, std::string_view unit, double unit_us) {
  if (text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) return std::nullopt;
  const auto value = number<double>(text.substr(0, text.size() - unit.size()));
  if (!value || !std::isfinite(*value) || *value < 0) return std::nullopt;
  return *value * unit_us;
}

/// Half of the last digit of "141.2us" is 0.05; the seeds drop trailing zeros, so `digits` decimals are taken as
/// printed.
double half_digit(std::string_view text, size_t digits, double unit_us) {
  const size_t point = text.find('.');
  const size_t end = point == std::string_view::npos ? point : text.find_first_not_of("0123456789", point + 1);
  if (digits == 0 && point != std::string_view::npos)
    digits = (end == std::string_view::npos ? text.size() : end) - point - 1;
  return 0.5 * std::pow(10.0, -double(std::min<size_t>(digits, 18))) * unit_us;
}

std::string quoted(std::string_view text) { return "'" + cut_end(one_line(text), 60) + "'"; }

/// Reads what stands after the name of a row. An Error says why it cannot.
class RowReader {
 public:
  RowReader(ProbeRow& row, ProbeLogSpec& spec) : row_(row), spec_(spec) {}

  void read(std::string_view text) {
    const size_t colon = text.find(": ");
    if (colon == std::string_view::npos) fail("no ': ' after the variant's name in {}", quoted(text));
    read_name(text.substr(0, colon));
    const std::string_view rest = trimmed(text.substr(colon + 2));
    if (starts_with(rest, "avg_")) {
      split(rest, " | ", [&](std::string_view field) { return read_field(trimmed(field)); });
      if (!row_.measured()) fail("no avg_gpu or avg_dev");
    } else if (!read_outcome(rest)) {
      fail("neither times nor an outcome in {}", quoted(rest));
    }
  }

 private:
  void read_name(std::string_view head) {
    const size_t blank = std::min(head.find(' '), head.size());
    row_.variant = one_line(head.substr(0, blank));
    if (row_.variant.empty()) fail("no variant's name");
    for (std::string_view rest = trimmed(head.substr(blank)); !rest.empty();) {
      const size_t end = rest.find(']');
      if (rest[0] != '[' || end == std::string_view::npos) fail("{} is no [tag]", quoted(rest));
      row_.tags.push_back(one_line(rest.substr(1, end - 1)));
      rest = trimmed(rest.substr(end + 1));
    }
  }

  /// False where nothing of interest can follow: an outcome's detail may hold anything.
  bool read_field(std::string_view field) {
    if (read_outcome(field)) return false;
    const size_t original = field.find("[vs orig ");
    if (original != std::string_view::npos) {
      const size_t end = field.find(']', original);
      if (end == std::string_view::npos) fail("{} has no ]", quoted(field.substr(original)));
      const std::string_view inside = field.substr(original + 9, end - original - 9);
      const auto us = time_us(inside.substr(0, inside.find(' ')), "ms", 1e3);
      if (!us) fail("{} is no time in ms", quoted(inside));
      spec_.original_ms = *us / 1e3;
      read_words(field.substr(0, original));
      field = field.substr(end + 1);
    }
    read_words(field);
    return true;
  }

  void read_words(std::string_view words) {
    split(words, " ", [&](std::string_view word) {
      read_word(word);
      return true;
    });
  }

  void read_word(std::string_view word) {
    const size_t equals = word.find('=');
    const std::string_view key = word.substr(0, equals),
                           value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
    if (key == "avg_gpu" || key == "avg_dev") {
      row_.device_us = row_.device_average_us = milliseconds(word, value),
      row_.device_digit_us = half_digit(value, 3, 1e3);
    } else if (key == "avg_cpu" || key == "avg_host") {
      row_.host_us = milliseconds(word, value);
    } else if (key == "median") {
      const auto us = time_us(value, "us", 1);
      if (!us) fail("{} is no time in us", quoted(word));
      row_.device_us = *us, row_.device_digit_us = half_digit(value, 0, 1), row_.ranks_by_median = true;
    } else if (key == "maxAbs" || key == "maxRel") {
      const auto error = number<double>(value);
      if (!error || *error < 0) fail("{} is no error", quoted(word));
      (key == "maxAbs" ? row_.max_abs : row_.max_rel) = error;
    } else if (starts_with(key, "avg_") || starts_with(key, "max")) {
      fail("{} is cut off or unknown", quoted(word));
    }
  }

  double milliseconds(std::string_view word, std::string_view value) {
    const auto us = time_us(value, "ms", 1e3);
    if (!us) fail("{} is no time in ms", quoted(word));
    return *us;
  }

  bool read_outcome(std::string_view field) {
    const std::string_view word = field.substr(0, field.find_first_of(": "));
    if (std::find(std::begin(kOutcomes), std::end(kOutcomes), word) == std::end(kOutcomes)) return false;
    row_.outcome = word;
    row_.detail = one_line(trimmed(field.substr(std::min(field.size(), word.size() + 1))));
    return true;
  }

  ProbeRow& row_;
  ProbeLogSpec& spec_;
};

/// "matmul skipped 4 (why, even with commas), matmul_bias_add skipped 1 (…)": parts end at commas outside brackets.
std::vector<std::string_view> failure_parts(std::string_view text) {
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

/// Whether the row's last number is whole: the seeds' rows end in "maxRel=4.7867e-04".
bool ends_in_exponent(std::string_view text) {
  const std::string_view end = text.substr(text.size() - std::min<size_t>(text.size(), 4));
  return end.size() == 4 && end[0] == 'e' && (end[1] == '-' || end[1] == '+') &&
         std::isdigit(static_cast<unsigned char>(end[2])) && std::isdigit(static_cast<unsigned char>(end[3])) &&
         text.find("maxRel=") != std::string_view::npos;
}

class LogReader {
 public:
  LogReader(std::string_view text, ProbeLog& log) : log_(log) {
    split(text, "\n", [&](std::string_view line) {
      ++line_;
      ended_ = line.data() + line.size() != text.data() + text.size();
      read(without_colours(line));
      return true;
    });
  }

 private:
  enum class Part { none, spec, failures };

  void read(const std::string& line) {
    const std::string_view text = trimmed(line);
    if (text.empty()) return;
    const size_t indent = size_t(text.data() - line.data());
    if (indent == 0) return read_heading(text);
    if (part_ == Part::spec && (starts_with(text, "- ") || text == "-")) return read_row(text.substr(1));
    if (part_ == Part::spec && text[0] != '=' && text[0] != '!')
      return unread(fmt::format("{} is no row", quoted(text)));
    if (part_ == Part::failures && starts_with(text, "- ")) read_failure(text.substr(2));
  }

  void read_heading(std::string_view text) {
    part_ = text == "Variant failures:" ? Part::failures : Part::none;
    if (starts_with(text, "Spec ")) return begin_spec(text.substr(5));
    if (starts_with(text, "Benchmark ")) {
      log_.claimed_results = number_after(text, "Processed ").value_or(-1);
      log_.claimed_failures = number_after(text, " with ").value_or(-1);
    }
    if (starts_with(text, "Matmul benchmark summary")) log_.iterations = number_after(text, "iterations=").value_or(0);
  }

  static std::optional<int64_t> number_after(std::string_view text, std::string_view mark) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(at + mark.size());
    return number<int64_t>(rest.substr(0, rest.find_first_not_of("0123456789")));
  }

  void begin_spec(std::string_view text) {
    ProbeLogSpec& spec = log_.specs.emplace_back();
    spec.line = line_;
    if (text.back() == ':') text.remove_suffix(1);
    spec.text = one_line(text);
    part_ = Part::spec;
    try {
      spec.fields = parse_spec_fields(spec.text);
    } catch (const Error& e) {
      unread(fmt::format("no spec line, though its rows are judged: {}", one_line(e.what())));
    }
  }

  void read_row(std::string_view text) {
    ProbeLogSpec& spec = log_.specs.back();
    ProbeRow row;
    row.line = line_;
    try {
      RowReader(row, spec).read(trimmed(text));
      if (!ended_ && !ends_in_exponent(text)) fail("the log ends within this row: {}", quoted(text));
    } catch (const Error& e) {
      return unread(e.what());
    }
    spec.rows.push_back(std::move(row));
  }

  void read_failure(std::string_view text) {
    const size_t colon = text.find(": ");
    if (colon == std::string_view::npos) return unread(fmt::format("{} is no failure of a variant", quoted(text)));
    for (const std::string_view part : failure_parts(text.substr(colon + 2))) {
      const size_t first = part.find(' '), second = part.find(' ', first + 1), open = part.find('(');
      const auto count = second < open && open != std::string_view::npos
                             ? number<int64_t>(trimmed(part.substr(second, open - second)))
                             : std::nullopt;
      if (!count || *count < 0 || part.back() != ')') {
        unread(fmt::format("{} is no 'OP skipped N (reason)'", quoted(part)));
        continue;
      }
      log_.failures.push_back({one_line(text.substr(0, colon)), one_line(part.substr(0, first)),
                               one_line(part.substr(first, second - first)),
                               one_line(part.substr(open + 1, part.size() - open - 2)), *count});
    }
  }

  void unread(std::string why) { log_.unread.push_back({line_, std::move(why)}); }

  ProbeLog& log_;
  size_t line_ = 0;
  bool ended_ = true;  // by a line end: what is last may be cut
  Part part_ = Part::none;
};

}  // namespace

bool ProbeRow::has_tag(std::string_view tag) const { return std::find(tags.begin(), tags.end(), tag) != tags.end(); }

size_t ProbeLog::rows() const {
  size_t count = 0;
  for (const ProbeLogSpec& spec : specs) count += spec.rows.size();
  return count;
}

ProbeLog parse_probe_log(std::string_view text, const std::string& file) {
  ProbeLog log;
  log.file = file;
  LogReader(text, log);
  if (log.specs.empty())
    fail(
        "{}: no probe log: no line begins with \"Spec op=\"; give what `assay probe` or a harness of seed-000's format "
        "printed",
        file);
  return log;
}

}  // namespace assay

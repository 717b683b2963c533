// The grammar of a row.
#include "audit/probe_row.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "audit/log_text.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kOutcomes[] = {"pass",         "wrong",        "impossible",    "noisy",   "unsupported",
                                          "build_failed", "device_limit", "launch_failed", "crashed", "timed_out"};

std::optional<double> plain_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Also what does not fit a double ("1e400" is infinite, "1e-400" is 0), "+inf", and the "1.#QNAN" of old C libraries.
std::optional<double> error_number(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) {
    const bool old_form = text.find("1.#") <= 1 && text.find_first_not_of("-1.#QNANSIDF0") == std::string_view::npos;
    return old_form ? std::optional<double>(std::numeric_limits<double>::quiet_NaN()) : std::nullopt;
  }
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(value)) return std::fabs(value);
  return value < 0 ? std::nullopt : std::optional<double>(value);
}

std::optional<double> time_us(std::string_view text, std::string_view unit, double unit_us) {
  if (text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) return std::nullopt;
  const auto value = plain_number(text.substr(0, text.size() - unit.size()));
  if (!value || !std::isfinite(*value) || *value < 0) return std::nullopt;
  return *value * unit_us;
}

/// Half of the last digit of "141.2us" is 0.05.
double half_digit(std::string_view text, double unit_us) {
  const size_t point = text.find('.');
  if (point == std::string_view::npos) return 0.5 * unit_us;
  const size_t end = std::min(text.find_first_not_of("0123456789", point + 1), text.size());
  return 0.5 * std::pow(10.0, -double(std::min<size_t>(end - point - 1, 18))) * unit_us;
}

/// Numbers as they are said: NaN is the same as NaN.
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

class RowReader {
 public:
  RowReader(ProbeRow& row, std::optional<double>& original_ms) : row_(row), original_ms_(original_ms) {}

  void read(std::string_view text) {
    const size_t colon = text.find(": ");
    if (colon == std::string_view::npos) fail("no ': ' after the variant's name in {}", quoted(text));
    read_name(text.substr(0, colon));
    const std::string_view rest = trimmed(text.substr(colon + 2));
    std::string_view fields = rest, field;
    while (cut(fields, " | ", field)) read_field(trimmed(field));
    if (row_.measured() || !row_.outcome.empty()) return;
    if (!std::isnan(row_.host_us)) fail("no avg_gpu or avg_dev");
    fail("neither times nor an outcome in {}", quoted(rest));
  }

 private:
  void read_name(std::string_view head) {
    const size_t blank = std::min(head.find(' '), head.size());
    row_.variant = head.substr(0, blank);
    const std::string_view tags = trimmed(head.substr(blank));
    for (std::string_view rest = tags; !rest.empty();) {
      const size_t end = rest.find(']');
      if (rest[0] != '[' || end == std::string_view::npos) fail("{} is no [tag]", quoted(rest));
      rest = trimmed(rest.substr(end + 1));
    }
    row_.tags = tags;
    if (row_.variant.empty()) fail("no variant's name");
  }

  /// Behind an outcome's detail, which may hold anything, no time and no error is believed; a class and its share can
  /// make nothing right that the outcome calls wrong.
  void read_field(std::string_view field) {
    if (!row_.outcome.empty() && !row_.detail.empty()) {
      if (field.substr(0, 6) == "class=" || field.substr(0, 4) == "err=") read_words(field);
      return;
    }
    if (read_outcome(field)) return;
    const size_t original = field.find("[vs orig ");
    if (original != std::string_view::npos) {
      const size_t end = field.find(']', original);
      if (end == std::string_view::npos) fail("{} has no ]", quoted(field.substr(original)));
      const std::string_view inside = field.substr(original + 9, end - original - 9);
      const auto us = parse_milliseconds(inside.substr(0, inside.find(' ')));
      if (!us) fail("{} is no time in ms", quoted(inside));
      original_ms_ = *us / 1e3;
      read_words(field.substr(0, original));
      field = field.substr(end + 1);
    }
    read_words(field);
  }

  void read_words(std::string_view words) {
    std::string_view word;
    while (cut(words, " ", word)) {
      const size_t equals = word.find('=');
      if (equals != std::string_view::npos)
        read_word(word, word.substr(0, equals), word.substr(equals + 1), words);
      else if (row_.outcome.empty() && is_cut_key(word))
        fail("{} is cut off or unknown", quoted(word));
    }
  }

  static bool is_cut_key(std::string_view key) { return key.substr(0, 4) == "avg_" || key.substr(0, 3) == "max"; }

  void read_word(std::string_view word, std::string_view key, std::string_view value, std::string_view rest) {
    if (key == "avg_gpu" || key == "avg_dev") {
      put_time(row_.device_average_us, word, value);
      if (row_.ranks_by_median) return;
      row_.device_us = row_.device_average_us;
      row_.device_digit_us = 0.5;  // three decimals of a ms, though the seeds drop trailing zeros
    } else if (key == "avg_cpu" || key == "avg_host") {
      put_time(row_.host_us, word, value);
    } else if (key == "median") {
      const auto us = time_us(value, "us", 1);
      if (!us) fail("{} is no time in us", quoted(word));
      if (row_.ranks_by_median && row_.device_us != *us) refuse_contradiction(word);
      row_.device_us = *us, row_.device_digit_us = half_digit(value, 1), row_.ranks_by_median = true;
    } else if (key == "maxAbs" || key == "maxRel" || key == "err") {
      const auto error = error_number(value);
      if (!error) fail("{} is no error", quoted(word));
      if (key == "err" && rest.substr(0, 8) != "of bound") fail("{} is not followed by 'of bound'", quoted(word));
      double& to = key == "maxAbs" ? row_.max_abs : key == "maxRel" ? row_.max_rel : row_.bound_share;
      if (to != kNotSaid && !same(to, *error)) refuse_contradiction(word);
      to = *error;
    } else if (key == "class") {
      if (!row_.accuracy.empty() && row_.accuracy != value) refuse_contradiction(word);
      if (value.empty()) fail("{} names no class", quoted(word));
      row_.accuracy = value;
    } else if (is_cut_key(key)) {
      fail("{} is cut off or unknown", quoted(word));
    }
  }

  /// A row that says two different things of one matter says nothing.
  [[noreturn]] static void refuse_contradiction(std::string_view word) {
    fail("{} contradicts what stands before it", quoted(word));
  }

  static void put_time(double& to, std::string_view word, std::string_view value) {
    const auto us = parse_milliseconds(value);
    if (!us) fail("{} is no time in ms", quoted(word));
    if (!std::isnan(to) && to != *us) refuse_contradiction(word);
    to = *us;
  }

  bool read_outcome(std::string_view field) {
    const std::string_view word = field.substr(0, field.find_first_of(": "));
    const auto* const known = std::find(std::begin(kOutcomes), std::end(kOutcomes), word);
    if (known == std::end(kOutcomes)) return false;
    row_.outcome = *known;
    row_.detail = trimmed(field.substr(std::min(field.size(), word.size() + 1)));
    return true;
  }

  ProbeRow& row_;
  std::optional<double>& original_ms_;
};

}  // namespace

bool ProbeRow::has_tag(std::string_view tag) const {
  for (size_t at = tags.find(tag); at != std::string_view::npos; at = tags.find(tag, at + 1))
    if (at > 0 && tags[at - 1] == '[' && at + tag.size() < tags.size() && tags[at + tag.size()] == ']') return true;
  return false;
}

bool ProbeRow::is_crowned() const {
  return has_tag("best-gpu") || has_tag("best-dev") || has_tag("best-cpu") || has_tag("best-host");
}

bool ProbeRow::says_the_same(const ProbeRow& other) const {
  return variant == other.variant && tags == other.tags && same(device_us, other.device_us) &&
         same(device_average_us, other.device_average_us) && same(host_us, other.host_us) &&
         same(max_abs, other.max_abs) && same(max_rel, other.max_rel) && same(bound_share, other.bound_share) &&
         accuracy == other.accuracy && outcome == other.outcome && detail == other.detail;
}

std::optional<bool> crowns_host(std::string_view tag) {
  if (tag == "best-cpu" || tag == "best-host") return true;
  if (tag == "best-gpu" || tag == "best-dev") return false;
  return std::nullopt;
}

std::optional<double> parse_milliseconds(std::string_view text) { return time_us(text, "ms", 1e3); }

void parse_probe_row(std::string_view text, ProbeRow& row, std::optional<double>& original_ms) {
  RowReader(row, original_ms).read(text);
}

}  // namespace assay

// Times and durations that are written as text.
#include <charconv>
#include <cmath>

#include "trace/line_fields.h"

namespace assay {
namespace {

bool digits(std::string_view text, size_t at, size_t count, int& value) {
  if (at + count > text.size()) return false;
  value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

/// Days from 1970-01-01, counted in eras of 400 years that begin on 1 March.
int64_t days_from_civil(int year, int month, int day) {
  const int shifted = year - (month <= 2);
  const int era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const int year_of_era = shifted - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return int64_t(era) * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/// "Z" or "+hh:mm", from `at` to the end of the text.
bool zone_minutes(std::string_view text, size_t at, int& minutes) {
  minutes = 0;
  if (at + 1 == text.size()) return text[at] == 'Z' || text[at] == 'z';
  int hour, minute;
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') return false;
  if (!digits(text, at + 1, 2, hour) || !digits(text, at + 4, 2, minute) || hour > 23 || minute > 59) return false;
  minutes = (text[at] == '-' ? -1 : 1) * (hour * 60 + minute);
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_python_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

}  // namespace

int64_t rfc3339_ns(std::string_view t) {
  int year, month, day, hour, minute, second;
  if (t.size() < 20 || !digits(t, 0, 4, year) || !digits(t, 5, 2, month) || !digits(t, 8, 2, day) ||
      !digits(t, 11, 2, hour) || !digits(t, 14, 2, minute) || !digits(t, 17, 2, second))
    return kNoTime;
  if (t[4] != '-' || t[7] != '-' || (t[10] != 'T' && t[10] != 't' && t[10] != ' ') || t[13] != ':' || t[16] != ':')
    return kNoTime;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return kNoTime;
  size_t at = 19;
  int64_t fraction_ns = 0;
  if (t[at] == '.') {
    int64_t unit = 100'000'000;
    const size_t first = ++at;
    for (; at < t.size() && t[at] >= '0' && t[at] <= '9'; ++at, unit /= 10) fraction_ns += unit * (t[at] - '0');
    if (at == first) return kNoTime;
  }
  int zone;
  if (at >= t.size() || !zone_minutes(t, at, zone)) return kNoTime;
  const int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone * 60;
  int64_t ns;
  if (__builtin_mul_overflow(seconds, INT64_C(1'000'000'000), &ns) || __builtin_add_overflow(ns, fraction_ns, &ns))
    return kNoTime;
  return ns;
}

/// A number of µs without its fraction; unreadable beyond 64 bits.
DurationField truncated_duration(double us, DurationField::Kind kind) {
  us = std::trunc(us);
  if (us >= -0x1p63 && us < 0x1p63) return {kind, false, static_cast<uint64_t>(static_cast<int64_t>(us))};
  if (us >= 0x1p63 && us < 0x1p64) return {kind, true, static_cast<uint64_t>(us)};
  return {};
}

DurationField duration_of_text(std::string_view text) {
  while (!text.empty() && is_python_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_python_blank(text.back())) text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && is_digit(text[i - 1]) && is_digit(text[i + 1]);
    if (text[i] != '_' || !between) plain += text[i];
  }
  if (plain.empty() || !(is_digit(plain[0]) || plain[0] == '.'))
    return {};  // from_chars would take a second sign, or inf
  const char* const plain_end = plain.data() + plain.size();
  uint64_t us = 0;
  if (const auto [end, error] = std::from_chars(plain.data(), plain_end, us);
      error == std::errc() && end == plain_end) {
    if (negative && us > uint64_t(1) << 63) return {};
    const bool is_unsigned = !negative && us > uint64_t(std::numeric_limits<int64_t>::max());
    return {DurationField::Kind::text, is_unsigned, negative ? 0 - us : us};
  }
  double number = 0;
  if (const auto [end, error] = std::from_chars(plain.data(), plain_end, number);
      error != std::errc() || end != plain_end)
    return {};
  return truncated_duration(negative ? -number : number, DurationField::Kind::text);
}

}  // namespace assay

// Cutting goes from both ends: the numbers that engines write stand there.
#include "trace/line_cut.h"

#include <cstring>
#include <limits>

#include "trace/json_scan.h"
#include "trace/line_fields.h"

namespace assay {
namespace {

constexpr std::string_view kTimestamp = "{\"timestamp\":", kSpan = ",\"span_id\":", kParent = ",\"parent_span_id\":",
                           kData = ",\"data\":", kDuration = "\"duration_us\":", kClosed = "}}}", kMapClosed = "}}}}";

bool begins_with(const char* p, std::string_view text) { return std::memcmp(p, text.data(), text.size()) == 0; }

/// An integer that ends where a member does.
const char* read_slot(const char* p, uint64_t& value) {
  p = is_digit(*p) ? read_digits(p, value) : nullptr;
  return p && *p == ',' ? p : nullptr;
}

const char* read_timestamp(const char* p, int64_t& ns) {
  if (*p == '"') {
    const char* const end = string_end(p + 1);
    if (!end || end[1] != ',') return nullptr;
    ns = rfc3339_ns({p + 1, size_t(end - p - 1)});
    return end + 1;
  }
  uint64_t value;
  p = read_slot(p, value);
  if (!p || value > uint64_t(std::numeric_limits<int64_t>::max())) return nullptr;
  ns = int64_t(value);
  return p;
}

/// After a duration's digits; nullptr if it is longer than what an int64_t holds.
const char* read_duration(const char* p, uint64_t& us) {
  p = read_digits(p, us);
  return p && us <= uint64_t(std::numeric_limits<int64_t>::max()) ? p : nullptr;
}

}  // namespace

const char* LineCut::read_head(const char* line) {
  slots_ = 0;
  span_id = parent_span_id = 0;
  const char* p = begins_with(line, kTimestamp) ? read_timestamp(line + kTimestamp.size(), timestamp_ns) : nullptr;
  if (!p) return nullptr;
  slots_ = 1;
  const char* next = begins_with(p, kSpan) ? read_slot(p + kSpan.size(), span_id) : nullptr;
  if (next) {
    p = next;
    slots_ = 2;
    next = begins_with(p, kParent) ? read_slot(p + kParent.size(), parent_span_id) : nullptr;
  }
  if (next) {
    p = next;
    slots_ = 3;
  }
  if (slots_ < 2) span_id = 0;  // what could not be read may have left something
  if (slots_ < 3) parent_span_id = 0;
  return p;
}

const char* LineCut::cut_head(const char* line, const char* end) {
  if (slots_ > 0 && size_t(end - line) > head_.size() && begins_with(line, head_) && line[head_.size()] == ',')
    return line + head_.size();
  const char* const p = read_head(line);
  if (p) head_ = {line, size_t(p - line)};
  return p;
}

void LineCut::cut_rest(const char* text_begin, const char* end) {
  line_end = static_cast<const char*>(std::memchr(text_begin, '\n', size_t(end - text_begin)));
  std::string_view rest(text_begin, size_t(line_end - text_begin));
  text = rest;
  duration = map = {};
  if (!rest.ends_with(kClosed)) return;
  std::string_view found_map;
  if (rest.ends_with(kMapClosed)) {
    const size_t at = rest.rfind('{');
    if (at == std::string_view::npos || !rest.substr(0, at).ends_with(kData)) return;
    found_map = rest.substr(at, rest.size() - at - kClosed.size());
    rest = rest.substr(0, at - kData.size());
  } else {
    rest.remove_suffix(kClosed.size());
  }
  size_t digits = rest.size();
  while (digits > 0 && is_digit(rest[digits - 1])) --digits;
  if (digits == rest.size() || !rest.substr(0, digits).ends_with(kDuration)) return;
  uint64_t us;
  if (read_duration(rest.data() + digits, us) != rest.data() + rest.size()) return;
  text = rest.substr(0, digits);
  duration = rest.substr(digits);
  duration_us = us;
  map = found_map;
}

bool LineCut::cut_rest_after(const char* text_begin, const char* end, std::string_view expected) {
  if (size_t(end - text_begin) <= expected.size() || !begins_with(text_begin, expected)) return false;
  const char* p = text_begin + expected.size();
  text = {text_begin, expected.size()};
  duration = map = {};
  if (is_digit(*p)) {
    const char* const digits = p;
    p = read_duration(digits, duration_us);
    if (!p) return false;
    duration = {digits, size_t(p - digits)};
    if (*p == ',') {
      if (!begins_with(p, kData)) return false;
      p += kData.size();
      const char* const line_break = static_cast<const char*>(std::memchr(p, '\n', size_t(end - p)));
      if (size_t(line_break - p) <= kClosed.size()) return false;
      map = {p, size_t(line_break - p) - kClosed.size()};
      p = line_break - kClosed.size();
    }
    if (!begins_with(p, kClosed)) return false;
    p += kClosed.size();
  }
  line_end = p;
  return *p == '\n';
}

}  // namespace assay

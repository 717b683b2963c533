// Values that no report asks for are stepped over, yet must be JSON.
#include "trace/json_scan.h"

namespace assay {
namespace {

constexpr int kDeepest = 32;

/// A number that nobody asks for: an integer, or a plain fraction.
const char* skip_number(const char* p) {
  const bool negative = *p == '-';
  uint64_t value;
  p = read_digits(p + negative, value);
  if (!p || (negative && value > uint64_t(1) << 63)) return nullptr;
  if (*p == '.') {
    if (!is_digit(*++p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  return ends_integer(*p) ? p : nullptr;
}

const char* skip_list(const char* p, int depth) {
  p = skip_blanks(p + 1);
  if (*p == ']') return p + 1;
  for (;;) {
    p = skip_value(p, depth);
    if (!p) return nullptr;
    p = skip_blanks(p);
    if (*p == ']') return p + 1;
    if (*p != ',') return nullptr;
    p = skip_blanks(p + 1);
  }
}

}  // namespace

const char* skip_member(const char* key, int depth) {
  const char* end = string_end(key);
  const char* value = end ? value_after_key(end) : nullptr;
  return value ? skip_value(value, depth) : nullptr;
}

const char* skip_value(const char* p, int depth) {
  switch (*p) {
    case '"':
      p = string_end(p + 1);
      return p ? p + 1 : nullptr;
    case '{':
      if (depth >= kDeepest) return nullptr;
      return each_member(p, [depth](const char* key) { return skip_member(key, depth + 1); });
    case '[':
      return depth >= kDeepest ? nullptr : skip_list(p, depth + 1);
    case 't':
      return skip_literal(p, "true");
    case 'f':
      return skip_literal(p, "false");
    case 'n':
      return skip_literal(p, "null");
    default:
      return skip_number(p);
  }
}

}  // namespace assay

// The fast reader of lines as engines write them. It never judges: whatever it does not expect goes to the full parser.
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "trace/line_fields.h"

namespace assay {
namespace {

constexpr int kDeepest = 32;  // containers within containers; deeper lines are not usual

/// JSON's blanks but the line end, which ends every loop here.
inline const char* skip_blanks(const char* p) {
  while (*p == ' ' || *p == '\t' || *p == '\r') ++p;
  return p;
}

/// The quote that ends a string of plain ASCII; nullptr if an escape, a control character or another byte comes first.
inline const char* string_end(const char* p) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(' ');
  for (;; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i plain_end = _mm_cmpeq_epi8(bytes, quote);
    const __m128i unusual = _mm_or_si128(_mm_cmpeq_epi8(bytes, backslash), _mm_cmplt_epi8(bytes, blank));  // signed: beyond ASCII too
    const int found = _mm_movemask_epi8(_mm_or_si128(plain_end, unusual));
    if (found == 0) continue;
    p += __builtin_ctz(static_cast<unsigned>(found));
    return *p == '"' ? p : nullptr;
  }
#else
  for (;; ++p) {
    if (*p == '"') return p;
    if (*p == '\\' || static_cast<signed char>(*p) < ' ') return nullptr;
  }
#endif
}

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

/// A JSON integer without its sign, up to 64 bits. nullptr if it is larger, has a leading zero or no digits.
inline const char* read_digits(const char* p, uint64_t& value) {
  value = 0;
  const char* const begin = p;
  for (; is_digit(*p) && p - begin < 19; ++p) value = value * 10 + static_cast<uint64_t>(*p - '0');
  if (p == begin || (*begin == '0' && p - begin > 1)) return nullptr;
  if (!is_digit(*p)) return p;
  if (__builtin_mul_overflow(value, uint64_t(10), &value) || __builtin_add_overflow(value, uint64_t(*p - '0'), &value)) return nullptr;
  ++p;
  return is_digit(*p) ? nullptr : p;
}

inline bool ends_integer(char c) { return c != '.' && c != 'e' && c != 'E'; }

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

template <size_t N>
inline const char* skip_literal(const char* p, const char (&literal)[N]) {
  return std::memcmp(p, literal, N - 1) == 0 ? p + N - 1 : nullptr;
}

/// Calls `member` with each key's first byte; it returns the byte after the value, or nullptr.
template <typename Member>
inline const char* each_member(const char* p, Member member) {
  p = skip_blanks(p + 1);
  if (*p == '}') return p + 1;
  for (;;) {
    if (*p != '"') return nullptr;
    p = member(p + 1);
    if (!p) return nullptr;
    p = skip_blanks(p);
    if (*p == '}') return p + 1;
    if (*p != ',') return nullptr;
    p = skip_blanks(p + 1);
  }
}

inline const char* value_after_key(const char* key_end) {  // at the key's closing quote
  const char* p = skip_blanks(key_end + 1);
  return *p == ':' ? skip_blanks(p + 1) : nullptr;
}

const char* skip_value(const char* p, int depth);

const char* skip_member(const char* key, int depth) {
  const char* end = string_end(key);
  const char* value = end ? value_after_key(end) : nullptr;
  return value ? skip_value(value, depth) : nullptr;
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

/// The value after the key, if the key at `p` is `name` (written with its closing quote) and stands there the first time.
template <size_t N>
inline const char* value_of(const char* p, const char (&name)[N], LineFields& f, int bit, bool& twice) {
  if (std::memcmp(p, name, N - 1) != 0) return nullptr;
  twice = twice || (f.seen >> bit & 1);
  f.seen |= 1u << bit;
  return value_after_key(p + N - 2);
}

inline const char* read_text(const char* value, TextField& field) {
  if (*value == '"') {
    const char* end = string_end(value + 1);
    if (!end) return nullptr;
    field = {TextField::Kind::text, {value + 1, static_cast<size_t>(end - value - 1)}};
    return end + 1;
  }
  field.kind = TextField::Kind::null;
  return *value == 'n' ? skip_literal(value, "null") : nullptr;
}

const char* read_timestamp(const char* value, LineFields& f) {
  if (is_digit(*value)) {
    uint64_t ns;
    const char* end = read_digits(value, ns);
    if (end && ends_integer(*end)) {
      if (ns <= uint64_t(std::numeric_limits<int64_t>::max())) f.timestamp_ns = static_cast<int64_t>(ns);
      return end;
    }
  } else if (*value == '"') {
    const char* end = string_end(value + 1);
    if (!end) return nullptr;
    f.timestamp_ns = rfc3339_ns({value + 1, static_cast<size_t>(end - value - 1)});
    return end + 1;
  } else if (*value == '-') {
    return nullptr;
  }
  return skip_value(value, 1);
}

const char* read_span(const char* value, uint64_t& span) {
  if (is_digit(*value)) {
    uint64_t id;
    const char* end = read_digits(value, id);
    if (end && ends_integer(*end)) {
      span = id;
      return end;
    }
  }
  return skip_value(value, 1);
}

const char* read_duration(const char* value, DurationField& duration) {
  duration.kind = DurationField::Kind::number;
  if (*value == 't' || *value == 'f') {
    duration.bits = *value == 't';
    return skip_value(value, 1);
  }
  if (*value == 'n') {
    duration.kind = DurationField::Kind::absent;
    return skip_literal(value, "null");
  }
  const bool negative = *value == '-';
  uint64_t us;
  const char* end = read_digits(value + negative, us);
  if (!end || !ends_integer(*end)) return nullptr;
  if (negative && us > uint64_t(1) << 63) return nullptr;
  duration.is_unsigned = us > uint64_t(std::numeric_limits<int64_t>::max()) && !negative;
  duration.bits = negative ? 0 - us : us;
  return end;
}

enum Bit { kTimestamp, kSpan, kParentSpan, kSpanName, kEvent, kType, kData, kOpName, kBackend, kReason, kParent, kInternal, kKernel, kDuration, kMap };

const char* read_map(const char* value, LineFields& f) {
  const char* end = skip_value(value, 3);
  if (end && *value == '{') f.inner_map = {value, static_cast<size_t>(end - value)};
  return end;
}

/// A member of event.data. Its key `op` may make it a matmul's description: not usual.
const char* read_data_member(const char* key, LineFields& f, bool& twice) {
  switch (*key) {
    case 'o':
      if (const char* v = value_of(key, "op_name\"", f, kOpName, twice)) return read_text(v, f.op_name);
      if (key[1] == 'p' && key[2] == '"') return nullptr;
      break;
    case 'b':
      if (const char* v = value_of(key, "backend\"", f, kBackend, twice)) return read_text(v, f.backend);
      break;
    case 'd':
      if (const char* v = value_of(key, "duration_us\"", f, kDuration, twice)) return read_duration(v, f.duration);
      if (const char* v = value_of(key, "data\"", f, kMap, twice)) return read_map(v, f);
      break;
    case 'i':
      if (const char* v = value_of(key, "internal_kernel_name\"", f, kInternal, twice)) return read_text(v, f.internal_kernel_name);
      break;
    case 'k':
      if (const char* v = value_of(key, "kernel_name\"", f, kKernel, twice)) return read_text(v, f.kernel_name);
      break;
    case 'p':
      if (const char* v = value_of(key, "parent_op_name\"", f, kParent, twice)) return read_text(v, f.parent_op_name);
      break;
    case 'r':
      if (const char* v = value_of(key, "reason\"", f, kReason, twice)) return read_text(v, f.reason);
      break;
  }
  return skip_member(key, 3);
}

const char* read_event_member(const char* key, LineFields& f, bool& twice) {
  if (const char* v = value_of(key, "type\"", f, kType, twice)) return read_text(v, f.type);
  if (const char* v = value_of(key, "data\"", f, kData, twice)) {
    if (*v != '{') return nullptr;
    return each_member(v, [&](const char* inner) { return read_data_member(inner, f, twice); });
  }
  return skip_member(key, 2);
}

const char* read_line_member(const char* key, LineFields& f, bool& twice) {
  switch (*key) {
    case 't':
      if (const char* v = value_of(key, "timestamp\"", f, kTimestamp, twice)) return read_timestamp(v, f);
      break;
    case 's':
      if (const char* v = value_of(key, "span_id\"", f, kSpan, twice)) return read_span(v, f.span_id);
      if (const char* v = value_of(key, "span_name\"", f, kSpanName, twice)) return *v == '"' ? read_text(v, f.span_name) : skip_value(v, 1);
      break;
    case 'p':
      if (const char* v = value_of(key, "parent_span_id\"", f, kParentSpan, twice)) return read_span(v, f.parent_span_id);
      break;
    case 'e':
      if (const char* v = value_of(key, "event\"", f, kEvent, twice)) {
        if (*v != '{') return nullptr;
        return each_member(v, [&](const char* inner) { return read_event_member(inner, f, twice); });
      }
      break;
  }
  return skip_member(key, 1);
}

}  // namespace

const char* read_usual_line(const char* line, LineFields& f) {
  if (*line != '{') return nullptr;
  bool twice = false;
  const char* end = each_member(line, [&](const char* key) { return read_line_member(key, f, twice); });
  if (!end || twice || f.type.kind != TextField::Kind::text || f.type.text.empty()) return nullptr;
  end = skip_blanks(end);
  return *end == '\n' ? end : nullptr;
}

}  // namespace assay

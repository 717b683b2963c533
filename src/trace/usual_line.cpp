// The fast reader of lines as engines write them. It never judges: whatever it does not expect goes to the full parser.
#include <cstring>

#include "trace/json_scan.h"
#include "trace/line_fields.h"

namespace assay {
namespace {

/// What is needed to read one line's members.
struct Line {
  LineFields& f;
  uint32_t seen = 0;   // bits of the keys so far
  bool twice = false;  // a key that is read stands twice in one object
};

/// The value after the key, if the key at `p` is `name` (written with its closing quote) and stands there the first
/// time.
template <size_t N>
inline const char* value_of(const char* p, const char (&name)[N], Line& line, int bit) {
  if (std::memcmp(p, name, N - 1) != 0) return nullptr;
  line.twice = line.twice || (line.seen >> bit & 1);
  line.seen |= 1u << bit;
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

const char* read_duration(const char* value, LineFields& f) {
  DurationField& duration = f.duration;
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
  if (!negative) f.duration_at = value;
  duration.is_unsigned = us > uint64_t(std::numeric_limits<int64_t>::max()) && !negative;
  duration.bits = negative ? 0 - us : us;
  return end;
}

enum Bit {
  kTimestamp,
  kSpan,
  kParentSpan,
  kSpanName,
  kEvent,
  kType,
  kData,
  kOpName,
  kBackend,
  kReason,
  kParent,
  kInternal,
  kKernel,
  kDuration,
  kMap
};

const char* read_map(const char* value, LineFields& f) {
  const char* end = skip_value(value, 3);
  if (end && *value == '{') f.inner_map = {value, static_cast<size_t>(end - value)};
  return end;
}

/// A member of event.data.
const char* read_data_member(const char* key, Line& line) {
  switch (*key) {
    case 'o':
      if (const char* v = value_of(key, "op_name\"", line, kOpName)) return read_text(v, line.f.op_name);
      break;
    case 'b':
      if (const char* v = value_of(key, "backend\"", line, kBackend)) return read_text(v, line.f.backend);
      break;
    case 'd':
      if (const char* v = value_of(key, "duration_us\"", line, kDuration)) return read_duration(v, line.f);
      if (const char* v = value_of(key, "data\"", line, kMap)) return read_map(v, line.f);
      break;
    case 'i':
      if (const char* v = value_of(key, "internal_kernel_name\"", line, kInternal))
        return read_text(v, line.f.internal_kernel_name);
      break;
    case 'k':
      if (const char* v = value_of(key, "kernel_name\"", line, kKernel)) return read_text(v, line.f.kernel_name);
      break;
    case 'p':
      if (const char* v = value_of(key, "parent_op_name\"", line, kParent)) return read_text(v, line.f.parent_op_name);
      break;
    case 'r':
      if (const char* v = value_of(key, "reason\"", line, kReason)) return read_text(v, line.f.reason);
      break;
  }
  return skip_member(key, 3);
}

const char* read_event_member(const char* key, Line& line) {
  if (const char* v = value_of(key, "type\"", line, kType)) return read_text(v, line.f.type);
  if (const char* v = value_of(key, "data\"", line, kData)) {
    if (*v != '{') return nullptr;
    return each_member(v, [&](const char* inner) { return read_data_member(inner, line); });
  }
  return skip_member(key, 2);
}

const char* read_line_member(const char* key, Line& line) {
  switch (*key) {
    case 't':
      if (const char* v = value_of(key, "timestamp\"", line, kTimestamp)) return read_timestamp(v, line.f);
      break;
    case 's':
      if (const char* v = value_of(key, "span_id\"", line, kSpan)) return read_span(v, line.f.span_id);
      if (const char* v = value_of(key, "span_name\"", line, kSpanName))
        return *v == '"' ? read_text(v, line.f.span_name) : skip_value(v, 1);
      break;
    case 'p':
      if (const char* v = value_of(key, "parent_span_id\"", line, kParentSpan))
        return read_span(v, line.f.parent_span_id);
      break;
    case 'e':
      if (const char* v = value_of(key, "event\"", line, kEvent)) {
        if (*v != '{') return nullptr;
        return each_member(v, [&](const char* inner) { return read_event_member(inner, line); });
      }
      break;
  }
  return skip_member(key, 1);
}

}  // namespace

const char* read_usual_line(const char* begin, LineFields& f) {
  if (*begin != '{') return nullptr;
  Line line{f};
  const char* end = each_member(begin, [&line](const char* key) { return read_line_member(key, line); });
  if (!end || line.twice || f.type.kind != TextField::Kind::text || f.type.text.empty()) return nullptr;
  end = skip_blanks(end);
  return *end == '\n' ? end : nullptr;
}

}  // namespace assay

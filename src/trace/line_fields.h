// What a line says before it is judged: the fields that an Event needs, found in two ways that must agree.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "trace/event.h"
#include "trace/matmul_fields.h"

namespace assay {

struct TextField {
  enum class Kind : uint8_t { absent, null, text, falsy, other };  // falsy: false, 0, an empty list or object
  Kind kind = Kind::absent;
  std::string_view text;
};

struct DurationField {
  enum class Kind : uint8_t { unreadable, absent, number, text };
  Kind kind = Kind::unreadable;  // neither a number nor a numeric string, or beyond 64 bits
  bool is_unsigned = false;
  uint64_t bits = 0;
};

struct LineFields {
  TextField type, span_name, op_name, backend, reason, parent_op_name, internal_kernel_name, kernel_name;
  DurationField duration{DurationField::Kind::absent, false, 0};
  int64_t timestamp_ns = kNoTime;
  uint64_t span_id = 0, parent_span_id = 0;
  std::string_view inner_map;         // the text of event.data.data where that is an object; this and the next, only
                                      // read_usual_line() tells
  const char* duration_at = nullptr;  // where the digits of a duration without a sign begin
  std::string_view packed;            // the packed matmul fields; only LineJudge tells them
};

/// Reads a line of the usual form: ASCII, no escapes, no key twice, integers. It ends in '\n', and 64 more bytes are
/// readable. Returns the line's '\n', or nullptr if it has another form: then a LineJudge decides.
const char* read_usual_line(const char* line, LineFields& fields);

/// Nanoseconds since 1970 of an RFC 3339 time ("2025-10-06T12:00:00.123Z"); kNoTime if it is none.
int64_t rfc3339_ns(std::string_view text);

/// A numeric string as Python reads it: blanks around it, a sign, single underscores between digits; truncated.
DurationField duration_of_text(std::string_view text);
DurationField truncated_duration(double us, DurationField::Kind kind);

/// Reads any line, strictly and wholly.
class LineJudge {
 public:
  enum class Verdict : uint8_t { fields, untyped, not_json, wrong_shape };

  LineJudge();
  ~LineJudge();

  /// `fields` are filled where the verdict says so; they stay true until the next call. 64 bytes after the line are
  /// readable.
  Verdict judge(std::string_view line, LineFields& fields);
  /// Why the last line is bad.
  const std::string& message() const { return message_; }

  /// The packed matmul fields that the text of an event.data.data tells ("": none), an object that was read before. 64
  /// bytes after the text are readable.
  std::string pack_matmul(std::string_view object_text);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  std::string message_, packed_;
};

}  // namespace assay

// A line cut into the numbers that change from line to line and the text between them, which comes again and again.
#pragma once
#include <cstdint>
#include <string_view>

#include "trace/event.h"

namespace assay {

/// {"timestamp":N,"span_id":N,"parent_span_id":N TEXT N ,"data": MAP }}} where the ids, the last number, and
/// `,"data":MAP` may be missing. Nothing is judged: TEXT and MAP may be anything. As for read_usual_line(), lines end
/// in '\n' and 64 more bytes are readable.
class LineCut {
 public:
  int64_t timestamp_ns = kNoTime;
  uint64_t span_id = 0, parent_span_id = 0;
  std::string_view text;           // up to the digits where "duration_us" is the last number, else up to the line's end
  std::string_view duration, map;  // the digits and the object; "" where there is none
  uint64_t duration_us = 0;
  const char* line_end = nullptr;  // the '\n'

  /// What of this is there; never 0.
  int form() const { return slots_ | !duration.empty() << 2 | !map.empty() << 3; }

  /// Cuts off the first numbers, which the line before often has, too: it must still be there. Where TEXT begins;
  /// nullptr: another form. `end`: of all lines.
  const char* cut_head(const char* line, const char* end);
  /// Cuts the rest of the line, of which nothing is known.
  void cut_rest(const char* text_begin, const char* end);
  /// The same with TEXT expected to be `expected`; false if the line has another.
  bool cut_rest_after(const char* text_begin, const char* end, std::string_view expected);

 private:
  const char* read_head(const char* line);

  std::string_view head_;  // of the last line
  int slots_ = 0;          // numbers in it
};

}  // namespace assay

// One parsing thread's work: the lines of a chunk of text become events whose strings are its own table's.
#pragma once
#include <string_view>
#include <vector>

#include "trace/event.h"
#include "trace/line_cut.h"
#include "trace/line_fields.h"
#include "trace/reader.h"
#include "trace/text_memo.h"

namespace assay {

/// What a chunk holds. Lines count from the chunk's first.
struct ParsedChunk {
  std::vector<Event> events;
  std::vector<BadLine> bad_lines;
  std::vector<std::string_view> new_strings;  // of the parser's table since the chunk before; they stay where they are
  ReadTotals totals;

  void clear();
};

class LineParser {
 public:
  /// `text` is whole lines, the last one ended too; 64 more bytes are readable.
  void parse(std::string_view text, ParsedChunk& chunk);

 private:
  /// What a line means whose text, between its numbers, was read before.
  struct KnownLine {
    Event event;
    int form = 0;  // of its cut; 0: not known
  };
  static constexpr StringId kNotRead = UINT32_MAX;
  struct KnownMap {
    StringId packed = kNotRead;
  };

  /// False: nothing like it is known.
  bool repeat_line(const LineCut& cut, const KnownLine& known, ParsedChunk& chunk);
  /// The line's '\n', or nullptr if it is not usual or its fields have a wrong shape. It is known from then on, if it
  /// can be.
  const char* read_line(const char* line, const LineCut& cut, KnownLine* known, ParsedChunk& chunk);
  void judge_line(std::string_view line, ParsedChunk& chunk);
  StringId matmul_of(std::string_view inner_map);
  /// False: the fields have a wrong shape; `message_` says why.
  bool make_event(const LineFields& fields, Event& event);
  StringId named(const TextField& field);

  StringTable strings_;
  size_t handed_on_ = 0;
  LineJudge judge_;
  std::string message_;
  TextMemo<KnownLine> lines_{1 << 20};
  TextMemo<KnownMap> maps_{1 << 20};
};

}  // namespace assay

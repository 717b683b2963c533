// One parsing thread's work: the lines of a chunk of text become events whose strings are its own table's.
#pragma once
#include <string_view>
#include <vector>

#include "trace/event.h"
#include "trace/line_fields.h"
#include "trace/reader.h"

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
  void judge_line(std::string_view line, ParsedChunk& chunk);
  bool matmul_of(std::string_view inner_map, StringId& packed);
  /// False: the fields have a wrong shape; `message_` says why.
  bool make_event(const LineFields& fields, Event& event);
  StringId named(const TextField& field);
  /// Learns from a usual line what the next one's names may be.
  void guess_after(const LineFields& fields, const Event& event);

  StringTable strings_;
  size_t handed_on_ = 0;
  LineJudge judge_;
  std::string message_, packed_;
  Guesses guesses_;
  std::vector<StringId> op_after_;  // by op_name: the one that came after it last time; kMissing: none yet
  StringId last_op_ = kMissing;
  StringTable maps_;                     // texts of matmul objects seen lately
  std::vector<StringId> matmul_of_map_;  // by map
  size_t map_bytes_ = 0;
};

}  // namespace assay

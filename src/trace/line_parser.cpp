// Rules that turn a line's fields into an event, or say what is wrong with them.
#include "trace/line_parser.h"

#include <fmt/format.h>

#include <cstring>

namespace assay {
namespace {

constexpr size_t kLongestKnown = 4096;  // bytes of text; longer lines are read anew each time

EventType event_type(std::string_view name) {
  switch (name.size()) {
    case 14:
      return name == "GpuOpCompleted" ? EventType::gpu_op_completed : EventType::other;
    case 19:
      return name == "GpuKernelDispatched" ? EventType::gpu_kernel_dispatched : EventType::other;
    case 21:
      return name == "KernelBackendSelected" ? EventType::kernel_backend_selected : EventType::other;
    case 23:
      return name == "InternalKernelCompleted" ? EventType::internal_kernel_completed : EventType::other;
    default:
      return EventType::other;
  }
}

/// As Python's str.strip() does for ASCII.
std::string_view stripped(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return line;
}

bool is_name(const TextField& field) {
  return field.kind == TextField::Kind::text || field.kind == TextField::Kind::absent;
}
bool is_name_or_falsy(const TextField& field) { return field.kind != TextField::Kind::other; }

/// The first name that is no string where the report needs one; nullptr if there is none.
const char* wrong_name(EventType type, const LineFields& f) {
  const bool timed = f.duration.kind != DurationField::Kind::absent;
  if (type == EventType::gpu_op_completed && timed && !is_name(f.op_name)) return "op_name";
  if (type == EventType::internal_kernel_completed && timed) {
    if (!is_name(f.parent_op_name)) return "parent_op_name";
    if (!is_name(f.internal_kernel_name)) return "internal_kernel_name";
  }
  if (type == EventType::kernel_backend_selected) {
    if (!is_name(f.op_name)) return "op_name";
    if (!is_name(f.backend)) return "backend";
    if (!is_name(f.reason)) return "reason";
  }
  if (f.duration.kind == DurationField::Kind::number) {  // sync is looked for in these
    if (!is_name_or_falsy(f.internal_kernel_name)) return "internal_kernel_name";
    if (!is_name_or_falsy(f.op_name)) return "op_name";
  }
  return nullptr;
}

}  // namespace

void ParsedChunk::clear() {
  events.clear();
  bad_lines.clear();
  new_strings.clear();
  totals = {};
}

void LineParser::parse(std::string_view text, ParsedChunk& chunk) {
  const char *line = text.data(), *const end = line + text.size();
  LineCut cut;
  while (line < end) {
    KnownLine* known = nullptr;
    if (const char* const begin = cut.cut_head(line, end)) {
      if (cut.cut_rest_after(begin, end, lines_.expected())) {
        known = &lines_.at_expected();
      } else {
        cut.cut_rest(begin, end);
        if (cut.text.size() <= kLongestKnown) known = &lines_.at(cut.text);
      }
    }
    const char* line_end = cut.line_end;
    if (!known || !repeat_line(cut, *known, chunk)) {
      line_end = read_line(line, cut, known, chunk);
      if (!line_end) {
        line_end = static_cast<const char*>(std::memchr(line, '\n', static_cast<size_t>(end - line)));
        judge_line({line, static_cast<size_t>(line_end - line)}, chunk);
      }
    }
    ++chunk.totals.lines;
    line = line_end + 1;
  }
  chunk.totals.events = chunk.events.size();
  chunk.totals.bytes = text.size();
  for (; handed_on_ < strings_.size(); ++handed_on_)
    chunk.new_strings.push_back(strings_.text(static_cast<StringId>(handed_on_)));
}

bool LineParser::repeat_line(const LineCut& cut, const KnownLine& known, ParsedChunk& chunk) {
  if (known.form != cut.form()) return false;
  StringId matmul = known.event.matmul;
  if (!cut.map.empty()) {
    matmul = maps_.at(cut.map).packed;
    if (matmul == kNotRead) return false;
  }
  Event& event = chunk.events.emplace_back(known.event);
  event.line = chunk.totals.lines;
  event.timestamp_ns = cut.timestamp_ns;
  event.span_id = cut.span_id;
  event.parent_span_id = cut.parent_span_id;
  event.matmul = matmul;
  if (!cut.duration.empty()) event.duration_bits = cut.duration_us;
  return true;
}

const char* LineParser::read_line(const char* line, const LineCut& cut, KnownLine* known, ParsedChunk& chunk) {
  LineFields f;
  const char* const line_end = read_usual_line(line, f);
  if (!line_end) return nullptr;
  Event event;
  event.line = chunk.totals.lines;
  if (!make_event(f, event)) return nullptr;
  chunk.events.push_back(event);
  // Only if the numbers that were cut out are those that were read: a number of that name may stand elsewhere, too.
  if (known && f.timestamp_ns == cut.timestamp_ns && f.span_id == cut.span_id &&
      f.parent_span_id == cut.parent_span_id && (cut.duration.empty() || f.duration_at == cut.duration.data()) &&
      (cut.map.empty() || (f.inner_map.data() == cut.map.data() && event.type == EventType::gpu_op_completed)))
    *known = {event, cut.form()};
  return line_end;
}

void LineParser::judge_line(std::string_view line, ParsedChunk& chunk) {
  line = stripped(line);
  if (line.empty()) {
    ++chunk.totals.blank;
    return;
  }
  const auto bad = [&](BadLine::Kind kind, const std::string& message) {
    ++(kind == BadLine::Kind::not_json ? chunk.totals.not_json : chunk.totals.wrong_shape);
    chunk.bad_lines.push_back({chunk.totals.lines, kind, message});
  };
  LineFields fields;
  switch (judge_.judge(line, fields)) {
    case LineJudge::Verdict::untyped:
      ++chunk.totals.untyped;
      return;
    case LineJudge::Verdict::not_json:
      bad(BadLine::Kind::not_json, judge_.message());
      return;
    case LineJudge::Verdict::wrong_shape:
      bad(BadLine::Kind::wrong_shape, judge_.message());
      return;
    case LineJudge::Verdict::fields:
      break;
  }
  Event event;
  event.line = chunk.totals.lines;
  if (make_event(fields, event))
    chunk.events.push_back(event);
  else
    bad(BadLine::Kind::wrong_shape, message_);
}

StringId LineParser::matmul_of(std::string_view inner_map) {
  KnownMap& map = maps_.at(inner_map);
  if (map.packed == kNotRead) {
    const std::string packed = judge_.pack_matmul(inner_map);
    map.packed = packed.empty() ? kMissing : strings_.intern(packed);
  }
  return map.packed;
}

StringId LineParser::named(const TextField& field) {
  return field.kind == TextField::Kind::text ? strings_.intern(field.text) : kMissing;
}

bool LineParser::make_event(const LineFields& f, Event& event) {
  event.type = event_type(f.type.text);
  const bool kernel = event.type == EventType::gpu_op_completed || event.type == EventType::internal_kernel_completed;
  if (f.duration.kind == DurationField::Kind::unreadable && kernel) {
    message_ = "duration_us is no number of 64 bits";
    return false;
  }
  if (const char* name = wrong_name(event.type, f)) {
    message_ = fmt::format("{} is not a string", name);
    return false;
  }
  if (event.type == EventType::gpu_op_completed) {
    if (!f.inner_map.empty()) event.matmul = matmul_of(f.inner_map);
    if (!f.packed.empty()) event.matmul = strings_.intern(f.packed);
  }
  event.timestamp_ns = f.timestamp_ns;
  event.span_id = f.span_id;
  event.parent_span_id = f.parent_span_id;
  event.type_name = named(f.type);
  event.span_name = named(f.span_name);
  event.op_name = named(f.op_name);
  event.backend = named(f.backend);
  event.reason = named(f.reason);
  event.parent_op_name = named(f.parent_op_name);
  event.internal_kernel_name = named(f.internal_kernel_name);
  event.kernel_name = named(f.kernel_name);
  if (f.duration.kind == DurationField::Kind::number) event.duration_kind = DurationKind::number;
  if (f.duration.kind == DurationField::Kind::text) event.duration_kind = DurationKind::text;
  event.duration_bits = f.duration.bits;
  event.duration_unsigned = f.duration.is_unsigned;
  return true;
}

}  // namespace assay

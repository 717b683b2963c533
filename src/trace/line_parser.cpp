// Rules that turn a line's fields into an event, or say what is wrong with them.
#include "trace/line_parser.h"

#include <fmt/format.h>

#include <cstring>

namespace assay {
namespace {

constexpr size_t kMapBytes = 1 << 20;  // of remembered matmul objects; then they are forgotten
constexpr StringId kNotRemembered = UINT32_MAX;

EventType event_type(std::string_view name) {
  switch (name.size()) {
    case 14: return name == "GpuOpCompleted" ? EventType::gpu_op_completed : EventType::other;
    case 19: return name == "GpuKernelDispatched" ? EventType::gpu_kernel_dispatched : EventType::other;
    case 21: return name == "KernelBackendSelected" ? EventType::kernel_backend_selected : EventType::other;
    case 23: return name == "InternalKernelCompleted" ? EventType::internal_kernel_completed : EventType::other;
    default: return EventType::other;
  }
}

/// As Python's str.strip() does for ASCII.
std::string_view stripped(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return line;
}

bool is_name(const TextField& field) { return field.kind == TextField::Kind::text || field.kind == TextField::Kind::absent; }
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
  while (line < end) {
    LineFields fields;
    const char* line_end = read_usual_line(line, end, fields, guesses_);
    bool done = false;
    if (line_end) {
      chunk.events.emplace_back().line = chunk.totals.lines;
      done = make_event(fields, chunk.events.back());
      if (done)
        guess_after(fields, chunk.events.back());
      else
        chunk.events.pop_back();
    } else {
      line_end = static_cast<const char*>(std::memchr(line, '\n', static_cast<size_t>(end - line)));
    }
    if (!done) judge_line({line, static_cast<size_t>(line_end - line)}, chunk);
    ++chunk.totals.lines;
    line = line_end + 1;
  }
  chunk.totals.events = chunk.events.size();
  chunk.totals.bytes = text.size();
  for (; handed_on_ < strings_.size(); ++handed_on_) chunk.new_strings.push_back(strings_.text(static_cast<StringId>(handed_on_)));
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
    case LineJudge::Verdict::untyped: ++chunk.totals.untyped; return;
    case LineJudge::Verdict::not_json: bad(BadLine::Kind::not_json, judge_.message()); return;
    case LineJudge::Verdict::wrong_shape: bad(BadLine::Kind::wrong_shape, judge_.message()); return;
    case LineJudge::Verdict::fields: break;
  }
  Event event;
  event.line = chunk.totals.lines;
  if (make_event(fields, event))
    chunk.events.push_back(event);
  else
    bad(BadLine::Kind::wrong_shape, message_);
}

bool LineParser::matmul_of(std::string_view inner_map, StringId& packed) {
  if (map_bytes_ > kMapBytes) {
    maps_ = StringTable();
    matmul_of_map_.clear();
    map_bytes_ = 0;
  }
  const StringId map = maps_.intern(inner_map);
  if (map >= matmul_of_map_.size()) {
    map_bytes_ += inner_map.size() + 64;
    matmul_of_map_.resize(map + 1, kNotRemembered);
  }
  if (matmul_of_map_[map] == kNotRemembered) {
    if (!judge_.pack_matmul(inner_map, packed_)) return false;
    matmul_of_map_[map] = packed_.empty() ? kMissing : strings_.intern(packed_);
  }
  packed = matmul_of_map_[map];
  return true;
}

StringId LineParser::named(const TextField& field) {
  if (field.guessed != kMissing) return field.guessed;
  return field.kind == TextField::Kind::text ? strings_.intern(field.text) : kMissing;
}

void LineParser::guess_after(const LineFields& fields, const Event& event) {
  const auto expect = [this](Guesses::Name& guess, StringId id) {
    if (guess.id != id) guess = {id == kMissing ? std::string_view() : strings_.text(id), id};
  };
  expect(guesses_.type, event.type_name);
  expect(guesses_.span_name, event.span_name);
  if (fields.op_name.kind != TextField::Kind::text) return;
  expect(guesses_.backend, event.backend);
  if (op_after_.size() < strings_.size()) op_after_.resize(strings_.size() * 2, kMissing);
  op_after_[last_op_] = event.op_name;
  last_op_ = event.op_name;
  expect(guesses_.op_name, op_after_[last_op_]);
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
    if (!f.inner_map.empty() && !matmul_of(f.inner_map, event.matmul)) return false;
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

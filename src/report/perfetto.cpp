// The Trace Event Format: one object an event, written by hand since a trace may have millions.
#include "report/perfetto.h"

#include <fmt/format.h>

#include <iterator>
#include <unordered_map>

#include "base/json.h"
#include "trace/matmul_fields.h"

namespace assay {
namespace {

constexpr int kTokenTrack = 1, kFirstTrack = 2, kTracks = 3;

std::string in_quotes(std::string_view text) { return Json(text).dump(); }

const char* category(Slice::Kind kind) {
  switch (kind) {
    case Slice::Kind::op:
      return "op";
    case Slice::Kind::wait:
      return "wait";
    case Slice::Kind::buffer:
      return "command buffer";
    case Slice::Kind::host:
      break;
  }
  return "internal kernel";
}

const char* track_name(Track track) {
  return track == Track::ops ? "ops and waits" : track == Track::device ? "device" : "host: internal kernels";
}

class Writer {
 public:
  Writer(const Timeline& timeline, const StringTable& strings) : timeline_(timeline), strings_(strings) {
    for (const Slice& slice : timeline.slices()) first_ns_ = std::min(first_ns_, slice.begin_ns);
    for (const TokenSpan& token : timeline.tokens()) first_ns_ = std::min(first_ns_, token.begin_ns);
  }

  std::string write(const std::string& trace) {
    text_ = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    name("process_name", 0, in_quotes(trace));
    name_track(kTokenTrack, "tokens");
    int64_t named = -1;
    for (const Slice& slice : timeline_.slices()) {  // a track's slices stand together
      if (track(slice) != named) {
        named = track(slice);
        name_track(named, fmt::format("{}{}", track_name(track_of(slice.kind)),
                                      slice.lane == 0 ? "" : fmt::format(" ({})", slice.lane + 1)));
      }
      add(slice);
    }
    add_tokens();
    text_ += fmt::format(
        "\n],\"otherData\":{{\"trace\":{},\"began_ns_since_1970\":\"{}\",\"events_without_time\":\"{}\"}}}}\n",
        in_quotes(trace), timeline_.slices().empty() ? 0 : first_ns_, timeline_.without_time());
    return std::move(text_);
  }

 private:
  static int64_t track(const Slice& slice) {
    return kFirstTrack + static_cast<int64_t>(track_of(slice.kind)) + kTracks * static_cast<int64_t>(slice.lane);
  }
  /// µs with three digits, exactly.
  static std::string us(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

  void begin_event(char phase, int64_t track) {
    text_ += fmt::format("{}\n{{\"ph\":\"{}\",\"pid\":1,\"tid\":{}", is_first_ ? "" : ",", phase, track);
    is_first_ = false;
  }
  void name(const char* what, int64_t track, const std::string& quoted_name) {
    begin_event('M', track);
    text_ += fmt::format(",\"name\":\"{}\",\"args\":{{\"name\":{}}}}}", what, quoted_name);
  }
  void name_track(int64_t track, const std::string& shown) {
    name("thread_name", track, in_quotes(shown));
    begin_event('M', track);
    text_ += fmt::format(",\"name\":\"thread_sort_index\",\"args\":{{\"sort_index\":{}}}}}", track);
  }
  void times(int64_t begin_ns, int64_t end_ns) {
    text_ += fmt::format(",\"ts\":{},\"dur\":{}", us(begin_ns - first_ns_), us(end_ns - begin_ns));
  }

  /// What is said of all slices of one name: made once.
  const std::string& described(const Slice& slice) {
    const uint64_t key = uint64_t(slice.name) << 32 | slice.matmul;
    std::string& text = described_[key];
    if (!text.empty()) return text;
    const std::string_view whole = strings_.text(slice.name);
    text = fmt::format(",\"cat\":\"{}\",\"name\":{},\"args\":{{\"path\":{}", category(slice.kind),
                       in_quotes(slice_name(whole)), in_quotes(whole));
    if (slice.backend != kMissing) text += fmt::format(",\"backend\":{}", in_quotes(strings_.text(slice.backend)));
    if (slice.parent != kMissing) text += fmt::format(",\"parent\":{}", in_quotes(strings_.text(slice.parent)));
    if (slice.matmul != kMissing)
      for (const auto& [field, value] : unpack_fields(strings_.text(slice.matmul)))
        text += fmt::format(",{}:{}", in_quotes(field), in_quotes(value));
    return text;
  }
  void add(const Slice& slice) {
    begin_event('X', track(slice));
    times(slice.begin_ns, slice.end_ns);
    text_ += described(slice);
    text_ += fmt::format(",\"line\":{}}}}}", slice.line);
  }

  void add_tokens() {
    uint64_t prompt = 0, decoded = 0, number = timeline_.tokens().size() == 1 ? timeline_.kept_token() : 0;
    int64_t until_ns = first_ns_;
    for (const TokenSpan& token : timeline_.tokens()) {
      const bool is_prompt = token.phase == Phase::prompt;
      begin_event('X', kTokenTrack);
      times(std::max(token.begin_ns, until_ns), token.end_ns);  // a file of several runs may tell them side by side
      until_ns = std::max(until_ns, token.end_ns);
      text_ += fmt::format(",\"cat\":\"token\",\"name\":\"{} token {}\",\"args\":{{\"token\":{},\"position\":{}}}}}",
                           is_prompt ? "prompt" : "decoded", number, number, token.position);
      ++(is_prompt ? prompt : decoded);
      ++number;
      counter("tokens", token.end_ns, fmt::format("\"prompt\":{},\"decoded\":{}", prompt, decoded));
      counter("position", token.end_ns, fmt::format("\"position\":{}", token.position));
    }
  }
  void counter(const char* what, int64_t at_ns, const std::string& values) {
    begin_event('C', 0);
    text_ += fmt::format(",\"ts\":{},\"name\":\"{}\",\"args\":{{{}}}}}", us(at_ns - first_ns_), what, values);
  }

  const Timeline& timeline_;
  const StringTable& strings_;
  int64_t first_ns_ = std::numeric_limits<int64_t>::max();
  bool is_first_ = true;
  std::string text_;
  std::unordered_map<uint64_t, std::string> described_;
};

}  // namespace

std::string slice_name(std::string_view op_name) {
  std::vector<std::string_view> parts;  // the last two that are no fields of a product
  while (!op_name.empty() && parts.size() < 2) {
    const size_t slash = op_name.rfind('/');
    const std::string_view part = slash == std::string_view::npos ? op_name : op_name.substr(slash + 1);
    if (!part.empty() && part.find('=') == std::string_view::npos) parts.push_back(part);
    op_name = slash == std::string_view::npos ? std::string_view() : op_name.substr(0, slash);
  }
  if (parts.empty()) return "?";
  return parts.size() == 1 ? std::string(parts[0]) : fmt::format("{}/{}", parts[1], parts[0]);
}

std::string perfetto_json(const std::string& trace, const Timeline& timeline, const StringTable& strings) {
  return Writer(timeline, strings).write(trace);
}

}  // namespace assay

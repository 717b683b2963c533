// Reading traces for analyze and probe.
#include "cli/trace_input.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <future>
#include <utility>
#include <vector>

#include "analysis/trace_workload.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "trace/file_kind.h"

namespace assay {
namespace {

/// Bad lines: what is no JSON where it occurs on stdout, as the classic report has it, or behind a trace's last event
/// on stderr; what has a wrong shape where it occurs on stderr, once there was an event.
class BadLinePrinter : public EventConsumer {
 public:
  BadLinePrinter(const std::string& trace, std::FILE* not_json) : trace_(one_line(trace)), not_json_(not_json) {}

  void consume(const Batch& batch, const StringTable&) override {
    has_events_ |= !batch.events.empty();
    if (has_events_) name_shapes();
    for (const BadLine& bad : batch.bad_lines) {
      has_other_ |= bad.kind == BadLine::Kind::not_json;
      if (bad.kind == BadLine::Kind::not_json)
        name_not_json(fmt::format("Error parsing line {}: {}\n", bad.line, bad.message));
      else if (++wrong_shapes_ <= kNamed)
        held_shapes_ +=
            fmt::format("assay: {}: line {} (from 0) is left out: {}\n", trace_, bad.line, one_line(bad.message));
    }
    if (has_events_) name_shapes();
  }
  /// A file without an event is no trace: it gets one line, whatever it holds; unless it is all JSON.
  void finish(bool has_events) {
    const bool names_shapes = has_events || !has_other_;
    if (names_shapes) name_shapes();
    if (has_events && held_count_ > 0) remark("{}", held_);
    if (has_events && held_count_ > kNamed)
      remark("assay: {}: {} more lines are no JSON\n", trace_, held_count_ - kNamed);
    if (names_shapes && wrong_shapes_ > kNamed)
      remark("assay: {}: {} more lines of a wrong shape are left out\n", trace_, wrong_shapes_ - kNamed);
  }

 private:
  void name_not_json(const std::string& line) {
    if (not_json_ != stderr)
      put(not_json_, describe_terminal(not_json_).interactive ? printable(line) : line);
    else if (++held_count_ <= kNamed)
      held_ += printable(line);
  }

  void name_shapes() {
    if (!held_shapes_.empty()) remark("{}", std::exchange(held_shapes_, ""));
  }

  static constexpr uint64_t kNamed = 100;  // a file of another kind would name each of its lines
  std::string trace_;
  std::FILE* not_json_;
  std::string held_, held_shapes_;  // for stderr
  bool has_events_ = false, has_other_ = false;
  uint64_t held_count_ = 0, wrong_shapes_ = 0;
};

/// "Reading TRACE: 1.2 of 3.4 GB" on a terminal, once reading has taken two seconds.
class ReadingLine {
 public:
  explicit ReadingLine(const std::string& trace) : trace_(trace), terminal_(describe_terminal(stderr)) {
    struct stat status;
    if (stat(trace.c_str(), &status) == 0 && S_ISREG(status.st_mode)) total_ = static_cast<uint64_t>(status.st_size);
  }

  void show(uint64_t bytes) {
    seen_ = bytes;
    if (!terminal_.live || now_ns() < next_ns_) return;
    next_ns_ = now_ns() + 100'000'000;
    const std::string of = total_ ? fmt::format(" of {:.2f}", double(total_) / 1e9) : "";
    const std::string line = fmt::format("Reading {}: {:.2f}{} GB", trace_, double(bytes) / 1e9, of);
    remark("\r\x1b[K{}", cut_middle(one_line(line), terminal_.width));
    std::fflush(stderr);
    shown_ = true;
  }
  void clear() const {
    if (shown_) remark("\r\x1b[K");
  }
  /// Of a file that was longer when reading began; "" if it is whole.
  std::string what_is_missing() const {
    struct stat now;
    if (seen_ >= total_ || stat(trace_.c_str(), &now) != 0 || static_cast<uint64_t>(now.st_size) >= total_) return "";
    return fmt::format("{}: it shrank while it was read, from {} to {} bytes", trace_, total_, seen_);
  }

 private:
  const std::string& trace_;
  Terminal terminal_;
  uint64_t total_ = 0, seen_ = 0;
  int64_t next_ns_ = now_ns() + 2'000'000'000;
  bool shown_ = false;
};

/// Keeps the first bytes that it hands on.
class HeadKeeper : public ByteSource {
 public:
  HeadKeeper(std::unique_ptr<ByteSource> bytes, std::string& head) : bytes_(std::move(bytes)), head_(head) {}
  size_t read(char* to, size_t size) override {
    const size_t n = bytes_->read(to, size);
    if (head_.size() < kKept) head_.append(to, std::min(n, kKept - head_.size()));
    return n;
  }
  uint64_t file_bytes() const override { return bytes_->file_bytes(); }

 private:
  static constexpr size_t kKept = 4096;
  std::unique_ptr<ByteSource> bytes_;
  std::string& head_;
};

}  // namespace

std::string no_event_message(const std::string& trace, const TraceInput& input) {
  if (input.totals.events > 0) return "";
  const FileKind kind = other_kind(input.head, input.totals, trace);
  return fmt::format("{}: no event in it; it looks like {}; {}", trace == "-" ? "standard input" : trace, kind.what,
                     kind.advice);
}

void read_trace_input(const std::string& trace, std::unique_ptr<ByteSource> bytes, TraceInput& to, std::FILE* not_json,
                      bool classic_alone, EventConsumer* last) {
  BadLinePrinter bad_lines(trace, not_json);
  ReadingLine reading(trace);
  ReadOptions options;
  options.progress = [&reading](uint64_t file_bytes) { reading.show(file_bytes); };
  std::vector<EventConsumer*> consumers = {&bad_lines, &to.counts};
  if (!classic_alone) consumers.insert(consumers.end(), {&to.shapes, &to.accounting});
  if (last) consumers.push_back(last);
  to.totals = read_trace(std::make_unique<HeadKeeper>(std::move(bytes), to.head), to.strings, consumers, options);
  reading.clear();
  if (to.totals.cut_off.empty()) to.totals.cut_off = reading.what_is_missing();
  bad_lines.finish(to.totals.events > 0);
}

Accounts TraceInput::finish_accounts() {
  auto placeholders = std::async(std::launch::async, [this] { return find_placeholders(counts, strings); });
  Accounts accounts = accounting.finish(strings);
  accounts.anomalies.placeholders = placeholders.get();
  return accounts;
}

ShapeReport TraceInput::shape_report(const Accounts& accounts, ShapeOptions options) const {
  const uint64_t tokens = accounts.prompt.tokens + accounts.decode.tokens;
  if (options.tokens == 0 && tokens > shapes.tokens()) {
    options.tokens = tokens;
    options.tokens_from = "ends of tokens in the account of time";
  }
  return report_shapes(counts, shapes, strings, options);
}

std::string workload_of_trace(const std::string& trace, const ShapeOptions& options) {
  TraceInput input;
  read_trace_input(trace, open_byte_source(trace), input, stderr);
  if (!input.totals.cut_off.empty()) fail("{}: a workload needs the whole trace", input.totals.cut_off);
  if (const std::string message = no_event_message(trace, input); !message.empty()) fail("{}", message);
  return trace_workload(input.shape_report(input.finish_accounts(), options),
                        {trace, "", "", TraceWorkloadOptions().least_percent})
      .json;
}

}  // namespace assay

// Traces for tests: lines written by hand, bytes from memory, and everything that a reader hands on.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "trace/reader.h"

namespace assay {

/// {"event":{"type":TYPE,"data":DATA}} with a line end.
inline std::string event_line(const std::string& type, const std::string& data) {
  return R"({"timestamp":1,"span_id":2,"parent_span_id":null,"span_name":"s","event":{"type":")" + type +
         R"(","data":)" + data + "}}\n";
}
inline std::string gpu_line(const std::string& op_name, const std::string& duration, const std::string& more = "") {
  return event_line("GpuOpCompleted",
                    R"({"op_name":")" + op_name + R"(","backend":"Metal","duration_us":)" + duration + more + "}");
}
inline std::string internal_line(const std::string& parent, const std::string& kernel, const std::string& duration) {
  return event_line("InternalKernelCompleted", R"({"parent_op_name":")" + parent + R"(","internal_kernel_name":")" +
                                                   kernel + R"(","duration_us":)" + duration + "}");
}

/// Bytes from memory, at most `step` at a time; then the end, or an Error with `failure`.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string bytes, size_t step = SIZE_MAX, std::string failure = "")
      : bytes_(std::move(bytes)), step_(step), failure_(std::move(failure)) {}
  size_t read(char* to, size_t size) override {
    const size_t n = std::min({size, step_, bytes_.size() - at_});
    std::memcpy(to, bytes_.data() + at_, n);
    at_ += n;
    if (n == 0 && !failure_.empty()) throw Error(failure_);
    return n;
  }
  uint64_t file_bytes() const override { return at_; }

 private:
  std::string bytes_;
  size_t step_;
  std::string failure_;
  size_t at_ = 0;
};

/// Keeps all that it gets.
class Everything : public EventConsumer {
 public:
  void consume(const Batch& batch, const StringTable&) override {
    events.insert(events.end(), batch.events.begin(), batch.events.end());
    bad_lines.insert(bad_lines.end(), batch.bad_lines.begin(), batch.bad_lines.end());
  }
  std::vector<Event> events;
  std::vector<BadLine> bad_lines;
};

struct ReadTrace {
  StringTable strings;
  Everything all;
  ReadTotals totals;

  explicit ReadTrace(std::unique_ptr<ByteSource> bytes, const ReadOptions& options = {}) {
    EventConsumer* const consumers[] = {&all};
    totals = read_trace(std::move(bytes), strings, consumers, options);
  }
  explicit ReadTrace(const std::string& text, const ReadOptions& options = {})
      : ReadTrace(std::make_unique<MemorySource>(text), options) {}

  std::string text(StringId id) const { return std::string(strings.text(id)); }
  /// "line 3: message" of every bad line.
  std::vector<std::string> bad() const {
    std::vector<std::string> named;
    for (const BadLine& bad : all.bad_lines)
      named.push_back(fmt::format("{} {}", bad.kind == BadLine::Kind::not_json ? "json" : "shape", bad.line));
    return named;
  }
};

}  // namespace assay

// Fuzz entry of the trace reader: any bytes are lines, good or bad; the fast reader of a line agrees with the full one,
// and chunks and threads change nothing in the report.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "analysis/classic.h"
#include "base/error.h"
#include "base/json.h"
#include "report/accounting_report.h"
#include "trace/line_parser.h"
#include "trace/reader.h"

namespace {

using assay::LineFields;
using assay::TextField;

class Bytes : public assay::ByteSource {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  size_t read(char* to, size_t size) override {
    const size_t n = rest_.copy(to, size);
    rest_.remove_prefix(n);
    return n;
  }
  uint64_t file_bytes() const override { return 0; }

 private:
  std::string_view rest_;
};

void check_same(const TextField& a, const TextField& b) {
  const bool text = a.kind == TextField::Kind::text;
  ASSAY_CHECK(text == (b.kind == TextField::Kind::text) && (!text || a.text == b.text));
  ASSAY_CHECK(text || a.kind == b.kind || b.kind == TextField::Kind::falsy || b.kind == TextField::Kind::other);
}

void check_line(std::string_view line, assay::LineJudge& judge) {
  std::string padded(line);
  padded += '\n';
  padded.resize(padded.size() + 64);
  LineFields fast, full;
  const char* end = assay::read_usual_line(padded.c_str(), fast);
  if (!end) return;
  ASSAY_CHECK(end == padded.c_str() + line.size());
  ASSAY_CHECK(judge.judge({padded.c_str(), line.size()}, full) == assay::LineJudge::Verdict::fields);
  for (const auto field :
       {&LineFields::type, &LineFields::span_name, &LineFields::op_name, &LineFields::backend, &LineFields::reason,
        &LineFields::parent_op_name, &LineFields::internal_kernel_name, &LineFields::kernel_name})
    check_same(fast.*field, full.*field);
  ASSAY_CHECK(fast.duration.kind == full.duration.kind && fast.duration.bits == full.duration.bits);
  ASSAY_CHECK(fast.duration.is_unsigned == full.duration.is_unsigned);
  ASSAY_CHECK(fast.timestamp_ns == full.timestamp_ns && fast.span_id == full.span_id &&
              fast.parent_span_id == full.parent_span_id);
  if (full.type.text != "GpuOpCompleted" || fast.inner_map.empty()) return;
  const std::string expected(full.packed);
  ASSAY_CHECK(judge.pack_matmul(fast.inner_map) == expected);
}

/// Events and bad lines with their texts: what they say must not depend on the lines before.
std::vector<std::string> said(std::string_view text, assay::LineParser& parser,
                              std::vector<std::string_view>& strings) {
  std::string padded(text);
  padded += '\n';
  const size_t size = padded.size();
  padded.resize(size + 64);
  assay::ParsedChunk chunk;
  parser.parse({padded.data(), size}, chunk);
  strings.insert(strings.end(), chunk.new_strings.begin(), chunk.new_strings.end());
  std::vector<std::string> lines(chunk.totals.lines);
  for (const assay::Event& e : chunk.events) {
    std::string& line = lines[e.line] =
        fmt::format("{} {} {} {} {} {} {}", e.timestamp_ns, e.span_id, e.parent_span_id, e.duration_bits, int(e.type),
                    int(e.duration_kind), e.duration_unsigned);
    for (const assay::StringId id : {e.type_name, e.span_name, e.op_name, e.backend, e.reason, e.parent_op_name,
                                     e.internal_kernel_name, e.kernel_name, e.matmul})
      line.append("|").append(strings[id]);
  }
  for (const assay::BadLine& bad : chunk.bad_lines) lines[bad.line] = bad.message;
  return lines;
}

void check_memory(std::string_view text) {
  assay::LineParser with_memory;
  std::vector<std::string_view> strings;
  const std::vector<std::string> first = said(text, with_memory, strings), again = said(text, with_memory, strings);
  ASSAY_CHECK(first == again);
  size_t number = 0;
  for (size_t at = 0; at <= text.size() && number < 16; ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    assay::LineParser fresh;
    std::vector<std::string_view> its_strings;
    ASSAY_CHECK(said(text.substr(at, end - at), fresh, its_strings).at(0) == first.at(number));
    at = end + 1;
  }
}

std::string report(std::string_view text, const assay::ReadOptions& options) {
  assay::StringTable strings;
  assay::ClassicCounts counts;
  assay::TimeAccounting accounting;
  assay::EventConsumer* const consumers[] = {&counts, &accounting};
  const assay::ReadTotals t = assay::read_trace(std::make_unique<Bytes>(text), strings, consumers, options);
  ASSAY_CHECK(t.lines == t.blank + t.untyped + t.events + t.not_json + t.wrong_shape);
  const assay::Accounts accounts = accounting.finish(strings);
  for (const assay::TimeParts* p : {&accounts.load, &accounts.outside, &accounts.prompt.parts, &accounts.decode.parts})
    ASSAY_CHECK(p->gpu_ns >= 0 && p->host_ns >= 0 && p->cpu_ns >= 0 && p->unsplit_ns >= 0);
  const std::string account =
      assay::accounting_text(accounts) + to_json(accounts).dump() + to_json(accounts.anomalies).dump();
  return account + assay::classic_text(counts, strings, {}) +
         fmt::format("{} {} {} {}", t.lines, t.blank, t.not_json, t.wrong_shape);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static assay::LineJudge judge;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    check_line(text.substr(at, end - at), judge);
    at = end + 1;
  }
  check_memory(text);
  const std::string whole = report(text, {.threads = 1});
  ASSAY_CHECK(report(text, {.threads = 1, .chunk_bytes = 40}) == whole);
  static int runs = 0;
  if (++runs % 64 == 0)
    ASSAY_CHECK(report(text, {.threads = 2, .chunk_bytes = 30}) == whole);  // threads are slow to start
  return 0;
}

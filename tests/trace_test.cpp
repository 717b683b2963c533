// The trace reader: lines counted by kind, and that threads, chunks and compression change nothing.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>

#include "base/file.h"
#include "trace/line_fields.h"
#include "trace_lines.h"

namespace assay {
namespace {

using Lines = std::vector<std::string>;
namespace fs = std::filesystem;

class trace_file : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/assay-trace-test-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file(folder_ / name, bytes);
    return folder_ / name;
  }
  fs::path folder_;
};

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

/// Good, blank, bad and unusual lines of every kind, some hundred bytes to some thousand.
std::string mixed_trace(int rounds) {
  std::string text;
  for (int i = 0; i < rounds; ++i) {
    const std::string n = std::to_string(i);
    text += gpu_line("loop/block_" + n + "/cb_gpu", n) + "\n \r\n" +
            internal_line("p" + std::to_string(i % 3), "k\\u0041" + n, n);
    text += "{\"event\":" + n + "}\nnot json " + n + "\n" +
            gpu_line(std::string(size_t(i % 700), 'x'), "7", R"(,"data":{"op":"matmul","n":")" + n + "\"}");
    text += event_line("HostMemory", R"({"total_bytes":1,"breakdown":{"a":[1,2.5,{"b":null}],"c":true}})") +
            "{\"event\":{}}\r\n";
  }
  return text + R"({"event":{"type":"End"}})";  // without a line end
}

std::string shown(const ReadTrace& trace) {
  std::string out;
  for (const Event& e : trace.all.events)
    out += fmt::format("{} {} {} {} {} {} {}\n", e.line, e.type_name, e.op_name, e.internal_kernel_name,
                       e.parent_op_name, e.matmul, e.duration_bits);
  for (const BadLine& bad : trace.all.bad_lines) out += fmt::format("{} {}\n", bad.line, bad.message);
  for (StringId id = 0; id < trace.strings.size(); ++id) out += trace.text(id) + "\n";
  const ReadTotals& t = trace.totals;
  return out +
         fmt::format("{} {} {} {} {} {} {}", t.bytes, t.lines, t.blank, t.untyped, t.events, t.not_json, t.wrong_shape);
}

TEST(trace_reader, threads_and_chunk_sizes_change_nothing_not_even_the_numbers_of_strings) {
  const std::string text = mixed_trace(300);
  const std::string expected = shown(ReadTrace(text, {.threads = 1, .chunk_bytes = text.size() * 2}));
  for (const unsigned threads : {1u, 2u, 4u})
    for (const size_t chunk_bytes : {size_t(1), size_t(100), size_t(997), size_t(65536)})
      EXPECT_EQ(shown(ReadTrace(text, {.threads = threads, .chunk_bytes = chunk_bytes})), expected)
          << threads << " " << chunk_bytes;
  EXPECT_EQ(shown(ReadTrace(std::make_unique<MemorySource>(text, 13), {.threads = 2, .chunk_bytes = 500})), expected);
}

TEST(trace_reader, counts_every_line_as_one_of_five_kinds) {
  const ReadTotals t = ReadTrace(mixed_trace(10)).totals;
  EXPECT_EQ(t.events, 41u);
  EXPECT_EQ(t.blank, 20u);
  EXPECT_EQ(t.untyped, 10u);
  EXPECT_EQ(t.not_json, 10u);
  EXPECT_EQ(t.wrong_shape, 10u);
  EXPECT_EQ(t.lines, 91u);
}

TEST(trace_reader, lines_count_from_zero_blank_ones_too) {
  const ReadTrace trace("\n\t \r\n" + gpu_line("a", "1") + "\x0c\nbad\n" + gpu_line("b", "1"));
  ASSERT_EQ(trace.all.events.size(), 2u);
  EXPECT_EQ(trace.all.events[0].line, 2u);
  EXPECT_EQ(trace.all.events[1].line, 5u);
  EXPECT_EQ(trace.bad(), Lines{"json 4"});
}

TEST(trace_reader, a_consumers_exception_comes_out_of_read_trace) {
  struct Thrower : EventConsumer {
    void consume(const Batch&, const StringTable&) override { fail("enough"); }
  } thrower;
  StringTable strings;
  EventConsumer* const consumers[] = {&thrower};
  EXPECT_THROW(read_trace(std::make_unique<MemorySource>(mixed_trace(100)), strings, consumers,
                          {.threads = 3, .chunk_bytes = 64}),
               Error);
}

TEST(trace_reader, bytes_that_end_in_an_error_leave_the_lines_before_it) {
  const std::string text = gpu_line("a", "1") + gpu_line("b", "2") + "{\"event\":{\"ty";
  const ReadTrace trace(std::make_unique<MemorySource>(text, 50, "the disk is gone"));
  EXPECT_EQ(trace.totals.cut_off, "the disk is gone");
  EXPECT_EQ(trace.totals.events, 2u);
  EXPECT_EQ(trace.bad(), Lines{"json 2"});
}

TEST(trace_reader, a_line_of_100_MB_is_read_like_any_other) {
  const std::string long_name(100'000'000, 'x');
  const ReadTrace trace(gpu_line("a", "1") + gpu_line(long_name, "2") + long_name + "\n" + gpu_line("b", "3"));
  ASSERT_EQ(trace.all.events.size(), 3u);
  EXPECT_EQ(trace.strings.text(trace.all.events[1].op_name).size(), long_name.size());
  EXPECT_EQ(trace.all.events[2].line, 3u);
  EXPECT_EQ(trace.bad(), Lines{"json 2"});
}

TEST(trace_reader, a_line_longer_than_the_longest_allowed_is_bad_and_is_not_kept) {
  for (const size_t chunk_bytes : {size_t(300), size_t(1000), size_t(100'000)}) {
    const std::string end = "{\"event\":{\"type\":\"End\"}}";
    const ReadTrace trace(gpu_line("a", "1") + std::string(50'000, 'x') + "\n" + gpu_line("b", "3") +
                              std::string(70'000, ' ') + "\n" + end,
                          {.threads = 2, .chunk_bytes = chunk_bytes, .longest_line = 2000});
    const Lines expected =
        chunk_bytes < 50'000 ? Lines{"json 1", "json 3"} : Lines{"json 1"};  // a chunk may hold it anyway
    EXPECT_EQ(trace.bad(), expected);
    EXPECT_EQ(trace.totals.events, 3u);
    EXPECT_EQ(trace.all.events.back().line, 4u);
  }
}

TEST(string_table, numbers_strings_in_order_of_first_appearance_at_addresses_that_stay) {
  StringTable table;
  const StringId first = table.intern("first");
  const std::string_view kept = table.text(first);
  for (int i = 0; i < 20'000; ++i) EXPECT_EQ(table.intern("name " + std::to_string(i)), StringId(i) + 2);
  table.intern(std::string(1'000'000, 'x'));
  EXPECT_EQ(table.intern("first"), first);
  EXPECT_EQ(table.text(first).data(), kept.data());
  EXPECT_EQ(table.intern("<unknown>"), kMissing);
  EXPECT_EQ(table.text(table.intern("")), "");
}

TEST_F(trace_file, compressed_ones_say_the_same_in_one_piece_or_several) {
  const std::string text = mixed_trace(200), half = text.substr(0, text.size() / 2),
                    rest = text.substr(text.size() / 2);
  const std::string expected = shown(ReadTrace(text));
  const std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  for (const std::string& bytes :
       {gzip(text), gzip(half) + gzip(rest), zstd(text), zstd(half) + zstd(rest), skippable + zstd(text)})
    EXPECT_EQ(shown(ReadTrace(open_byte_source(write("trace", bytes)))), expected);
}

TEST_F(trace_file, a_compressed_one_that_ends_early_or_is_damaged_is_read_up_to_there) {
  const std::string text = mixed_trace(2000);
  for (std::string bytes : {gzip(text), zstd(text)}) {
    const ReadTrace cut(open_byte_source(write("cut", bytes.substr(0, bytes.size() - 100))));
    EXPECT_NE(cut.totals.cut_off.find("ends early"), std::string::npos) << cut.totals.cut_off;
    const size_t middle = bytes.size() / 2;
    for (size_t i = middle; i < middle + 40; ++i) bytes[i] = char(~bytes[i]);
    const ReadTrace damaged(open_byte_source(write("damaged", bytes)));
    EXPECT_NE(damaged.totals.cut_off.find("damaged"), std::string::npos) << damaged.totals.cut_off;
  }
}

TEST_F(trace_file, a_folder_or_a_missing_file_is_an_error_and_an_empty_one_is_empty) {
  EXPECT_THROW(open_byte_source(folder_), Error);
  EXPECT_THROW(open_byte_source(folder_ / "missing"), Error);
  EXPECT_EQ(ReadTrace(open_byte_source(write("empty", ""))).totals.lines, 0u);
  EXPECT_EQ(ReadTrace(open_byte_source(write("short", "{"))).bad(), Lines{"json 0"});
}

TEST_F(trace_file, one_that_shrinks_or_vanishes_while_it_is_read_ends_early) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += gpu_line("a", "1");
  struct Truncate : EventConsumer {
    void consume(const Batch& batch, const StringTable&) override {
      if (events == 0) {
        fs::resize_file(path, 1'000'000);
        fs::remove(path);
      }
      events += batch.events.size();
    }
    fs::path path;
    uint64_t events = 0;
  } truncate;
  truncate.path = write("shrinks", text);
  StringTable strings;
  EventConsumer* const consumers[] = {&truncate};
  const ReadTotals totals =
      read_trace(open_byte_source(truncate.path), strings, consumers, {.threads = 2, .chunk_bytes = 50'000});
  EXPECT_EQ(totals.events, truncate.events);
  EXPECT_GE(totals.events, 300u);
  EXPECT_LT(totals.events, 20'000u);
  EXPECT_LE(totals.not_json, 1u);
}

}  // namespace
}  // namespace assay

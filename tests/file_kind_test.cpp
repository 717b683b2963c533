// Files that are no trace, or a damaged one: each is called what it is, with what to do, and never passes for a quiet
// run.
#include "trace/file_kind.h"

#include <zlib.h>
#include <zstd.h>

#include "assay_program.h"
#include "trace_lines.h"

namespace assay {
namespace {

using namespace std::string_literals;

class file_kind : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file(home_.folder / name, bytes);
    return home_.folder / name;
  }
  /// Exit 2, one line on stderr at the end, which has all of `parts`.
  void expect_refused(const std::string& bytes, const std::vector<std::string>& parts) const {
    const std::string trace = write("file", bytes);
    for (const std::vector<std::string>& options : {std::vector<std::string>{}, {"--classic"}}) {
      std::vector<std::string> arguments = {"analyze", trace};
      arguments.insert(arguments.end(), options.begin(), options.end());
      const Ended ended = home_.run(arguments);
      EXPECT_EQ(ended.exit_code, 2) << parts[0];
      for (const std::string& part : parts) EXPECT_TRUE(has(ended.err, part)) << part << "\n" << ended.err;
    }
    const std::string good = write("good.jsonl", gpu_line("a", "1"));
    for (const auto& [before, after] : {std::pair{trace, good}, {good, trace}}) {
      const Ended diff = home_.run({"analyze", "--diff", before, after});
      EXPECT_EQ(diff.exit_code, 2) << parts[0];
      EXPECT_FALSE(has(diff.out, "\nAgainst ")) << diff.out;
    }
    EXPECT_EQ(home_.run({"probe", "--from", trace, "--dry-run"}).exit_code, 2);
  }
  Home home_;
};

TEST_F(file_kind, packed_data_is_named_with_the_command_that_unpacks_it) {
  const std::pair<std::string, std::string> cases[] = {
      {"\xfd\x37zXZ\0\0"s, "xz -dc"},    {"PK\x03\x04\x14\0"s, "unzip -p"},
      {"BZh91AY&SY....", "bzip2 -dc"},   {"7z\xbc\xaf\x27\x1c\0\4"s, "7z x"},
      {"\x04\x22\x4d\x18..", "lz4 -dc"}, {std::string(257, 'a') + "ustar\0"s, "tar -xOf"},
      {"\x1f\x9d\x90", "gzip -dc"},      {"Rar!\x1a\x07\x01\0"s, "unrar"}};
  for (const auto& [head, command] : cases) {
    const FileKind kind = packed_kind(head, "run.jsonl.x");
    EXPECT_FALSE(kind.what.empty()) << command;
    EXPECT_NE(kind.advice.find(command), std::string::npos) << kind.advice;
    EXPECT_NE(kind.advice.find("run.jsonl.x | assay analyze -"), std::string::npos) << kind.advice;
  }
  for (const char* head : {"", "{\"timestamp\":1}", "BZhere begins a text", "PKs", "] 1"})
    EXPECT_EQ(packed_kind(head, "x").what, "") << head;
  expect_refused("\xfd\x37zXZ\0\0"s, {"looks like xz-compressed data, not a trace"});
}

TEST_F(file_kind, what_holds_no_event_is_called_what_it_looks_like) {
  expect_refused("", {"no event in it; it looks like an empty file"});
  expect_refused("\n \n", {"blanks alone"});
  expect_refused("hello\nworld\n", {"plain text"});
  expect_refused("a,b,c\n1,2,3\n", {"a table (CSV)"});
  expect_refused("{\n  \"timestamp\": 1,\n  \"event\": {}\n}\n",
                 {"JSON that is written over several lines", "jq -c ."});
  expect_refused("[\n  {\n    \"event\": 1\n  }\n]\n", {"JSON that is written over several lines", "jq -c '.[]'"});
  expect_refused(R"([{"event":{"type":"A"}}])"s + "\n", {"one JSON list", "jq -c '.[]'"});
  expect_refused(R"({"traceEvents":[{"name":"a","ph":"X","ts":1,"dur":2}]})", {"a Chrome trace"});
  expect_refused("[\n{\"name\":\"a\",\"ph\":\"X\",\"ts\":1},\n{\"name\":\"b\",\"ph\":\"X\",\"ts\":1}\n]\n",
                 {"a Chrome trace"});
  expect_refused("{\"a\":1}\n{\"a\":2}\n", {"JSON lines without an event's type"});
  expect_refused("Matmul benchmark summary (iterations=6)\n", {"a probe's log", "assay audit"});
  expect_refused(
      "\x7f"
      "ELF\2\1\1\0\0"s,
      {"a program or library (ELF)"});
  expect_refused("SQLite format 3\0...."s, {"an SQLite database"});
  expect_refused("ab\0\1\2\3\4cd\0\n"s, {"binary data"});
  expect_refused("\xff\xfe{\0}\0\n\0"s, {"UTF-16 text", "iconv"});
}

/// What zlib makes of `text`.
std::string gzipped(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST_F(file_kind, zero_padding_behind_compressed_data_is_no_damage) {
  const std::string text = gpu_line("a", "1") + gpu_line("b", "2");
  for (const std::string& packed : {gzipped(text), zstd(text)})
    for (const size_t padding : {1, 511, 300'000}) {
      const Ended ended = home_.run({"analyze", "--classic", write("t", packed + std::string(padding, '\0'))});
      EXPECT_EQ(ended.exit_code, 0) << ended.err;
      EXPECT_TRUE(has(ended.out, "Total events: 2\n"));
      const Ended two = home_.run({"analyze", "--classic", write("t", packed + std::string(padding, '\0') + packed)});
      EXPECT_TRUE(has(two.out, "Total events: 4\n")) << two.err;
    }
}

TEST_F(file_kind, damaged_compressed_data_keeps_what_was_decoded_before) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += gpu_line("a", "1");
  std::string bad_sum = gzipped(text);
  bad_sum[bad_sum.size() - 8] = char(bad_sum[bad_sum.size() - 8] ^ 1);
  const Ended ended = home_.run({"analyze", "--classic", write("t.gz", bad_sum)});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.out, "Total events: 20\n")) << ended.out;
  EXPECT_TRUE(has(ended.err, "the gzip data is damaged (incorrect data check): the report covers the 20 events"))
      << ended.err;
}

TEST_F(file_kind, gaps_of_nul_bytes_and_joined_lines_have_their_own_words) {
  const std::string event = gpu_line("a", "1"), bare = event.substr(0, event.size() - 1);
  const std::string text = event + std::string(200'000, '\0') + event + bare + event + bare + " []\n" + bare + "x\n" +
                           std::string(9, '\0') + "\n";
  const Ended ended = home_.run({"analyze", "--classic", write("t", text)});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_TRUE(has(ended.out, "Error parsing line 1: a gap of NUL bytes, as a crash or a cut file leaves\n"))
      << ended.out.substr(0, 900);
  EXPECT_TRUE(has(ended.out, "Error parsing line 2: two objects on a line: a line end is missing\n"))
      << ended.out.substr(0, 900);
  EXPECT_TRUE(has(ended.out, "Error parsing line 3: two objects on a line: a line end is missing\n"));
  EXPECT_TRUE(has(ended.out, "Error parsing line 4: something behind the object\n"));
  EXPECT_TRUE(has(ended.out, "Error parsing line 5: a gap of NUL bytes"));
}

TEST_F(file_kind, the_shared_cases_are_called_what_they_are) {
  const fs::path cases = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/cases";
  if (!fs::exists(cases)) GTEST_SKIP() << cases << " is not here";
  const auto classic = [&](const char* name) { return home_.run({"analyze", "--classic", cases / name}); };
  const Ended whole = classic("first_total_short.jsonl.gz"), padded = classic("zero_padded.jsonl.gz");
  const auto report = [](const Ended& ended) {
    return ended.out.substr(std::min(ended.out.find("Total events"), ended.out.size()));
  };
  EXPECT_EQ(padded.exit_code, 0) << padded.err;
  EXPECT_EQ(padded.err, "");
  EXPECT_EQ(report(padded), report(whole));
  const Ended bad_sum = classic("bad_crc.jsonl.gz");
  EXPECT_EQ(bad_sum.exit_code, 2);
  EXPECT_TRUE(has(bad_sum.out, "Total events: 1304\n"));
  EXPECT_TRUE(has(bad_sum.err, "incorrect data check")) << bad_sum.err;
  const Ended gap = classic("nul_gap.jsonl.gz");
  EXPECT_EQ(gap.exit_code, 0);
  EXPECT_EQ(count_of(gap.out, "a gap of NUL bytes"), 1u) << gap.out.substr(0, 300);
  const Ended packed = classic("trace.jsonl.xz");
  EXPECT_EQ(packed.exit_code, 2);
  EXPECT_EQ(packed.out, "");
  EXPECT_TRUE(has(packed.err, "looks like xz-compressed data, not a trace; unpack it first, or pipe it in: xz -dc "))
      << packed.err;
}

}  // namespace
}  // namespace assay

// What include/assay_trace.h writes: lines that the reader takes whole, whatever the names hold and however it ends.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>

#include "assay_program.h"
#include "base/error.h"
#include "base/process.h"
#include "text_lines.h"
#include "trace/byte_source.h"
#include "trace/matmul_fields.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace assay {
namespace {

/// Every event with the texts that its numbers mean.
class Collected : public EventConsumer {
 public:
  struct Seen {
    Event event;
    std::string type, op_name, backend, parent, kernel, reason;
    MatmulFields matmul;
  };
  std::vector<Seen> events;
  size_t bad = 0;

  void consume(const Batch& batch, const StringTable& strings) override {
    bad += batch.bad_lines.size();
    const auto text = [&](StringId id) { return std::string(strings.text(id)); };
    for (const Event& e : batch.events)
      events.push_back({e, text(e.type_name), text(e.op_name), text(e.backend), text(e.parent_op_name),
                        text(e.internal_kernel_name), text(e.reason),
                        e.matmul == kMissing ? MatmulFields{} : unpack_fields(strings.text(e.matmul))});
  }
};

Collected read_back(const fs::path& file) {
  Collected collected;
  StringTable strings;
  EventConsumer* const consumers[] = {&collected};
  read_trace(open_byte_source(file), strings, consumers);
  return collected;
}

const std::string kSpec = "op=matmul | batch=1 | m=1 | n=896 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=q4_0 | dtD=f32";

TEST(trace_writer, writes_events_that_the_reader_takes) {
  const Home home;
  const fs::path file = home.folder / "t.jsonl";
  TraceWriter writer(file);
  assay_trace_op(writer.get(), "Generation Loop/block_0/x/matmul/g (Q)", "g", 1'700'000'000'000'012'345, 12'345,
                 kSpec.c_str());
  assay_trace_host(writer.get(), "generation_loop", "iteration_total", 1'700'000'000'000'020'000, 20'499);
  assay_trace_selected(writer.get(), "matmul", "g", "table", 9);
  assay_trace_bytes(writer.get(), "ModelWeights", "total_bytes", int64_t(1) << 40, 9);
  writer.close();
  const Collected read = read_back(file);
  ASSERT_EQ(read.events.size(), 4u);
  EXPECT_EQ(read.bad, 0u);
  const Collected::Seen& op = read.events[0];
  EXPECT_EQ(op.type, "GpuOpCompleted");
  EXPECT_EQ(op.event.timestamp_ns, 1'700'000'000'000'012'345);
  EXPECT_EQ(int64_t(op.event.duration_us()), 12);
  EXPECT_EQ(op.backend, "g");
  EXPECT_EQ(shape_line(op.matmul), kSpec) << "nothing of the spec is lost";
  EXPECT_EQ(read.events[1].kernel, "iteration_total");
  EXPECT_EQ(int64_t(read.events[1].event.duration_us()), 20);
  EXPECT_EQ(read.events[2].reason, "table");
  EXPECT_EQ(read.events[3].type, "ModelWeights");
}

TEST(trace_writer, quotes_any_bytes_that_are_utf8) {
  const Home home;
  const std::string odd = "a \"b\" \\ \n \x01 / Zürich €";
  TraceWriter writer(home.folder / "t.jsonl");
  assay_trace_op(writer.get(), odd.c_str(), odd.c_str(), 5, 7, nullptr);
  writer.close();
  const Collected read = read_back(home.folder / "t.jsonl");
  ASSERT_EQ(read.events.size(), 1u);
  EXPECT_EQ(read.events[0].op_name, odd);
}

TEST(trace_writer, that_cannot_write_on_says_so_and_leaves_whole_lines) {
  const Home home;
  const fs::path file = home.folder / "t.jsonl";
  const auto write_much = [&] {
    TraceWriter writer(file);
    for (int i = 0; i < 20'000; ++i) assay_trace_host(writer.get(), "generation_loop", "step", i, i);
    writer.close();
  };
  struct rlimit before {};
  getrlimit(RLIMIT_FSIZE, &before);
  const struct rlimit little { 1'000'003, before.rlim_max };  // like a full disk, but for the word
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &little);
  std::string message;
  try {
    write_much();
  } catch (const Error& e) {
    message = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(message.find("was written no further than"), std::string::npos) << message;
  const Collected read = read_back(file);
  EXPECT_EQ(read.bad, 0u);
  EXPECT_GT(read.events.size(), 1'000u);
  EXPECT_LT(read.events.size(), 20'000u);
  EXPECT_EQ(read_file(file).back(), '\n');
}

TEST(trace_writer, says_why_no_file_can_be_made) { EXPECT_THROW(TraceWriter("/nowhere/at/all.jsonl"), Error); }

TEST(trace_header, is_plain_c_and_analyze_reads_what_its_example_writes) {
  const Home home;
  const fs::path source(ASSAY_SOURCE_DIR), program = home.folder / "example", trace = home.folder / "t.jsonl";
  const ProcessResult compiled =
      run_process({"cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", source / "include",
                   source / "docs/examples/trace_writer.c", "-o", program},
                  60);
  ASSERT_EQ(compiled.exit_code, 0) << compiled.output;
  ASSERT_EQ(run_process({program, trace}, 10).exit_code, 0);
  const Ended report = home.run({"analyze", trace});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  for (const char* part : {"Total events: 16", "my_gemv (Q): count=2 | total=0.08ms", "reason=default: count=1",
                           "decode: tokens=2 | wall=", "matmul M:1 N:896 K:896 NT q8_0", "Generation Loop/cb_gpu"})
    EXPECT_TRUE(has(report.out, part)) << part << " is not in\n" << report.out;
}

TEST(trace_header, writes_every_whole_number) {
  const Home home;
  const fs::path file = home.folder / "t.jsonl";
  assay_trace trace;
  ASSERT_EQ(assay_trace_open(&trace, file.c_str()), 0);
  std::string expected;
  for (const int64_t number : {int64_t(0), int64_t(9), int64_t(10), int64_t(-1), int64_t(-120), INT64_MAX, INT64_MIN}) {
    assay_trace_number(&trace, number);
    assay_trace_text(&trace, "\n");
    expected += std::to_string(number) + "\n";
  }
  ASSERT_EQ(assay_trace_close(&trace), 0);
  EXPECT_EQ(read_file(file), expected);
}

TEST(trace_header, compiles_as_c_and_as_cpp_of_every_year_beside_the_tables_and_after_other_headers) {
  const Home home;
  for (const char* before : {"", "#include <stdio.h>\n", "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n",
                             "#define _POSIX_C_SOURCE 199506L\n"}) {
    write_file(home.folder / "all.c", std::string(before) +
                                          "#include <assay_table.h>\n#include <assay_trace.h>\n"
                                          "int main(void) { return assay_trace_now_ns() <= 0; }\n");
    for (const auto& [language, standard] : std::vector<std::pair<std::string, std::string>>{
             {"c", "c11"}, {"c", "gnu11"}, {"c", "c17"}, {"c++", "c++11"}, {"c++", "c++20"}}) {
      const ProcessResult compiled = run_process(
          {"cc", "-x", language, "-std=" + standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-I",
           std::string(ASSAY_SOURCE_DIR) + "/include", home.folder / "all.c", "-o", home.folder / "all"},
          60);
      ASSERT_EQ(compiled.exit_code, 0) << standard << before << compiled.output;
      EXPECT_EQ(run_process({home.folder / "all"}, 10).exit_code, 0);
    }
  }
}

}  // namespace
}  // namespace assay

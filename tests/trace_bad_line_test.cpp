// Bad lines of a trace: which are, what each is called, and that those around it stay.
#include <gtest/gtest.h>

#include "not_json.h"
#include "trace_lines.h"

namespace assay {
namespace {

using Lines = std::vector<std::string>;

TEST(trace_bad_line, what_is_not_json_is_named_and_the_lines_around_it_stay_exact) {
  for (const std::string& line : kNotJson) {
    const ReadTrace trace(gpu_line("a", "1") + line + "\n" + gpu_line("b", "2"), {.threads = 2});
    EXPECT_EQ(trace.bad(), Lines{"json 1"}) << line.substr(0, 100);
    EXPECT_EQ(trace.totals.events, 2u) << line.substr(0, 100);
    EXPECT_FALSE(trace.all.bad_lines.at(0).message.empty());
  }
}

TEST(trace_bad_line, each_kind_of_fault_has_a_name_of_its_own) {
  const std::string begin = "{\"event\":{\"type\":\"a\"},\"x\":";
  const std::pair<std::string, const char*> faults[] = {
      {begin + "NaN}", "NaN"},
      {begin + "-Infinity}", "Infinity"},
      {begin + "\"NaN\\ud83d\\ude00\\ud800\"}", "a lone surrogate"},
      {begin + "\"\t\"}", "a control character in a text"},
      {begin + "\"\\q\"}", "an escape that JSON does not have"},
      {begin + "\"ab", "it ends within a text"},
      {begin + "[1", "it ends before its brackets close"},
      {begin + "1}}", "a bracket that nothing opened"},
      {begin + "1,,}", "something missing or out of place between values"},
      {begin + "18446744073709551616}", "a malformed number, or one beyond 64 bits"},
      {begin + "\"\xff\"}", "invalid UTF-8"},
      {"\xef\xbb\xbf{}", "a byte order mark"},
      {std::string("{\0}\0", 4), "UTF-16 or UTF-32, not UTF-8"},
      {begin + std::string("\"\0\"}", 4), "a NUL byte"},
      {begin + std::string(100'000, '['), "more than 1,024 containers within each other"},
      {"this is no JSON", "a word that JSON does not have"},
  };
  for (const auto& [line, fault] : faults) {
    const ReadTrace trace(line + "\n");
    ASSERT_EQ(trace.bad(), Lines{"json 0"}) << line.substr(0, 100);
    EXPECT_EQ(trace.all.bad_lines[0].message, fault) << line.substr(0, 100);
  }
}

TEST(trace_bad_line, json_of_a_wrong_shape_is_named) {
  for (const char* line :
       {"[]", "5", "null", "\"text\"", "{\"event\":null}", "{\"event\":[]}", "{\"event\":\"x\"}",
        "{\"event\":{\"type\":5}}", "{\"event\":{\"type\":[1]}}", "{\"event\":{\"type\":\"x\",\"data\":null}}",
        "{\"event\":{\"type\":\"x\",\"data\":[1]}}", "{\"event\":{\"type\":\"x\",\"data\":\"s\"}}",
        "{\"event\":{\"type\":\"GpuOpCompleted\",\"data\":{\"op_name\":null,\"duration_us\":1}}}",
        "{\"event\":{\"type\":\"GpuOpCompleted\",\"data\":{\"op_name\":[],\"duration_us\":\"1\"}}}",
        "{\"event\":{\"type\":\"InternalKernelCompleted\",\"data\":{\"parent_op_name\":4,\"duration_us\":1}}}",
        "{\"event\":{\"type\":\"InternalKernelCompleted\",\"data\":{\"internal_kernel_name\":null,\"duration_us\":1}}}",
        "{\"event\":{\"type\":\"KernelBackendSelected\",\"data\":{\"reason\":{}}}}",
        "{\"event\":{\"type\":\"Other\",\"data\":{\"op_name\":7,\"duration_us\":1}}}"}) {
    const ReadTrace trace(gpu_line("a", "1") + line + "\n" + gpu_line("b", "2"));
    EXPECT_EQ(trace.bad(), Lines{"shape 1"}) << line;
    EXPECT_EQ(trace.totals.events, 2u) << line;
  }
}

TEST(trace_bad_line, fields_that_no_rule_reads_may_be_anything) {
  for (const char* line :
       {R"({"timestamp":[],"span_id":"x","parent_span_id":-1,"span_name":7,"event":{"type":"x"}})",
        R"({"event":{"type":"GpuOpCompleted","data":{"op_name":"a","backend":null,"duration_us":1,"data":null}}})",
        R"({"event":{"type":"GpuOpCompleted","data":{"op_name":"a","duration_us":1,"data":[{}]}}})",
        R"({"event":{"type":"HostMemory","data":{"total_bytes":null,"breakdown":"?","op_name":[]}}})"})
    EXPECT_EQ(ReadTrace(line).totals.events, 1u) << line;
}

TEST(trace_bad_line, no_event_type_is_no_event_and_not_bad) {
  for (const char* line : {"{}", "{\"event\":{}}", "{\"event\":{\"type\":null}}", "{\"event\":{\"type\":\"\"}}",
                           "{\"event\":{\"type\":0,\"data\":5}}", "{\"a\":[1]}"}) {
    const ReadTrace trace(line);
    EXPECT_EQ(trace.totals.untyped, 1u) << line;
    EXPECT_TRUE(trace.all.bad_lines.empty()) << line;
  }
}

}  // namespace
}  // namespace assay

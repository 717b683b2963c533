// A line of a trace: what it says, and that those around it change nothing.
#include <gtest/gtest.h>

#include "not_json.h"
#include "ops/matmul.h"
#include "trace/line_fields.h"
#include "trace_lines.h"

namespace assay {
namespace {

using Lines = std::vector<std::string>;

TEST(trace_event, has_the_fields_of_its_line) {
  const ReadTrace trace(
      R"({"timestamp":1762100000000000001,"span_id":18446744073709551615,"parent_span_id":7,"span_name":"decode","event":{"type":"InternalKernelCompleted","data":{"parent_op_name":"loop","internal_kernel_name":"k","duration_us":12}}}
{"timestamp":"1970-01-01T00:00:02.5+00:00","event":{"type":"KernelBackendSelected","data":{"op_name":"sdpa","backend":"legacy","reason":"auto"}}}
{"event":{"type":"GpuKernelDispatched","data":{"kernel_name":"gemv","op_name":"o","thread_groups":[1,2,3]}}})");
  ASSERT_EQ(trace.all.events.size(), 3u);
  const Event& internal = trace.all.events[0];
  EXPECT_EQ(internal.type, EventType::internal_kernel_completed);
  EXPECT_EQ(internal.timestamp_ns, 1762100000000000001);
  EXPECT_EQ(internal.span_id, UINT64_MAX);
  EXPECT_EQ(internal.parent_span_id, 7u);
  EXPECT_EQ(
      trace.text(internal.span_name) + trace.text(internal.parent_op_name) + trace.text(internal.internal_kernel_name),
      "decodeloopk");
  EXPECT_TRUE(internal.duration_us() == 12);
  const Event& selected = trace.all.events[1];
  EXPECT_EQ(selected.timestamp_ns, 2'500'000'000);
  EXPECT_EQ(trace.text(selected.op_name) + trace.text(selected.backend) + trace.text(selected.reason),
            "sdpalegacyauto");
  EXPECT_FALSE(selected.has_duration());
  EXPECT_EQ(trace.all.events[2].timestamp_ns, kNoTime);
  EXPECT_EQ(trace.text(trace.all.events[2].kernel_name), "gemv");
  EXPECT_EQ(trace.text(trace.all.events[2].backend), "<unknown>");
}

TEST(trace_event, rfc3339_times_are_nanoseconds_since_1970) {
  EXPECT_EQ(rfc3339_ns("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(rfc3339_ns("2025-10-06T12:34:56.123456789Z"), 1759754096123456789);
  EXPECT_EQ(rfc3339_ns("2024-02-29T23:59:59.5-01:30"), 1709256599500000000);
  EXPECT_EQ(rfc3339_ns("1969-12-31t23:59:59z"), -1'000'000'000);
  for (const char* none : {"", "2025-10-06", "2025-13-06T12:34:56Z", "2025-10-06T12:34:56", "2025-10-06T12:34:56.Z",
                           "2025-10-06T12:34:56+0100", "2025-10-06T12:34:56Zx", "9999-10-06T12:34:56Z"})
    EXPECT_EQ(rfc3339_ns(none), kNoTime) << none;
}

struct DurationCase {
  const char* written;
  const char* us;  // "" for none
  DurationKind kind;
};

std::string decimal(Int128 value) {
  if (value < 0) return "-" + decimal(-value);
  return value < 10 ? std::to_string(int(value)) : decimal(value / 10) + std::to_string(int(value % 10));
}

TEST(trace_event, durations_are_truncated_and_exact_up_to_64_bits) {
  constexpr DurationKind number = DurationKind::number, text = DurationKind::text, none = DurationKind::none;
  const DurationCase cases[] = {
      {"0", "0", number},
      {"-0", "0", number},
      {"12", "12", number},
      {"12.9", "12", number},
      {"-12.9", "-12", number},
      {"1e3", "1000", number},
      {"-7", "-7", number},
      {"true", "1", number},
      {"false", "0", number},
      {"null", "", none},
      {"\"120\"", "120", text},
      {"\" -1_000 \"", "-1000", text},
      {"\"12.7\"", "12", text},
      {"\"+5\"", "5", text},
      {"9223372036854775807", "9223372036854775807", number},
      {"9223372036854775808", "9223372036854775808", number},
      {"18446744073709551615", "18446744073709551615", number},
      {"-9223372036854775808", "-9223372036854775808", number},
      {"1e19", "10000000000000000000", number},
      {"\"18446744073709551615\"", "18446744073709551615", text},
      {"\"-9223372036854775808\"", "-9223372036854775808", text},
  };
  for (const DurationCase& c : cases) {
    const ReadTrace trace(gpu_line("a", c.written));
    ASSERT_EQ(trace.all.events.size(), 1u) << c.written;
    const Event& event = trace.all.events[0];
    EXPECT_EQ(event.duration_kind, c.kind) << c.written;
    EXPECT_EQ(event.has_duration() ? decimal(event.duration_us()) : "", c.us) << c.written;
  }
}

TEST(trace_event, an_unreadable_duration_is_a_wrong_shape_where_kernels_are_timed_and_none_elsewhere) {
  for (const char* written : {"\"abc\"", "\"\"", "\"1__0\"", "\"_1\"", "\"- 1\"", "\"inf\"",
                              "\"99999999999999999999999\"", "[]", "{}", "1e30"}) {
    EXPECT_EQ(ReadTrace(gpu_line("a", written)).bad(), Lines{"shape 0"}) << written;
    EXPECT_EQ(ReadTrace(internal_line("p", "k", written)).bad(), Lines{"shape 0"}) << written;
    const ReadTrace other(event_line("Other", std::string(R"({"duration_us":)") + written + "}"));
    ASSERT_EQ(other.all.events.size(), 1u) << written;
    EXPECT_NE(other.all.events[0].duration_kind, DurationKind::number) << written;
  }
}

TEST(trace_event, of_equal_keys_the_last_counts_at_every_level) {
  const ReadTrace trace(
      R"({"event":5,"event":{"type":5,"data":[],"type":"GpuOpCompleted","data":{"op_name":1,"op_name":"a","duration_us":"x","duration_us":1,"duration_us":2,"data":{"op":"x","n":"1","backend":"b","op":"matmul"}}}})");
  ASSERT_EQ(trace.all.events.size(), 1u);
  EXPECT_EQ(trace.text(trace.all.events[0].op_name), "a");
  EXPECT_TRUE(trace.all.events[0].duration_us() == 2);
  EXPECT_EQ(unpack_fields(trace.text(trace.all.events[0].matmul)),
            (MatmulFields{{"backend", "b"}, {"n", "1"}, {"op", "matmul"}}));
  const ReadTrace second(R"({"event":{"type":"GpuOpCompleted","data":{"op_name":"a"}},"event":{}})");
  EXPECT_EQ(second.totals.untyped, 1u);
}

TEST(trace_event, a_key_may_be_written_with_escapes_and_a_name_in_any_script) {
  const ReadTrace trace(
      "{\"\\u0065vent\":{\"type\":\"GpuOpCompleted\",\"data\":{\"op\\u005fname\":"
      "\"\\u00e9\xE2\x82\xAC\\ud83d\\ude00\\n\"}}}");
  ASSERT_EQ(trace.all.events.size(), 1u);
  EXPECT_EQ(trace.text(trace.all.events[0].op_name), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\n");
}

TEST(trace_event, names_are_those_of_its_own_line_whatever_came_before) {
  const Lines written = {
      "a", "ab", "a", "abc", "a", "ab", "", "a\\\"b", "a", "a\\u0062", "ab", "a", "a\\\"b", "a", std::string(5000, 'a'),
      "a", "ab", "a", "b",   "a"};
  const Lines names = {
      "a", "ab", "a", "abc", "a", "ab", "", "a\"b", "a", "ab", "ab", "a", "a\"b", "a", std::string(5000, 'a'),
      "a", "ab", "a", "b",   "a"};
  std::string text;
  for (int round = 0; round < 3; ++round)
    for (const std::string& name : written) text += gpu_line(name, "1");
  text +=
      R"({"event":{"type":"GpuOpCompleted","data":{"op_name":"a")";  // the buffer ends where a longer name is expected
  const ReadTrace trace(text, {.threads = 1});
  ASSERT_EQ(trace.all.events.size(), 3 * names.size());
  for (size_t i = 0; i < trace.all.events.size(); ++i)
    EXPECT_EQ(trace.text(trace.all.events[i].op_name), names[i % names.size()]) << i;
}

/// The fields of the matmul that an event's data describes.
MatmulFields matmul_of(const std::string& data) {
  const ReadTrace trace(event_line("GpuOpCompleted", data));
  EXPECT_EQ(trace.all.events.size(), 1u) << data;
  if (trace.all.events.empty() || trace.all.events[0].matmul == kMissing) return {};
  return unpack_fields(trace.text(trace.all.events[0].matmul));
}

TEST(trace_matmul, comes_from_the_map_within_the_map_else_from_the_map_and_never_from_the_event_itself) {
  const MatmulFields none, inner = {{"m", "1"}, {"op", "matmul"}}, outer = {{"backend", "y"}, {"op", "x"}};
  EXPECT_EQ(matmul_of(R"({"op_name":"a","data":{"op":"x","backend":"y","data":{"op":"matmul","m":"1"}}})"), inner);
  EXPECT_EQ(matmul_of(R"({"op_name":"a","data":{"data":{"op":"matmul","m":"1"}},"op":"x","backend":"y"})"), inner);
  EXPECT_EQ(matmul_of(R"({"op_name":"a","data":{"op":"x","backend":"y"}})"), outer);
  EXPECT_EQ(matmul_of(R"({"op_name":"a","data":{"op":"x","m":"1"},"backend":"y"})"), none);
  EXPECT_EQ(matmul_of(R"({"op":"x","backend":"y"})"), none);
  EXPECT_EQ(matmul_of(R"({"op":"x","backend":"y","data":"op"})"), none);
  EXPECT_EQ(matmul_of(R"({"data":{"op":"x","backend":"y","data":null}})"),
            (MatmulFields{{"backend", "y"}, {"data", "None"}, {"op", "x"}}));
}

TEST(trace_matmul, values_that_are_no_text_are_written_as_python_prints_them) {
  EXPECT_EQ(
      matmul_of(
          R"({"data":{"data":{"op":true,"a":1,"b":-2.50,"c":1e22,"d":1e-5,"e":0.0001,"f":1e15,"g":null,"h":18446744073709551615}}})"),
      (MatmulFields{{"a", "1"},
                    {"b", "-2.5"},
                    {"c", "1e+22"},
                    {"d", "1e-05"},
                    {"e", "0.0001"},
                    {"f", "1000000000000000.0"},
                    {"g", "None"},
                    {"h", "18446744073709551615"},
                    {"op", "True"}}));
  EXPECT_EQ(matmul_of(R"({"data":{"op":["a",1,{}],"backend":{"x":"it's","y":[],"x":"\"'\n"}}})"),
            (MatmulFields{{"backend", R"({'x': '"\'\n', 'y': []})"}, {"op", "['a', 1, {}]"}}));
}

TEST(trace_matmul, packing_keeps_every_byte) {
  const MatmulFields fields = {{"", "="}, {"a", std::string("\0|\x1f", 3)}, {"b", ""}};
  EXPECT_EQ(unpack_fields(pack_fields(fields)), fields);
}

TEST(trace_line, the_fast_reader_takes_what_engines_write_and_leaves_the_rest_to_the_full_one) {
  const auto usual = [](std::string line) {
    line.resize(line.size() + 64);
    LineFields fields;
    return read_usual_line(line.c_str(), fields) != nullptr;
  };
  EXPECT_TRUE(usual(gpu_line("a/b", "12", R"(,"data":{"op":"matmul","n":"1"})")));
  EXPECT_TRUE(usual("{ \"event\" : { \"data\" : { \"x\" : [ ] , \"y\" : -1.25 } , \"type\" : \"x\" } }\t\r\n"));
  for (std::string line : kNotJson) EXPECT_FALSE(usual(line + "\n")) << line.substr(0, 100);
  EXPECT_FALSE(usual("{\"event\":{\"type\":\"a\\u0062\"}}\n"));
  EXPECT_FALSE(usual("{\"event\":{\"type\":\"a\",\"type\":\"b\"}}\n"));
}

TEST(trace_line, that_is_shorter_than_the_numbers_of_the_line_before_ends_the_text) {  // for the address sanitizer
  const std::string first = R"({"timestamp":")" + std::string(300, '1');
  const std::string text = first + R"(","span_id":2,"event":{"type":"a"}})" + "\n" + first.substr(0, 100) + "\n";
  const ReadTrace trace(text, {.threads = 1, .chunk_bytes = text.size()});
  EXPECT_EQ(trace.totals.events, 1u);
  EXPECT_EQ(trace.totals.not_json, 1u);
}

std::string fields_of(const ReadTrace& trace, const Event& e) {
  std::string out = fmt::format("{} {} {} {} {} {} {}", e.timestamp_ns, e.span_id, e.parent_span_id, e.duration_bits,
                                int(e.type), int(e.duration_kind), e.duration_unsigned);
  for (const StringId id : {e.type_name, e.span_name, e.op_name, e.backend, e.reason, e.parent_op_name,
                            e.internal_kernel_name, e.kernel_name, e.matmul})
    out += "|" + trace.text(id);
  return out;
}

/// What a file of these lines says, an event or a bad line each.
std::vector<std::string> said_by_line(const std::string& text) {
  const ReadTrace trace(text, {.threads = 1});
  std::vector<std::string> said(trace.totals.lines, "nothing");
  for (const Event& e : trace.all.events) said[e.line] = fields_of(trace, e);
  for (const BadLine& bad : trace.all.bad_lines) said[bad.line] = bad.message;
  return said;
}

TEST(trace_line, means_the_same_after_any_other_lines) {
  const std::string head = R"({"timestamp":5,"span_id":6,"parent_span_id":7)",
                    op = R"(,"event":{"type":"GpuOpCompleted","data":{"op_name":"a")";
  std::vector<std::string> lines = kNotJson;
  for (const char* begin :
       {R"({"timestamp":5,"span_id":6,"parent_span_id":7)", R"({"timestamp":8,"span_id":6,"parent_span_id":7)",
        R"({"timestamp":8,"span_id":9)", R"({"timestamp":8)", R"({"timestamp":"2025-10-06T12:00:00Z","span_id":6)",
        R"({"timestamp":"soon","span_id":6)", R"({"timestamp":5,"span_id":6,"parent_span_id":null)",
        R"({"timestamp":5,"span_id":6,"parent_span_id":7e1)", R"({"timestamp":5,"span_id":0e3,"parent_span_id":7)",
        R"({"timestamp":5,"span_id":7e3,"parent_span_id":7)", R"({"timestamp":5.5,"span_id":6)",
        R"({"timestamp":5,"span_id":0.5)", R"({"timestamp":5,"span_id":7.5)", R"({"timestamp":-5,"span_id":6)",
        R"({"timestamp":05,"span_id":6)", R"({"timestamp":18446744073709551615,"span_id":18446744073709551615)",
        R"({"timestamp":5,"span_id":18446744073709551616)", R"({"span_id":6,"timestamp":5)",
        R"({"timestamp":5,"parent_span_id":7,"span_id":6)"})
    lines.push_back(begin + op + R"(,"duration_us":3}}})");
  for (const char* end : {R"(,"duration_us":4}}})",
                          R"(,"duration_us":04}}})",
                          R"(,"duration_us":-4}}})",
                          R"(,"duration_us":4.5}}})",
                          R"(,"duration_us":4e2}}})",
                          R"(,"duration_us":}}})",
                          R"(,"duration_us":9223372036854775807}}})",
                          R"(,"duration_us":9223372036854775808}}})",
                          R"(,"duration_us":18446744073709551616}}})",
                          R"(,"duration_us":"4"}}})",
                          R"(,"duration_us":null}}})",
                          R"(,"duration_us":true}}})",
                          R"(,"duration_us":4} }})",
                          R"(,"duration_us":4}}}x)",
                          R"(,"duration_us":4}}} )",
                          R"(,"duration_us":4}})",
                          R"(,"duration_us":4}}}})",
                          R"(,"duration_us":4,"duration_us":5}}})",
                          R"(,"duration_us":4,"x":{"duration_us":4}}}})",
                          R"(,"duration_us":4,"x":{"duration_us":5}}}})",
                          R"(,"x":{"duration_us":4}}}})",
                          R"(,"x":[{"duration_us":4}}})",
                          R"(}}})",
                          R"(},"duration_us":4}})",
                          R"(,"duration_us":4,"data":{"op":"m","n":"1"}}}})",
                          R"(,"duration_us":5,"data":{"op":"m","n":"1"}}}})",
                          R"(,"duration_us":4,"data":{"op":"m","n":"2"}}}})",
                          R"(,"duration_us":4,"data":{"op":"m","n":}}}})",
                          R"(,"duration_us":4,"data":{"op":{"a":"b"}}}}})",
                          R"(,"duration_us":4,"data":{"op":"m","n":["1"]}}}})",
                          R"(,"duration_us":4,"data":{}}}})",
                          R"(,"duration_us":4,"data":[]}}})",
                          R"(,"duration_us":4,"data":{"duration_us":4}}}})",
                          R"(,"duration_us":4,"data":{"duration_us":5}}}})",
                          R"(,"data":{"op":"m"},"duration_us":4}}})",
                          R"(,"data":{"op":"m","duration_us":4}}}})",
                          R"(,"span_id":8,"duration_us":4}}})",
                          R"(,"op":"m","duration_us":4}}})",
                          R"(,"duration_us":4},"x":{"duration_us":4}}})",
                          R"(,"duration_us":4},"x":{"duration_us":5}}})",
                          R"(,"duration_us":4}},"x":{"y":{"duration_us":4}}})",
                          R"(,"duration_us":4}},"x":{"y":{"duration_us":5}}})",
                          R"(},"x":{"duration_us":4}}})",
                          R"(},"x":{"duration_us":5}}})",
                          R"(,"duration_us":4}},"x":{"y":{"duration_us":5,"data":{"op":"m","n":"1"}}}})"}) {
    lines.push_back(head + op + end);
    lines.push_back(head + R"(,"event":{"type":"Other","data":{"op_name":"a")" + end);
  }
  lines.push_back(head + R"(,"event":{"type":"Other"},"span_id":9,"duration_us":4}}})");
  lines.push_back(head + R"(,"event":{"type":"Other"},"span_id":9})");
  lines.push_back(head + op + R"(,"duration_us":4}},"span_name":{"duration_us":4}})");
  lines.push_back(head + op + R"(,"duration_us":4,"x":")" + std::string(5000, 'x') + R"("}}})");
  std::erase_if(lines, [](const std::string& line) { return line.size() > 10'000; });

  std::vector<std::string> alone;
  for (const std::string& line : lines) alone.push_back(said_by_line(line + "\n").at(0));
  // a b a c: what came after a is expected to come again.
  std::string text;
  std::vector<size_t> order;
  for (size_t a = 0; a < lines.size(); ++a)
    for (size_t b = 0; b < lines.size(); ++b)
      for (const size_t c : {b, (a + 2 * b) % lines.size(), (a + b) % lines.size()})
        order.insert(order.end(), {a, b, a, c});
  for (const size_t i : order) text += lines[i] + "\n";
  const std::vector<std::string> together = said_by_line(text);
  ASSERT_EQ(together.size(), order.size());
  size_t wrong = 0;
  for (size_t i = 0; i < order.size() && wrong < 5; ++i)
    if (together[i] != alone[order[i]])
      ADD_FAILURE() << "line " << ++wrong << ": " << lines[order[i]] << "\n  " << together[i] << "\n  alone "
                    << alone[order[i]];
}

}  // namespace
}  // namespace assay

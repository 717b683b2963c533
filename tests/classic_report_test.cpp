// The classic report, rule by rule: each test is one of its rules with a trace small enough to work out by hand.
#include <gtest/gtest.h>

#include "classic_sections.h"

namespace assay {
namespace {

constexpr char kAllSections[] = R"(Total events: 9

Event type summary:
  GpuOpCompleted (count=5): count=5 | total=10.11ms | avg=2.022ms | min=0.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms
  InternalKernelCompleted (count=2): count=2 | total=0.03ms | avg=0.015ms | min=0.010ms | max=0.020ms | p95_ms=0.019ms, p99_ms=0.020ms
  KernelBackendSelected (count=1): no samples
  HostMemory (count=1): no samples

Backend selection summary:
  backend=legacy: count=1

Backend selection reasons:
  reason=default_auto: count=1

Backend selection by op/backend:
  op=sdpa backend=legacy: count=1

Internal kernel by parent:
  loop: count=1 | total=0.02ms | avg=0.020ms | min=0.020ms | max=0.020ms | p95_ms=0.020ms, p99_ms=0.020ms
  sampling: count=1 | total=0.01ms | avg=0.010ms | min=0.010ms | max=0.010ms | p95_ms=0.010ms, p99_ms=0.010ms

Internal kernel by parent/op:
  loop :: block_0_total: count=1 | total=0.02ms | avg=0.020ms | min=0.020ms | max=0.020ms | p95_ms=0.020ms, p99_ms=0.020ms
  sampling :: gpu_sync: count=1 | total=0.01ms | avg=0.010ms | min=0.010ms | max=0.010ms | p95_ms=0.010ms, p99_ms=0.010ms

Kernel aggregate (all parents):
  gpu_sync: count=1 | total=0.01ms | avg=0.010ms | min=0.010ms | max=0.010ms | p95_ms=0.010ms, p99_ms=0.010ms

GPU kernel durations (excluding waits):
  loop/block_1/matmul/gemv (Q): count=2 | total=6.00ms | avg=3.000ms | min=1.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms
  loop/sdpa_block_1_op: count=1 | total=0.11ms | avg=0.110ms | min=0.110ms | max=0.110ms | p95_ms=0.110ms, p99_ms=0.110ms

GPU kernel aggregate (by kernel type):
  gemv (Q): count=2 | total=6.00ms | avg=3.000ms | min=1.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms
  sdpa: count=1 | total=0.11ms | avg=0.110ms | min=0.110ms | max=0.110ms | p95_ms=0.110ms, p99_ms=0.110ms

Matmul backend summary:
  backend=gemv: count=2 | total=6.00ms | avg=3.000ms | min=1.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms

Matmul op/backend summary:
  matmul @ gemv: count=2 | total=6.00ms | avg=3.000ms | min=1.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms

Matmul shape backend summary:
  op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=4864 | n1=4864:
    backend=gemv: count=2 | total=6.00ms | avg=3.000ms | min=1.000ms | max=5.000ms | p95_ms=4.800ms, p99_ms=4.960ms

GPU wait breakdown:
  loop/cb_wait: count=1 | total=4.00ms | avg=4.000ms | min=4.000ms | max=4.000ms | p95_ms=4.000ms, p99_ms=4.000ms

Command buffer GPU timing:
  loop/cb_gpu: count=1 | total=0.00ms | avg=0.000ms | min=0.000ms | max=0.000ms | p95_ms=0.000ms, p99_ms=0.000ms

Sync operations:
  sync kernels: count=1 | total=0.01ms | avg=0.010ms | min=0.010ms | max=0.010ms | p95_ms=0.010ms, p99_ms=0.010ms
)";

TEST(classic_report, has_its_fifteen_sections_in_order_byte_for_byte) {
  const std::string fields =
      R"(,"data":{"n1":"4864","op":"matmul","backend":"gemv","n0":"4864","batch":"1","m":"1","k":"896"})";
  EXPECT_EQ(report(gpu_line("loop/block_1/matmul/gemv (Q)", "1000", fields) +
                   gpu_line("loop/block_1/matmul/gemv (Q)", "5000", fields) + gpu_line("loop/cb_wait", "4000") +
                   gpu_line("loop/cb_gpu", "0") + gpu_line("loop/sdpa_block_1_op", "110") +
                   internal_line("sampling", "gpu_sync", "10") + internal_line("loop", "block_0_total", "20") +
                   selected("sdpa", "legacy", "default_auto") + event_line("HostMemory", R"({"total_bytes":5})")),
            kAllSections);
}

TEST(classic_report, of_nothing_has_the_first_and_the_last_section) {
  EXPECT_EQ(report(""), "Total events: 0\n\nEvent type summary:\n\nSync operations:\n  sync kernels: no samples\n");
}

TEST(classic_header, shows_the_path_without_dots_and_doubled_slashes) {
  EXPECT_EQ(classic_header("/tmp/a.jsonl"), "\n=== Analyzing /tmp/a.jsonl ===\n");
  EXPECT_EQ(classic_header("./a.jsonl"), "\n=== Analyzing a.jsonl ===\n");
  EXPECT_EQ(classic_header(".//x/./y//../a.jsonl"), "\n=== Analyzing x/y/../a.jsonl ===\n");
  EXPECT_EQ(classic_header("//a//b/"), "\n=== Analyzing /a/b ===\n");
  EXPECT_EQ(classic_header("-"), "\n=== Analyzing - ===\n");
  EXPECT_EQ(classic_header(".hidden/.a"), "\n=== Analyzing .hidden/.a ===\n");
}

TEST(classic_order, is_by_total_and_ties_are_by_first_appearance) {
  const std::string text =
      report(gpu_line("z", "5") + gpu_line("b", "7") + gpu_line("a", "5") + gpu_line("c", "4") + gpu_line("c", "1"));
  EXPECT_EQ(titles(text, "GPU kernel durations (excluding waits)"), (Titles{"  b", "  z", "  a", "  c"}));
}

TEST(classic_order, of_parents_starts_from_their_names) {
  const std::string text =
      report(internal_line("z", "k1", "5") + internal_line("b", "k2", "5") + internal_line("c", "k3", "9"));
  EXPECT_EQ(titles(text, "Internal kernel by parent"), (Titles{"  c", "  b", "  z"}));
  EXPECT_EQ(titles(text, "Internal kernel by parent/op"), (Titles{"  c :: k3", "  z :: k1", "  b :: k2"}));
}

TEST(classic_order, of_counters_is_by_count_and_ties_are_by_first_appearance) {
  const std::string text =
      report(selected("o1", "z", "r") + selected("o2", "a", "r") + selected("o1", "m", "s") + selected("o3", "m", "r"));
  EXPECT_EQ(section(text, "Backend selection summary"),
            "  backend=m: count=2\n  backend=z: count=1\n  backend=a: count=1\n");
  EXPECT_EQ(section(text, "Backend selection reasons"), "  reason=r: count=3\n  reason=s: count=1\n");
  EXPECT_EQ(section(text, "Backend selection by op/backend"),
            "  op=o1 backend=z: count=1\n  op=o2 backend=a: count=1\n  op=o1 backend=m: count=1\n  op=o3 backend=m: "
            "count=1\n");
}

TEST(classic_order, of_event_types_is_by_count) {
  EXPECT_EQ(
      titles(report(event_line("b", "{}") + event_line("a", "{}") + event_line("c", "{}") + event_line("c", "{}")),
             "Event type summary"),
      (Titles{"  c (count=2)", "  b (count=1)", "  a (count=1)"}));
}

TEST(classic_order, of_shapes_is_by_the_sum_over_their_backends) {
  const std::string text =
      report(matmul("60", R"("op":"a","backend":"x")") + matmul("50", R"("op":"b","backend":"x")") +
             matmul("55", R"("op":"b","backend":"y")"));
  EXPECT_EQ(titles(text, "Matmul shape backend summary"),
            (Titles{"  op=b | batch=? | m=? | n=? | k=? | tA=? | tB=?:", "    backend=y", "    backend=x",
                    "  op=a | batch=? | m=? | n=? | k=? | tA=? | tB=?:", "    backend=x"}));
  EXPECT_EQ(titles(text, "Matmul backend summary"), (Titles{"  backend=x", "  backend=y"}));
  EXPECT_EQ(titles(text, "Matmul op/backend summary"), (Titles{"  a @ x", "  b @ y", "  b @ x"}));
}

TEST(classic_limits, top_holds_for_all_sections_but_the_first_and_the_seventh) {
  std::string trace;
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    trace += event_line("type" + n, "{}") + selected("o" + n, "b" + n, "r" + n) + internal_line("p" + n, "k" + n, n) +
             gpu_line("g" + n, n) + gpu_line("w" + n + "_wait", n) + gpu_line(n + "/cb_gpu", n) +
             matmul(n, R"("op":"o)" + n + R"(","backend":"b)" + n + "\"");
  }
  const auto lines = [&trace](const ClassicOptions& options, const char* title) {
    return titles(report(trace, options), title).size();
  };
  EXPECT_EQ(lines({}, "Event type summary"), 63u);
  EXPECT_EQ(lines({}, "Kernel aggregate (all parents)"), 50u);
  EXPECT_EQ(lines({.kernel_top = 3}, "Kernel aggregate (all parents)"), 3u);
  for (const char* title :
       {"Backend selection summary", "Backend selection reasons", "Backend selection by op/backend",
        "Internal kernel by parent", "Internal kernel by parent/op", "GPU kernel durations (excluding waits)",
        "GPU kernel aggregate (by kernel type)", "Matmul backend summary", "Matmul op/backend summary",
        "GPU wait breakdown", "Command buffer GPU timing"}) {
    EXPECT_EQ(lines({}, title), 20u) << title;
    EXPECT_EQ(lines({.top = 4}, title), 4u) << title;
    EXPECT_EQ(lines({.top = 0}, title), 0u) << title;
  }
  EXPECT_EQ(lines({.top = 4}, "Matmul shape backend summary"), 8u);
}

TEST(classic_filter, leaves_totals_and_waits_out_of_the_kernel_aggregate_unless_asked) {
  const std::string trace = internal_line("p", "iteration_total", "9") + internal_line("p", "x_cb_wait", "8") +
                            internal_line("p", "cb_wait_x", "7") + internal_line("p", "total", "6");
  EXPECT_EQ(titles(report(trace), "Kernel aggregate (all parents)"), (Titles{"  cb_wait_x", "  total"}));
  EXPECT_EQ(titles(report(trace, {.include_kernel_totals = true}), "Kernel aggregate (all parents)"),
            (Titles{"  iteration_total", "  x_cb_wait", "  cb_wait_x", "  total"}));
  EXPECT_EQ(section(report(internal_line("p", "a_total", "9")), "Kernel aggregate (all parents)"),
            "  (no kernels matched)\n");
}

TEST(classic_filter, holds_in_any_case_for_sections_seven_to_twelve) {
  const std::string trace =
      internal_line("abc", "RMSNorm", "1") + internal_line("abc", "rope", "1") + gpu_line("x/RMSNormOp", "1") +
      gpu_line("rope_wait", "1") + matmul("3", R"("op":"matmul","backend":"GEMV","n":"1")") +
      matmul("2", R"("op":"mm","backend":"mlx","loader":"gemvish")") + matmul("1", R"("op":"mm","backend":"mlx")");
  const std::string norm = report(trace, {.kernel_filter = "rmsNORM"});
  EXPECT_EQ(titles(norm, "Kernel aggregate (all parents)"), Titles{"  RMSNorm"});
  EXPECT_EQ(titles(norm, "GPU kernel durations (excluding waits)"), Titles{"  x/RMSNormOp"});
  EXPECT_EQ(titles(norm, "GPU kernel aggregate (by kernel type)"), Titles{"  RMSNormOp"});
  EXPECT_EQ(titles(norm, "Internal kernel by parent/op").size(), 2u);
  EXPECT_EQ(titles(norm, "GPU wait breakdown"), Titles{"  rope_wait"});
  EXPECT_NE(
      norm.find("\nMatmul backend summary:\n\nMatmul op/backend summary:\n\nMatmul shape backend summary:\n\nGPU wait"),
      std::string::npos);
  const std::string gemv = report(trace, {.kernel_filter = "gemv"});
  for (const char* title : {"Kernel aggregate (all parents)", "GPU kernel durations (excluding waits)",
                            "GPU kernel aggregate (by kernel type)"})
    EXPECT_EQ(section(gemv, title), "  (no kernels matched)\n");
  EXPECT_EQ(titles(gemv, "Matmul backend summary"), Titles{"  backend=GEMV"});
  EXPECT_EQ(titles(gemv, "Matmul op/backend summary"), Titles{"  matmul @ GEMV"});
  EXPECT_EQ(titles(gemv, "Matmul shape backend summary"),  // by the backend, or by the shape
            (Titles{"  op=matmul | batch=? | m=? | n=1 | k=? | tA=? | tB=?:", "    backend=GEMV",
                    "  op=mm | batch=? | m=? | n=? | k=? | tA=? | tB=? | loader=gemvish:", "    backend=mlx"}));
  EXPECT_EQ(titles(report(trace, {.kernel_filter = "mm @ ml"}), "Matmul op/backend summary"), Titles{"  mm @ mlx"});
}

TEST(classic_ops, command_buffers_are_told_before_waits_and_waits_before_kernels) {
  EXPECT_EQ(op_class("x/cb_gpu"), OpClass::command_buffer);
  EXPECT_EQ(op_class("x/cb_gpu/cb_wait"), OpClass::command_buffer);
  EXPECT_EQ(op_class("cb_gpu"), OpClass::kernel);
  EXPECT_EQ(op_class("x/cb_wait/y"), OpClass::wait);
  EXPECT_EQ(op_class("await"), OpClass::wait);
  EXPECT_EQ(op_class("wait_x"), OpClass::kernel);
  EXPECT_EQ(op_class("Wait"), OpClass::kernel);
}

TEST(classic_ops, base_names_are_what_the_last_segment_says) {
  const std::pair<const char*, const char*> cases[] = {{"a/b/metallic::rope::RoPEOp", "metallic::rope::RoPEOp"},
                                                       {"x/sdpa_block_12_op", "sdpa"},
                                                       {"x/sdpa_block_12", "sdpa_block_12"},
                                                       {"mlp_swiglu_block_3_op", "mlp_swiglu"},
                                                       {"y/forward_cpu_block_3", "forward_cpu"},
                                                       {"forward_cpu_block_3_op", "forward_cpu"},
                                                       {"attn_norm_op", "attn_norm"},
                                                       {"x/a__op", "a"},
                                                       {"trailing___", "trailing"},
                                                       {"x/gemv (Q)", "gemv (Q)"},
                                                       {"x/_op", ""},
                                                       {"", ""},
                                                       {"a/", ""},
                                                       {"a/__", ""},
                                                       {"op", "op"}};
  for (const auto& [name, base] : cases) EXPECT_EQ(kernel_base_name(name), base) << name;
}

TEST(classic_ops, missing_names_are_unknown) {
  const std::string text =
      report(event_line("GpuOpCompleted", R"({"duration_us":1})") +
             event_line("InternalKernelCompleted", R"({"duration_us":1})") + event_line("KernelBackendSelected", "{}"));
  EXPECT_EQ(titles(text, "GPU kernel durations (excluding waits)"), Titles{"  <unknown>"});
  EXPECT_EQ(titles(text, "Internal kernel by parent/op"), Titles{"  <unknown> :: <unknown>"});
  EXPECT_EQ(section(text, "Backend selection by op/backend"), "  op=<unknown> backend=<unknown>: count=1\n");
  EXPECT_EQ(section(text, "Backend selection reasons"), "  reason=<unknown>: count=1\n");
}

TEST(classic_ops, names_that_read_alike_when_joined_stay_apart) {
  EXPECT_EQ(titles(report(internal_line("a :: b", "c", "2") + internal_line("a", "b :: c", "1")),
                   "Internal kernel by parent/op"),
            (Titles{"  a :: b :: c", "  a :: b :: c"}));
  EXPECT_EQ(titles(report(matmul("2", R"("op":"a @ b","backend":"c")") + matmul("1", R"("op":"a","backend":"b @ c")")),
                   "Matmul op/backend summary"),
            (Titles{"  a @ b @ c", "  a @ b @ c"}));
}

TEST(classic_matmul, is_read_from_an_ops_path_up_to_the_kernels_name) {
  using Fields = MatmulFields;
  EXPECT_EQ(fields_of_path("x/matmul/op=mm/backend=mlx/n=1#7/kernel::k=5/z=1"),
            (Fields{{"backend", "mlx"}, {"n", "1"}, {"op", "mm"}}));
  EXPECT_EQ(fields_of_path("matmul/a=1/matmul_cache/b=2"), (Fields{{"b", "2"}}));  // matmul_cache first, wherever it is
  EXPECT_EQ(fields_of_path("x/my_matmul/a=1/a=2/=3/b=c=d/#e=1/noise"), (Fields{{"", "3"}, {"a", "2"}, {"b", "c=d"}}));
  EXPECT_EQ(fields_of_path("x/matmul/mlx (Q)"), Fields{});
  EXPECT_EQ(fields_of_path("x/matmul"), Fields{});
  const std::string text =
      report(gpu_line("x/matmul/n=4/k=2/ker::nel", "5") + gpu_line("x/matmul/op=mm/backend=mlx/cb_wait", "5"));
  EXPECT_EQ(titles(text, "Matmul op/backend summary"), Titles{"  <unknown> @ <unknown>"});
  EXPECT_EQ(titles(text, "Matmul shape backend summary"),
            (Titles{"  op=? | batch=? | m=? | n=4 | k=2 | tA=? | tB=?:", "    backend=<unknown>"}));
}

TEST(classic_matmul, shape_lines_have_seven_fields_and_then_the_others_sorted) {
  MatmulFields fields = {{"tB", "1"},      {"nq", "896"}, {"backend", "x"}, {"op", "matmul"},
                         {"alpha", "1.0"}, {"nk", "128"}, {"m", "1"}};
  sort_fields(fields);
  EXPECT_EQ(shape_line(fields), "op=matmul | batch=? | m=1 | n=? | k=? | tA=? | tB=1 | alpha=1.0 | nk=128 | nq=896");
}

TEST(classic_matmul, the_map_goes_before_the_path) {
  const std::string text = report(gpu_line("x/matmul/op=path/backend=p", "5", R"(,"data":{"op":"map","backend":"m"})") +
                                  gpu_line("x/matmul/op=path/backend=p", "4"));
  EXPECT_EQ(titles(text, "Matmul op/backend summary"), (Titles{"  map @ m", "  path @ p"}));
}

TEST(classic_sync, is_said_by_the_internal_kernel_or_by_the_op_where_that_has_no_name) {
  const auto sync = [](const std::string& data) {
    return section(report(event_line("GpuOpCompleted", data)), "Sync operations").find("count=1") != std::string::npos;
  };
  EXPECT_TRUE(sync(R"({"op_name":"Device_SyNc_all","duration_us":1})"));
  EXPECT_TRUE(sync(R"({"op_name":"async","internal_kernel_name":"","duration_us":1})"));
  EXPECT_FALSE(sync(R"({"op_name":"sync","internal_kernel_name":"k","duration_us":1})"));
  EXPECT_TRUE(sync(R"({"op_name":"k","internal_kernel_name":"sync","duration_us":1})"));
  EXPECT_FALSE(sync(R"({"op_name":"syn c","duration_us":1})"));
  EXPECT_FALSE(sync(R"({"op_name":"sync"})"));
}

}  // namespace
}  // namespace assay

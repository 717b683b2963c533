// Shapes of a trace: pairing with command buffers, completion rules, bytes and rates, JSON, CSV.
#include "analysis/trace_workload.h"
#include "assay_program.h"
#include "base/json.h"
#include "ops/matmul.h"
#include "report/analysis_json.h"
#include "report/analysis_text.h"
#include "report/csv.h"
#include "shape_traces.h"

namespace assay {
namespace {

void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << file << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

/// The first three of each list, numbers to six digits: the last ones depend on the machine's math library.
Json brief(const Json& json) {
  if (json.is_number() && !json.is_whole()) return std::stod(fmt::format("{:.6g}", json.get<double>()));
  if (json.is_array()) {
    Json shown = Json::array();
    for (size_t i = 0; i < std::min<size_t>(json.size(), 3); ++i) shown.push_back(brief(json[i]));
    return shown;
  }
  if (!json.is_object()) return json;
  Json shown = Json::object();
  for (const auto& [key, value] : json.items()) shown[key] = brief(value);
  return shown;
}

TEST(pairing, an_op_owns_the_next_buffer_of_its_own_doubled_scope) {
  EXPECT_EQ(doubled_scope("a/b/a/b/kernel"), "a/b");
  EXPECT_EQ(doubled_scope("a/b/kernel"), "");
  EXPECT_TRUE(buffer_belongs("a/b/a/b/k", "a/b/cb_gpu"));
  EXPECT_FALSE(buffer_belongs("a/b/a/b/k", "a/cb_gpu"));
  EXPECT_TRUE(buffer_belongs("a/matmul/op=x", "a/cb_gpu"));
  EXPECT_FALSE(buffer_belongs("ab/k", "a/cb_gpu"));
  EXPECT_FALSE(buffer_belongs("a", "a/cb_gpu"));
}

TEST(pairing, a_buffer_reported_again_or_of_another_scope_counts_for_nobody) {
  const std::string again = gpu_line("Unscoped/cb_gpu", "9528");
  const Analyzed a(gpu_line("s/s/k", "10", R"(,"data":)" + fields_json(kPlain)) + again + gpu_line("s/cb_wait", "9") +
                   again + gpu_line("s/cb_gpu", "4") + gpu_line("s/cb_gpu", "7"));
  EXPECT_EQ(a.only().backends[0].gpu.count, 1u);
  EXPECT_EQ(a.only().backends[0].time_us, 4);
}

TEST(pairing, another_op_before_the_buffer_leaves_the_first_without_one) {
  const Analyzed a(gpu_line("s/s/k", "10", R"(,"data":)" + fields_json(kPlain)) + gpu_line("s/s/other", "3") +
                   gpu_line("s/cb_gpu", "4"));
  EXPECT_EQ(a.only().backends[0].gpu.count, 0u);
  EXPECT_FALSE(a.only().backends[0].by_gpu);
  EXPECT_EQ(a.only().backends[0].time_us, 10);
}

TEST(pairing, gpu_times_count_where_at_least_half_of_the_calls_have_one) {
  const std::string with = call(kPlain, "10", "4"), without = call(kPlain, "10", "");
  EXPECT_EQ(Analyzed(with + without).only().backends[0].time_us, 4);
  EXPECT_EQ(Analyzed(with + without + without).only().backends[0].time_us, 10);
}

TEST(pairing, every_source_of_fields_pairs_alike) {
  const std::string path = "s/s/matmul/op=matmul/m=1/n=64/k=32/batch=1/tA=0/tB=1/backend=mlx";
  const Analyzed a(gpu_line(path, "10") + gpu_line("s/cb_gpu", "4") + call(kPlain, "20", "6") + gpu_line(path, "10") +
                   gpu_line("s/cb_gpu", "4"));
  EXPECT_EQ(a.only().calls, 3u);
  EXPECT_EQ(a.only().first_line, 0u);
  EXPECT_EQ(static_cast<int64_t>(a.only().backends[0].gpu.total_us), 14);
}

TEST(tokens, are_the_buffers_of_step_outputs_else_iterations_else_unknown) {
  const std::string iteration = internal_line("generation_loop", "iteration_total", "5");
  EXPECT_EQ(Analyzed(call(kPlain, "1", "1") + token() + token() + iteration).report.tokens, 2u);
  EXPECT_EQ(Analyzed(call(kPlain, "1", "1") + iteration).report.tokens, 1u);
  EXPECT_EQ(Analyzed(call(kPlain, "1", "1")).report.tokens, 0u);
  ShapeOptions told;
  told.tokens = 7;
  EXPECT_EQ(Analyzed(call(kPlain, "1", "1") + token(), told).report.tokens, 7u);
}

TEST(completion, without_a_rule_a_shape_is_unknown_yet_its_flops_are_not) {
  const Analyzed a(call(kPlain, "10", "4"));
  EXPECT_FALSE(a.only().spec);
  EXPECT_EQ(a.only().unknown, "lacks dtA, dtB, dtD");
  EXPECT_EQ(a.only().flops, 2 * 64 * 32);
  EXPECT_EQ(a.only().backends[0].gbps, 0);
  EXPECT_DOUBLE_EQ(a.only().backends[0].gflops, 2.0 * 64 * 32 / 4 / 1e3);
  EXPECT_TRUE(has(shapes_text(a.report),
                  "unknown: 1 shape, called 1 time, lacks dtA, dtB, dtD (first in line 0: op=matmul | batch=1"));
}

TEST(completion, types_that_a_line_names_stand_whatever_dtype_says) {
  const Analyzed a(call(kPlain + " dtA=f32 dtB=f32 dtD=f32", "10", "4"), with_dtype_of("q8_0"));
  ASSERT_TRUE(a.only().spec);
  EXPECT_EQ(matmul_of(*a.only().spec).b, Dtype::f32);
  EXPECT_TRUE(a.only().rules.empty());
}

TEST(completion, gives_an_op_no_type_of_an_operand_that_it_lacks) {
  for (const char* dtype : {"q8_0", "f16", "f32:q4_0"}) {
    const Analyzed a(call("op=embedding m=1 n=128 rows=2048 dtB=f16 dtD=f32 backend=x", "10", "4"),
                     with_dtype_of(dtype));
    EXPECT_TRUE(a.only().spec) << a.only().unknown;
    EXPECT_TRUE(a.only().rules.empty());
  }
}

TEST(completion, the_loader_tells_the_weights_type_and_no_other) {
  const Analyzed a(call("op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=0 loader=q8nk_split backend=mlx", "10", "4"));
  EXPECT_EQ(a.only().unknown, "lacks dtA, dtD");
  EXPECT_EQ(a.only().rules, std::vector<std::string>{"dtB=q8_0: the loader reads Q8_0"});
  EXPECT_EQ(a.only().flops, 2 * 64 * 32);
}

TEST(completion, of_a_q8_model_leaves_what_cannot_be_q8_unknown) {
  const std::string nn = "op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=0 backend=mlx";
  EXPECT_EQ(Analyzed(call(nn, "10", "4"), with_dtype_of("q8_0")).only().unknown, "lacks dtB");
  EXPECT_TRUE(Analyzed(call(nn, "10", "4"), with_dtype_of("f16")).only().spec);
  const Analyzed odd(call("op=matmul batch=1 m=1 n=64 k=33 tA=0 tB=1 backend=mlx", "10", "4"), with_dtype_of("q8_0"));
  EXPECT_TRUE(has(odd.only().unknown, "multiple of 32")) << odd.only().unknown;
}

TEST(completion, attention_over_the_cache_gets_its_scale_by_rule_and_only_there) {
  const std::string scores = "op=matmul_alpha_beta batch=14 m=1 n=10 k=64 tA=0 tB=1 backend=mlx";
  const Analyzed a(call(scores + " loader=dense", "10", "4"), with_dtype_of("q8_0"));
  ASSERT_TRUE(a.only().spec) << a.only().unknown;
  EXPECT_EQ(matmul_of(*a.only().spec).alpha, 0.125);
  EXPECT_EQ(matmul_of(*a.only().spec).b, Dtype::f16);
  EXPECT_EQ(Analyzed(call(scores, "10", "4"), with_dtype_of("f16")).only().unknown, "lacks alpha, beta");
  const Analyzed said(call(scores + " loader=dense alpha=1 beta=1", "10", "4"), with_dtype_of("f16"));
  EXPECT_EQ(matmul_of(*said.only().spec).beta, 1);
}

TEST(completion, a_field_that_no_grammar_reads_is_named_and_not_dropped) {
  EXPECT_TRUE(has(Analyzed(call(kPlain + " splitk=4", "10", "4"), with_dtype_of("f16")).only().unknown,
                  "field splitk=4 is unknown"));
  EXPECT_EQ(
      Analyzed(call("op=matmul m=1 n=64 k=32 tA=0 tB=1 backend=x", "10", "4"), with_dtype_of("f16")).only().unknown,
      "lacks batch");
  const Analyzed bar(call("op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=1 loader=dense|k=5 backend=x", "10", "4"),
                     with_dtype_of("f16"));
  EXPECT_FALSE(bar.only().spec);
  EXPECT_FALSE(bar.only().unknown.empty());
}

TEST(completion, no_text_of_a_trace_becomes_another_spec) {
  const std::string good = "op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=1 backend=x ";
  for (const char* field :
       {"loader=", "loader=dense|k=5", "loader=dense:", "a:b=1", "loader=\\u0009dense", "loader=dense\\u0020"}) {
    const Analyzed a(call(good + field, "10", "4"), with_dtype_of("f16"));
    EXPECT_EQ(a.only().unknown, "has a field that is empty or holds what separates fields in a spec line") << field;
    EXPECT_THROW(trace_workload(a.report, {.trace = "t"}), Error);
  }
}

TEST(completion, an_unknown_dtype_is_refused) { EXPECT_THROW(shape_rules("q9", {}), Error); }

TEST(rates, are_least_bytes_and_flops_over_mean_time) {
  const Analyzed a(call(kPlain, "20", "4") + call(kPlain, "30", "6") + token(), with_dtype_of("f16", 2));
  const double bytes = 2 * (64 * 32 + 32 + 64);
  const ShapeBackend& on = a.only().backends[0];
  EXPECT_DOUBLE_EQ(on.gbps, bytes / 5 / 1e3);
  EXPECT_DOUBLE_EQ(on.gflops, 2.0 * 64 * 32 / 5 / 1e3);
  EXPECT_DOUBLE_EQ(on.percent, 100 * on.gbps / 2);
  EXPECT_DOUBLE_EQ(on.to_win_ms, 2 * (5 - bytes / 2e3) / 1e3);
  EXPECT_DOUBLE_EQ(a.report.to_win_ms, on.to_win_ms);
}

TEST(rates, of_fused_and_batched_products_count_every_segment_and_batch) {
  const Analyzed fused(call(kGate, "20", "10"), with_dtype_of("q8_0"));
  EXPECT_EQ(fused.only().spec->weight_bytes(), 9728 * 896 / 32 * 34);
  EXPECT_EQ(fused.only().flops, 2 * 9728 * 896);
  EXPECT_EQ(fused.only().text, "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=4864 | n1=4864");
  const Analyzed qkv(call("op=matmul batch=1 m=1 k=896 nq=896 nk=128 nv=128 backend=x", "20", "10"),
                     with_dtype_of("f16"));
  EXPECT_EQ(qkv.only().spec->weight_bytes(), 1152 * 896 * 2);
  const Analyzed batched(call("op=matmul batch=14 m=1 n=10 k=64 tA=0 tB=1 backend=x", "20", "10"),
                         with_dtype_of("f16"));
  EXPECT_EQ(batched.only().spec->weight_bytes(), 14 * 10 * 64 * 2);
}

TEST(rates, above_the_ceiling_win_nothing_and_are_pointed_at) {
  const Analyzed a(call(kPlain, "20", "1"), with_dtype_of("f16", 0.1));
  EXPECT_EQ(a.only().backends[0].to_win_ms, 0);
  EXPECT_TRUE(has(shapes_text(a.report), "1 row above the ceiling"));
}

TEST(rates, of_no_time_or_less_are_unknown) {
  for (const char* us : {"0", "-5"}) {
    const Analyzed a(call(kPlain, us, us), with_dtype_of("f16", 10));
    EXPECT_EQ(a.only().backends[0].gbps, 0) << us;
    EXPECT_EQ(a.only().backends[0].to_win_ms, 0) << us;
    EXPECT_FALSE(has(shapes_text(a.report), "inf"));
  }
}

TEST(rates, a_shape_on_two_backends_has_two_rows_of_one_shape) {
  const Analyzed a(call(kPlain, "20", "4") + call("op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=1 backend=other", "20", "9"),
                   with_dtype_of("f16"));
  ASSERT_EQ(a.only().backends.size(), 2u);
  EXPECT_EQ(a.only().backends[0].backend, "other");
  EXPECT_EQ(a.only().total_us, 13);
}

TEST(golden, text_and_json) {
  const Analyzed a(small_model(), with_dtype_of("q8_0", 100));
  expect_golden("shapes.txt", shapes_text(a.report, {.top = 3}));
  Json report = {{"trace", "small.jsonl"}};
  report["classic"] = classic_json(a.counts, a.strings);
  report["shapes"] = to_json(a.report);
  expect_golden("analysis.json", brief(Json::parse(analysis_json(Json::array({report})))).dump(1) + "\n");
}

TEST(csv, has_a_row_for_each_name_and_each_shape_and_backend) {
  const Analyzed a(small_model(), with_dtype_of("q8_0", 100));
  const std::string csv = csv_table(analysis_table("small.jsonl", a.counts, a.strings, a.report));
  EXPECT_EQ(count_of(csv, "\r\n"),
            1 + a.counts.types().size() + a.counts.ops().size() + a.counts.internals().size() + a.report.shapes.size());
  EXPECT_TRUE(
      has(csv, "small.jsonl,shape,op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=4864 | n1=4864,gemv,"))
      << csv;
}

}  // namespace
}  // namespace assay

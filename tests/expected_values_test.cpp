// Bounds that leave the program are those by which it judges itself; vectors made of seeds are the same everywhere.
#include "proof/expected_values.h"

#include <gtest/gtest.h>

#include <cmath>

#include "proof/reference.h"
#include "tune/test_vector.h"

namespace assay {
namespace {

void expect_the_judges_bound(const std::string& rest, Accuracy accuracy) {
  SCOPED_TRACE(rest);
  const Spec spec = parse_spec("op=matmul | batch=1 | " + rest);
  Arenas arenas;
  arenas.reserve(spec, 0);
  const SpecInputs inputs(spec, arenas, 0);
  const std::vector<BoundedValue> all = bounded_values(inputs, accuracy).values;
  const Reference reference(inputs, {accuracy});
  const auto message = [&](size_t element, double off) {
    std::vector<std::byte> d(all.size() * 4);
    for (size_t i = 0; i < all.size(); ++i)
      encode_value(Dtype::f32, all[i].value + (i == element ? off * all[i].bound : 0), &d[4 * i]);
    LaunchInputs launch;
    while (launch.a.of_row(0) != 1 || launch.a.of_row(1) != 1) ++launch.a.rows;  // A as it is
    return reference.judge(accuracy)->check(d, launch);
  };
  for (const size_t element : {size_t(0), all.size() / 2, all.size() - 1})
    for (const double sign : {-1.0, 1.0}) {
      EXPECT_EQ(message(element, 0.95 * sign), "") << element;
      EXPECT_NE(message(element, 1.05 * sign), "") << element;
    }
}

TEST(ExpectedValues, bounds_are_those_of_the_judge) {
  expect_the_judges_bound("m=1 | n=700 | k=96 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32", Accuracy::exact);
  expect_the_judges_bound(
      "m=2 | n=400 | k=77 | tA=0 | tB=0 | dtA=f16 | dtB=f16 | dtD=f32 | alpha=-0.5 | beta=0.25 | bias=1",
      Accuracy::exact);
  expect_the_judges_bound("m=1 | n=700 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f32", Accuracy::int8_activation);
  expect_the_judges_bound("m=1 | n=700 | k=96 | tA=0 | tB=1 | dtA=f32 | dtB=f16 | dtD=f32", Accuracy::f16_activation);
}

TEST(TestVectors, are_a_function_of_spec_and_seed_and_share_pools) {
  const Spec spec = parse_spec(
      "op=matmul | batch=1 | m=1 | n=700 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16 | loader=q8nk_split");
  std::vector<Pool> pools, again;
  const TestVector first = make_test_vector(spec, Accuracy::exact, 7, pools);
  const size_t one = pools.size();
  make_test_vector(spec, Accuracy::exact, 8, pools);
  EXPECT_EQ(pools.size(), one);
  const TestVector second = make_test_vector(spec, Accuracy::exact, 7, again);
  ASSERT_EQ(first.points.size(), 64u);
  EXPECT_EQ(first.sums.size(), 3u);  // stretches of 256
  for (size_t i = 0; i < first.points.size(); ++i) EXPECT_EQ(first.points[i].value, second.points[i].value);
  for (const Pool& pool : pools) EXPECT_LE(pool.bytes.size(), 4096u);
}

TEST(TestVectors, exist_for_ops_with_whole_numbers) {
  const char* const kArgmax = "op=argmax | m=2 | n=300 | dtA=f16";
  std::vector<Pool> pools;
  const Spec argmax = parse_spec(kArgmax);
  EXPECT_EQ(untestable(argmax), "");
  const TestVector vector = make_test_vector(argmax, Accuracy::exact, 1, pools);
  ASSERT_EQ(vector.points.size(), 2u);
  for (const TestPoint& p : vector.points) EXPECT_EQ(p.bound, 0);
}

TEST(TestVectors, say_what_an_op_writes_where_it_keeps_what_was_there) {
  const Spec rope = parse_spec(
      "op=rope | m=2 | heads=4 | kv_heads=2 | head_size=32 | capacity=64 | dtA=f32 | dtCache=f16 | dtD=f32 | "
      "style=pairs "
      "| base=500000 | dimensions=32");
  std::vector<Pool> pools;
  EXPECT_EQ(untestable(rope), "");
  const TestVector vector = make_test_vector(rope, Accuracy::exact, 1, pools);
  int64_t written = 0;
  for (const auto& [first, end] : vector.written) written += end - first;
  EXPECT_EQ(written, 2 * (4 + 2 * 2) * 32) << "queries, and of two caches two positions";
  EXPECT_LT(vector.written.back().second, 2 * 4 * 32 + 2 * 64 * 2 * 32);
}

}  // namespace
}  // namespace assay

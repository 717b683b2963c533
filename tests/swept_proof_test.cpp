// Laws of launches that differ in numbers alone: each number is tried, and what is expected is what the op expects.
#include "proof/swept_proof.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>

#include "proof/element_proof.h"

namespace assay {
namespace {

constexpr const char* kAttentionLine =
    "op=attention | m=2 | heads=4 | kv_heads=2 | head_size=12 | length=150 | capacity=160 | dtA=f32 | dtCache=f16 | "
    "dtD=f32 | scale=0.5";
constexpr const char* kLines[] = {
    kAttentionLine,
    "op=rope | m=2 | heads=4 | kv_heads=2 | head_size=6 | capacity=40 | dtA=f32 | dtCache=f16 | dtD=f32 | style=neox | "
    "base=10000 | factors=1",
    "op=embedding | m=3 | n=64 | rows=71 | dtB=q8_0 | dtD=f32",
    "op=argmax | m=3 | n=31 | dtA=f32",
    "op=top_k | m=2 | n=90 | k=6 | dtA=f32",
    "op=top_k | m=1 | n=200 | k=70 | dtA=f32",
};

struct Bench {
  explicit Bench(const std::string& line) : spec(parse_spec(line)) {
    arenas.reserve(spec, 1 << 16);
    inputs = std::make_unique<SpecInputs>(spec, arenas, 1 << 16);
    proof = std::make_unique<ElementProof>(*inputs);
    base = {0, proof->draw(random, 1, true)};
  }
  /// What the op itself expects of a launch with these numbers.
  std::vector<ExpectedOutput> by_the_op(SweptProof& swept, std::span<const int64_t> numbers, Accuracy accuracy) {
    HostLaunch host(*proof, base, accuracy);
    std::vector<std::byte>& bytes = host.varied()[swept.operand()];
    for (const SweptProof::Change& change : swept.changes(numbers))
      std::copy_n(change.bytes.begin(), change.size, bytes.begin() + change.at);
    std::vector<ExpectedOutput> outputs(proof->outputs().size());
    spec.op->expected(spec, host.values(), outputs);
    return outputs;
  }

  Spec spec;
  Arenas arenas;
  std::unique_ptr<SpecInputs> inputs;
  std::unique_ptr<ElementProof> proof;
  std::mt19937_64 random{7};
  LaunchInputs base;
};

/// So that a right kernel would have written them.
std::vector<std::byte> rounded(const Tensor& t, const ExpectedOutput& expected) {
  std::vector<std::byte> bytes(size_t(t.bytes));
  const int64_t size = dtype_bytes(t.dtype, 1);
  for (size_t i = 0; i < expected.values.size(); ++i)
    encode_value(t.dtype, expected.values[i].value, &bytes[i * size_t(size)]);
  return bytes;
}

TEST(SweptProof, TriesEachNumberOnce) {
  for (const char* line : kLines) {
    Bench bench(line);
    const SweptProof swept(*bench.proof, bench.spec, bench.base, Accuracy::exact, nullptr);
    auto [all, share] = swept.in_drawn_order(bench.random);
    std::vector<int64_t> each(all.size());
    EXPECT_EQ(share, std::ssize(all)) << "few numbers are no share and a rest";
    EXPECT_FALSE(std::is_sorted(all.begin(), all.end())) << line;
    std::sort(all.begin(), all.end());
    std::iota(each.begin(), each.end(), 0);
    EXPECT_EQ(all, each) << line;
    EXPECT_EQ(std::ssize(all), swept.numbers()) << line;
  }
}

TEST(SweptProof, SomeNumbersAreDrawnEachOnceBehindThoseNearWhichKernelsErr) {
  Bench bench("op=argmax | m=1 | n=20000 | dtA=f32");
  const SweptProof swept(*bench.proof, bench.spec, bench.base, Accuracy::exact, nullptr);
  std::vector<int64_t> some = swept.in_drawn_order(bench.random, 500).numbers;
  const auto last = std::find(some.begin(), some.end(), 19'999);
  EXPECT_LT(last - some.begin(), 400) << "the edges are among the first";
  EXPECT_LE(some.size(), 1'000u);
  std::sort(some.begin(), some.end());
  EXPECT_EQ(std::adjacent_find(some.begin(), some.end()), some.end());
}

TEST(SweptProof, AShareOfManyNumbersHasOneOfEachSixteenNeighboursAndEveryRemainder) {
  for (const int64_t count : {int64_t(20'000), int64_t(70'001), int64_t(151'936)}) {
    Bench bench(fmt::format("op=embedding | m=1 | n=1 | rows={} | dtB=f32 | dtD=f32", count));
    const SweptProof swept(*bench.proof, bench.spec, bench.base, Accuracy::exact, nullptr);
    const auto [numbers, share] = swept.in_drawn_order(bench.random);
    EXPECT_EQ(std::ssize(numbers), count);
    EXPECT_LT(share, count / 16 + 200);
    const int64_t period = count < 32'768 ? 1'024 : count < 65'536 ? 2'048 : 4'096;
    std::set<int64_t> runs, remainders;
    for (int64_t i = 0; i < share; ++i) {
      runs.insert(numbers[size_t(i)] / 16);
      remainders.insert(numbers[size_t(i)] % period);
    }
    EXPECT_EQ(std::ssize(runs), (count + 15) / 16);
    EXPECT_EQ(std::ssize(remainders), period) << count;
  }
}

TEST(SweptProof, AcceptsWhatTheOpExpectsAndNothingElse) {
  for (const char* line : kLines)
    for (const bool by_rows : {false, true}) {
      Bench bench(line);
      SweptProof swept(*bench.proof, bench.spec, bench.base, Accuracy::exact,
                       by_rows ? bench.proof->row_sums() : nullptr);
      const std::vector<int64_t> order = swept.in_drawn_order(bench.random).numbers;
      for (int launch = 0; launch < 8; ++launch) {
        std::vector<int64_t> numbers;
        for (int64_t i = 0; i < swept.per_launch(); ++i)
          numbers.push_back(order[size_t(launch * swept.per_launch() + i) % order.size()]);
        const std::vector<ExpectedOutput> right = bench.by_the_op(swept, numbers, Accuracy::exact);
        swept.expect(numbers);
        for (size_t output = 0; output < right.size(); ++output) {
          const Tensor& t = swept.outputs()[output];
          if (t.is_sparse) continue;
          std::vector<std::byte> d = rounded(t, right[output]);
          EXPECT_EQ(swept.check(output, d), "") << line;
          const int64_t size = dtype_bytes(t.dtype, 1), wrong = int64_t(bench.random() % uint64_t(t.values()));
          encode_value(t.dtype, right[output].values[size_t(wrong)].value + 1, &d[size_t(wrong * size)]);
          EXPECT_NE(swept.check(output, d), "") << line;
        }
      }
    }
}

TEST(AttentionLengths, AreExpectedAndBoundedAsOneByOne) {
  Bench bench(kAttentionLine);
  for (const Accuracy accuracy : {Accuracy::exact, Accuracy::f16_activation}) {
    SweptProof swept(*bench.proof, bench.spec, bench.base, accuracy, nullptr);
    const HostLaunch host(*bench.proof, bench.base, accuracy);
    const std::unique_ptr<SweptAnswers> answers = bench.spec.op->sweep->answers(bench.spec, host.values());
    for (const int64_t position : {0, 1, 2, 77, 148, 30, 31}) {
      const std::vector<int64_t> numbers = {position};
      const std::vector<ExpectedOutput> right = bench.by_the_op(swept, numbers, accuracy);
      std::vector<ExpectedOutput> fast(1);
      answers->expected(numbers, fast);
      ASSERT_EQ(fast[0].values.size(), right[0].values.size());
      for (size_t i = 0; i < fast[0].values.size(); ++i) {
        const ExpectedValue &got = fast[0].values[i], &want = right[0].values[i];
        EXPECT_NEAR(got.value, want.value, 1e-12);
        EXPECT_NEAR(got.free, want.free, 1e-9 * want.free);
        EXPECT_NEAR(got.fixed, want.fixed, 1e-9 * want.fixed);
      }
    }
  }
}

}  // namespace
}  // namespace assay

// Laws of random projections: an honest D always agrees, whatever the spec; one wrong element anywhere does not.
#include "proof/projections.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/matmul.h"
#include "proof/validator.h"

namespace assay {
namespace {

/// Two copies of a spec's weights, and D as an exact kernel that rounds once makes it of any of them.
class Bench {
 public:
  explicit Bench(const std::string& line)
      : spec_(parse_spec(line)),
        inputs_(spec_, reserved(), kFootprint),
        reference_(inputs_),
        validator_(reference_, Accuracy::exact) {}

  const Spec& spec() const { return spec_; }
  const Reference& reference() const { return reference_; }
  int64_t copies() const { return std::min<int64_t>(inputs_.copies(), 3); }

  std::vector<double> exact(const LaunchInputs& launch) const {
    std::vector<double> d;
    for (const Tensor& b : inputs_.b(launch.copy))
      for (int64_t batch = 0; batch < matmul_of(spec_).batch; ++batch)
        for (int64_t m = 0; m < matmul_of(spec_).m; ++m)
          for (int64_t n = 0; n < b.dims[1]; ++n) {
            double sum = 0;
            for (int64_t k = 0; k < matmul_of(spec_).k; ++k)
              sum += launch.a.of_column(k) *
                     inputs_.a_logical[size_t((batch * matmul_of(spec_).m + m) * matmul_of(spec_).k + k)] *
                     b_element(b, batch, n, k);
            sum *= matmul_of(spec_).alpha * launch.a.factor * launch.a.of_row(batch * matmul_of(spec_).m + m);
            if (matmul_of(spec_).beta != 0)
              sum += matmul_of(spec_).beta *
                     inputs_.c[b.segment].values[size_t((batch * matmul_of(spec_).m + m) * b.dims[1] + n)];
            if (matmul_of(spec_).bias) sum += inputs_.bias[b.segment].values[size_t(n)];
            d.push_back(sum);
          }
    return d;
  }
  std::string check(const std::vector<double>& d, const LaunchInputs& launch) {
    std::vector<std::byte> bytes(size_t(dtype_bytes(matmul_of(spec_).d, int64_t(d.size()))));
    for (size_t i = 0; i < d.size(); ++i)
      encode_value(matmul_of(spec_).d, d[i], &bytes[size_t(dtype_bytes(matmul_of(spec_).d, int64_t(i)))]);
    std::vector<double> sums(size_t(2 * reference_.projections().count()));
    double* next = sums.data();
    const std::byte* at = bytes.data();
    for (const Tensor& b : inputs_.b(0)) {
      const int64_t columns = b.dims[1], elements = matmul_of(spec_).batch * matmul_of(spec_).m * columns;
      project(matmul_of(spec_).d, at, elements, columns, reference_.projections().weights(b.segment).data(), next);
      at += dtype_bytes(matmul_of(spec_).d, elements);
      next += 2 * matmul_of(spec_).batch * matmul_of(spec_).m * stretches_of(columns);
    }
    return validator_.check_projections(sums, launch);
  }

 private:
  static constexpr int64_t kFootprint = 1 << 20;
  Arenas& reserved() {
    arenas_.reserve(spec_, kFootprint);
    return arenas_;
  }

  Spec spec_;
  Arenas arenas_;
  SpecInputs inputs_;
  Reference reference_;
  Validator validator_;
};

const char* const kSpecs[] = {"op=matmul | batch=1 | m=1 | n=700 | k=141 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32",
                              "op=matmul | batch=1 | m=1 | n=1 | k=1 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32",
                              "op=matmul | batch=1 | m=3 | n=257 | k=65 | tA=1 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16",
                              "op=matmul | batch=1 | m=2 | n=256 | k=33 | tA=0 | tB=1 | dtA=bf16 | dtB=bf16 | dtD=bf16",
                              "op=matmul_alpha_beta | batch=3 | m=2 | n=77 | k=141 | tA=0 | tB=0 | dtA=f32 | dtB=f32 | "
                              "dtD=f32 | alpha=0.5 | beta=0.75 | bias=1",
                              "op=matmul | batch=1 | m=1 | n=300 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16",
                              "op=matmul | batch=1 | m=2 | n=? | n0=130 | n1=300 | k=64 | tA=? | tB=? | dtA=f16 | "
                              "dtB=q8_0 | dtD=f16 | loader=q8nk_split",
                              "op=matmul | batch=1 | m=1 | n=2000 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16"};

class ProjectionsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ProjectionsTest, AnExactKernelAgreesForEveryCopyFactorAndSigns) {
  Bench bench(GetParam());
  for (int64_t copy = 0; copy < bench.copies(); ++copy)
    for (const double factor : {1.0, -0.125, 8.0})
      for (const bool is_free : {false, true}) {
        const uint64_t signs = is_free ? 12345 : bench.reference().signs_from(0x5a3c);
        const LaunchInputs launch{copy, {factor, signs, /*rows=*/77, is_free}};
        ASSERT_EQ(bench.check(bench.exact(launch), launch), "") << copy << " " << factor << " " << is_free;
      }
}

TEST_P(ProjectionsTest, OneElementOffByWhatATypicalOneIsIsFoundWhereverItStands) {
  Bench bench(GetParam());
  const LaunchInputs launch{bench.copies() - 1, {2}};
  const std::vector<double> good = bench.exact(launch);
  double squares = 0;
  for (const double value : good) squares += value * value;
  const double typical = std::sqrt(squares / double(good.size()));
  for (size_t i = 0; i < good.size(); i += 1 + good.size() / 97) {
    std::vector<double> d = good;
    d[i] += typical;
    ASSERT_NE(bench.check(d, launch), "") << "element " << i;
  }
  std::vector<double> last = good;
  last.back() -= typical;
  EXPECT_NE(bench.check(last, launch), "");
}

TEST_P(ProjectionsTest, TheAnswerToOtherInputsIsWrong) {
  Bench bench(GetParam());
  const LaunchInputs launch{0, {}};
  const std::vector<double> good = bench.exact(launch);
  EXPECT_NE(bench.check(good, {0, {2}}), "") << "of another factor";
  if (bench.copies() > 1) {
    EXPECT_NE(bench.check(good, {1, {}}), "") << "of other weights";
  }
}

INSTANTIATE_TEST_SUITE_P(, ProjectionsTest, ::testing::ValuesIn(kSpecs));

TEST(Projections, TwoErrorsThatCancelInASumAreFound) {
  Bench bench("op=matmul | batch=1 | m=1 | n=256 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  const LaunchInputs launch{0, {}};
  int tried = 0, escaped = 0;
  for (const double sign : {1.0, -1.0})
    for (size_t i = 0; i + 1 < 256; ++i, ++tried) {
      std::vector<double> d = bench.exact(launch);
      d[i] += 4, d[i + 1] += sign * 4;
      escaped += bench.check(d, launch).empty();
    }
  EXPECT_LE(escaped, tried / 50) << "those whose weights happen to be alike within a thousandth";
}

TEST(Projections, AreDrawnAnewForEachSpecAndHaveBothSigns) {
  const std::string line = "op=matmul | batch=1 | m=1 | n=256 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32";
  Bench first(line), second(line);
  int equal = 0, negative = 0;
  for (size_t i = 0; i < 256; ++i) {
    equal += first.reference().projections().weights(0)[i] == second.reference().projections().weights(0)[i];
    negative += first.reference().projections().weights(0)[i] < 0;
  }
  EXPECT_LT(equal, 10);
  EXPECT_GT(negative, 64);
  EXPECT_LT(negative, 192);
}

TEST(Projections, NaNAndInfinityNeverAgree) {
  Bench bench("op=matmul | batch=1 | m=1 | n=300 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  for (const double value : {std::nan(""), double(INFINITY), 1e30}) {
    std::vector<double> d = bench.exact({0, {}});
    d[280] = value;
    EXPECT_NE(bench.check(d, {0, {}}), "") << value;
  }
}

TEST(Projections, TheMessageNamesTheStretch) {
  Bench bench("op=matmul | batch=2 | m=3 | n=300 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  std::vector<double> d = bench.exact({0, {}});
  d[size_t((1 * 3 + 2) * 300 + 299)] += 100;
  EXPECT_EQ(bench.check(d, {0, {}}).rfind("batch 1 D[2,256..299] is wrong somewhere", 0), 0u);
}

}  // namespace
}  // namespace assay

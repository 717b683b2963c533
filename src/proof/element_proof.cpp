// The proof of an op that is no product.
#include "proof/element_proof.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "proof/projections.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr int kSamples = 64;       // of D, that a second opinion is asked about
constexpr double kAgree = 1e-12;   // relative
constexpr double kDeviations = 8;  // of the outputs' roundings, in a projection
constexpr double kUniform = 3;     // the variance of an error anywhere within ±e is e²/3

const Tensor& tensor_of(const Spec& spec, Operand operand) {
  const auto found =
      std::find_if(spec.tensors.begin(), spec.tensors.end(), [&](const Tensor& t) { return t.operand == operand; });
  ASSAY_CHECK(found != spec.tensors.end());
  return *found;
}

/// The launches of a sample have the same A, and often the same copy: what they must give is kept.
class ElementJudge final : public Judge {
 public:
  ElementJudge(const ElementProof& proof, const Tensor& d)
      : Judge(d.dtype, d.dims[0] * d.dims[1] * d.dims[2]), proof_(proof), d_(d) {}

  std::string check(std::span<const std::byte> d, const LaunchInputs& inputs, ElementRange range) override {
    prepare_for(inputs);
    ++stats_.launches_checked;
    double worst_ratio = 0;
    int64_t worst = -1;
    const int64_t end = std::min(range.end, std::ssize(expected_));
    for (int64_t i = range.first; i < end; ++i) {
      const ExpectedValue& e = expected_[size_t(i)];
      const double got = decode_value(d_.dtype, &d[size_t(dtype_bytes(d_.dtype, i))]);
      const double error = std::fabs(got - e.value), fixed = e.fixed + least_subnormal(d_.dtype);
      const double ratio = error <= fixed ? 0 : std::isnan(error) ? HUGE_VAL : (error - fixed) / e.free;
      squared_error_ += error * error;
      squared_reference_ += e.value * e.value;
      stats_.max_abs = std::max(stats_.max_abs, error);
      stats_.max_rel = std::max(stats_.max_rel, error / std::max({1.0, std::fabs(got), std::fabs(e.value)}));
      stats_.bound_used =
          std::max(stats_.bound_used, std::isnan(error) ? HUGE_VAL : error / (fixed + kToleranceC * e.free));
      if (ratio <= worst_ratio) continue;
      worst = i, worst_ratio = ratio;
      if (ratio <= stats_.worst_ratio) continue;
      stats_.worst_ratio = ratio, stats_.worst_index = i;
      stats_.worst_value = got, stats_.worst_reference = e.value;
    }
    stats_.elements_checked += end - range.first;
    stats_.nmse = squared_reference_ > 0 ? squared_error_ / squared_reference_ : 0;
    if (worst_ratio <= kToleranceC) return "";
    const ExpectedValue& e = expected_[size_t(worst)];
    const double got = decode_value(d_.dtype, &d[size_t(dtype_bytes(d_.dtype, worst))]);
    return fmt::format("{} is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}", where(worst), got, e.value,
                       std::fabs(got - e.value), e.fixed + kToleranceC * e.free);
  }

  std::string check_projections(std::span<const double> sums, const LaunchInputs& inputs) override {
    prepare_for(inputs);
    const std::span<const float> r = proof_.projection_weights()[0];
    const int64_t columns = d_.dims[2], rows = std::ssize(expected_) / columns;
    size_t projection = 0;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t first = 0; first < columns; first += kProjectionColumns, ++projection) {
        double expected = 0, free = 0, fixed = 0;
        for (int64_t i = first; i < std::min(columns, first + kProjectionColumns); ++i) {
          const ExpectedValue& e = expected_[size_t(row * columns + i)];
          const double weight = double(r[size_t(i)]), rounding = weight * (e.fixed + least_subnormal(d_.dtype));
          expected += weight * e.value;
          free += std::fabs(weight) * e.free;  // a row's errors have one cause, the norm: they do not cancel
          fixed += rounding * rounding;
        }
        const double allowed = kToleranceC * free + kDeviations * std::sqrt(fixed / kUniform);
        const double got = sums[2 * projection];
        if (std::fabs(got - expected) <= allowed) continue;
        return fmt::format(
            "{} is wrong somewhere: a random projection of it is {:.6g}, should be {:.6g}: off by {:.3g}, allowed "
            "{:.3g}",
            where(row * columns + first), got, expected, std::fabs(got - expected), allowed);
      }
    return "";
  }

  bool can_check(int64_t) const override { return true; }
  using Judge::can_check;

 private:
  std::string where(int64_t element) const override {
    return fmt::format("D[{},{}]", element / d_.dims[2], element % d_.dims[2]);
  }
  void prepare_for(const LaunchInputs& launch) {
    if (prepared_ && launch.copy == of_.copy && launch.a == of_.a) return;
    expected_ = proof_.expected(launch);
    of_ = launch;
    prepared_ = true;
  }

  const ElementProof& proof_;
  const Tensor d_;
  std::vector<ExpectedValue> expected_;
  LaunchInputs of_;
  bool prepared_ = false;
  double squared_error_ = 0, squared_reference_ = 0;
};

}  // namespace

ElementProof::ElementProof(const SpecInputs& inputs) : inputs_(inputs) {
  std::mt19937_64 random{std::random_device{}()};
  columns_ = random_weights(tensor_of(inputs.spec(), Operand::d).dims[2], random);
  const Variation variation = draw(random, 1, true);
  const std::vector<double> a = varied(variation);
  const std::vector<float> b = weights_of(0);
  const std::vector<ExpectedValue> all = expected({0, variation});
  for (int sample = 0; sample < kSamples; ++sample) {
    const auto element = int64_t(random() % all.size());
    const double first = all[size_t(element)].value,
                 other = double(inputs.spec().op->second_opinion(inputs.spec(), {a, b}, element));
    if (!(std::fabs(first - other) <= kAgree * std::fabs(first)))
      fail("suspect the reference: its two implementations disagree at element {} of {} ({} and {})", element,
           inputs.spec().line(), first, other);
  }
}

Variation ElementProof::draw(std::mt19937_64& random, int64_t, bool) const { return {1, random(), 0, false}; }

std::vector<double> ElementProof::varied(const Variation& variation) const {
  std::vector<double> a = inputs_.a_logical;
  inputs_.spec().op->vary(inputs_.spec(), variation.signs, a);
  return a;
}

void ElementProof::varied_a(const Variation& variation, std::vector<std::byte>& bytes) const {
  inputs_.store_a(varied(variation), bytes);
}

std::vector<float> ElementProof::weights_of(int64_t copy) const {
  std::vector<float> all, row;
  for (const Tensor& b : inputs_.b(copy))
    for (int64_t batch = 0; batch < b.dims[0]; ++batch)
      for (int64_t n = 0; n < b.dims[1]; ++n) {
        decode_row(b, batch, n, row);
        all.insert(all.end(), row.begin(), row.end());
      }
  return all;
}

std::vector<ExpectedValue> ElementProof::expected(const LaunchInputs& launch) const {
  std::vector<ExpectedValue> d;
  const std::vector<double> a = varied(launch.a);
  const std::vector<float> b = weights_of(launch.copy);
  inputs_.spec().op->expected(inputs_.spec(), {a, b}, d);
  return d;
}

std::vector<std::span<const float>> ElementProof::projection_weights() const { return {columns_}; }

std::unique_ptr<Judge> ElementProof::judge(Accuracy) const {
  return std::make_unique<ElementJudge>(*this, tensor_of(inputs_.spec(), Operand::d));
}

}  // namespace assay

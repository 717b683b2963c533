// Is what one launch of an op that is no product wrote right?
#include "proof/element_judge.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "proof/block_value.h"
#include "proof/projections.h"
#include "proof/rounding_model.h"

namespace assay {
namespace {

constexpr double kDoubleSum = 0x1p-44;               // what adding a stretch in double may be off by, in any order
constexpr double kDeviations = 8;                    // of the outputs' roundings, in a projection
constexpr double kUniform = 3;                       // the variance of an error anywhere within ±e is e²/3
constexpr int64_t kMuchWork = 100'000, kOfOne = 10;  // flops; what one of them takes, exponentials and bounds included
constexpr int64_t kOfKept = 2'000;   // of an element whose sums of groups are kept: so many launches as take 1 ms
constexpr int64_t kDrawn = 32;       // elements of a launch whose draw is free: of a column in 150, as gate and up are
constexpr double kMeanSquare = 1.5;  // mean of squared errors in units of their variance: 1 where the model holds
constexpr int64_t kSharing = 64;     // elements may err alike: one in so many counts, or one of a head
// … of products fewer do, each having weights of its own; but the same activations are rounded in all launches, as
// signs and powers of two change no rounding, and the few largest err most.
constexpr int64_t kSharingOfProducts = 4, kActivations = 3;

}  // namespace

double output_value(Dtype dtype, std::span<const std::byte> d, int64_t i) {
  if (!is_quantized(dtype)) return decode_value(dtype, &d[size_t(dtype_bytes(dtype, i))]);
  const DtypeFacts& type = dtype_facts(dtype);
  return block_value(dtype, &d[size_t(i / type.block_values * type.block_bytes)], i % type.block_values);
}

ElementJudge::ElementJudge(const ElementProof& proof, Accuracy accuracy)
    : Judge([&] {
        std::vector<Part> parts;
        for (const Tensor& t : proof.outputs()) parts.push_back({t.dtype, t.values(), t.is_sparse});
        return parts;
      }()),
      proof_(proof),
      accuracy_(accuracy),
      outputs_(proof.outputs()) {
  for (const Tensor& t : outputs_)
    if (is_projected(t)) dense_elements_ += t.values();
}

int64_t ElementJudge::projection_cost() const {
  const Spec& spec = proof_.inputs().spec();
  if (spec.op->groups) return kOfKept * dense_elements_;
  return spec.cold_bytes() > 0 && spec.flops > kMuchWork ? kOfOne * spec.flops : 0;
}

void ElementJudge::prepare_for(const LaunchInputs& launch) {
  if (prepared_ && launch.copy == of_.copy && launch.a == of_.a) return;
  expected_ = proof_.expected(launch, accuracy_);
  of_ = launch;
  prepared_ = true;
}

std::string ElementJudge::where(int64_t element) const {
  for (const Tensor& t : outputs_) {
    if (element >= t.values()) {
      element -= t.values();
      continue;
    }
    const int64_t column = element % t.dims[2], row = element / t.dims[2];
    const std::string batch = t.dims[0] > 1 ? fmt::format("{},", row / t.dims[1]) : "";
    return fmt::format("{}[{}{},{}]", operand_text(proof_.inputs().spec(), t), batch, row % t.dims[1], column);
  }
  return "?";
}

void ElementJudge::compare(size_t output, std::span<const std::byte> d, int64_t first, int64_t last,
                           const ExpectedValue* values, Worst& worst) {
  const Dtype dtype = outputs_[output].dtype;
  const double least = least_subnormal(dtype), roundoff = unit_roundoff(dtype), largest = largest_value(dtype);
  const bool signs_count = proof_.inputs().spec().op->keeps_signs_of_zero;
  int64_t before = 0;
  for (size_t i = 0; i < output; ++i) before += outputs_[i].values();
  for (int64_t i = first; i < last; ++i) {
    const ExpectedValue& e = values[i - first];
    const double got = output_value(dtype, d, i);
    if (std::isinf(e.value) && got == e.value) continue;
    if (std::isnan(e.value) && std::isnan(got)) continue;  // what is copied
    const double of_sign = std::signbit(got) ? -e.value : e.value;
    if (std::isinf(got) && of_sign + e.fixed + kToleranceC * e.free > largest) continue;  // D's type ends there
    const double error = std::fabs(got - e.value), fixed = e.fixed + least;
    const bool is_other_zero = signs_count && e.value == 0 && got == 0 && std::signbit(got) != std::signbit(e.value);
    const double ratio = is_other_zero       ? HUGE_VAL
                         : error <= fixed    ? 0
                         : std::isnan(error) ? HUGE_VAL
                                             : (error - fixed) / e.free;
    squared_error_ += error * error;
    squared_reference_ += e.value * e.value;
    if (e.variance > 0) {
      const double sums = kToleranceC * e.free, rounding = roundoff * e.value;
      in_variances_ += error * error / (e.variance + rounding * rounding / kUniform + sums * sums), ++varied_elements_;
    }
    stats_.max_abs = std::max(stats_.max_abs, error);
    stats_.max_rel = std::max(stats_.max_rel, error / std::max({1.0, std::fabs(got), std::fabs(e.value)}));
    if (error > 0)
      stats_.bound_used =
          std::max(stats_.bound_used, std::isnan(error) ? HUGE_VAL : error / (fixed + kToleranceC * e.free));
    if (ratio <= worst.ratio) continue;
    worst = {ratio, got, before + i, e};
    if (ratio <= stats_.worst_ratio) continue;
    stats_.worst_ratio = ratio, stats_.worst_index = before + i;
    stats_.worst_value = got, stats_.worst_reference = e.value;
  }
  stats_.elements_checked += last - first;
}

std::string ElementJudge::message(const Worst& worst) const {
  if (worst.ratio <= kToleranceC) return "";
  return fmt::format("{} is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}", where(worst.element), worst.got,
                     worst.expected.value, std::fabs(worst.got - worst.expected.value),
                     worst.expected.fixed + kToleranceC * worst.expected.free);
}

/// "" or that a sparse output was written where it must not be.
std::string ElementJudge::compare_unprojected(std::span<const std::byte> d, Worst& worst) {
  int64_t before = 0;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Tensor& t = outputs_[i];
    const std::span<const std::byte> own = d.subspan(0, size_t(t.bytes));
    d = d.subspan(size_t(t.bytes));
    if (is_projected(t)) {
      before += t.values();
      continue;
    }
    std::vector<std::pair<int64_t, int64_t>> written = expected_[i].written;
    if (!t.is_sparse) written = {{0, t.values()}};
    const ExpectedValue* values = expected_[i].values.data();
    int64_t kept = 0;  // what must be as it was begins here
    const auto changed = [&](int64_t first, int64_t last) {
      const int64_t from = dtype_bytes(t.dtype, first), to = dtype_bytes(t.dtype, last);
      const int64_t at = first_not_poison(own.subspan(size_t(from), size_t(to - from)));
      const DtypeFacts& type = dtype_facts(t.dtype);
      return at < 0 ? at : (from + at) / type.block_bytes * type.block_values;
    };
    for (const auto& [first, last] : written) {
      if (const int64_t at = changed(kept, first); at >= 0)
        return where(before + at) + " was written, and must stay as it was";
      compare(i, own, first, last, values, worst);
      values += last - first;
      kept = last;
    }
    if (const int64_t at = changed(kept, t.values()); at >= 0)
      return where(before + at) + " was written, and must stay as it was";
    before += t.values();
  }
  return "";
}

std::string ElementJudge::check(std::span<const std::byte> d, const LaunchInputs& inputs, ElementRange range) {
  prepare_for(inputs);
  ++stats_.launches_checked;
  Worst worst;
  std::span<const std::byte> rest = d;
  int64_t dense_before = 0;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Tensor& t = outputs_[i];
    if (is_projected(t)) {
      const int64_t first = std::max<int64_t>(range.first - dense_before, 0),
                    last = std::min(range.end - dense_before, t.values());
      if (first < last) compare(i, rest, first, last, &expected_[i].values[size_t(first)], worst);
      dense_before += t.values();
    }
    rest = rest.subspan(size_t(t.bytes));
  }
  if (std::string message = compare_unprojected(d, worst); !message.empty()) return message;
  stats_.nmse = squared_reference_ > 0 ? squared_error_ / squared_reference_ : 0;
  std::string wrong = message(worst);
  return wrong.empty() ? mean_square_message() : wrong;
}

/// Of a class that is not exact, over all that was compared so far: what rounds once more, or wider, is within six
/// deviations everywhere, but not on the whole. Elements share roundings: those of a head all of them.
std::string ElementJudge::mean_square_message() const {
  const auto count = double(varied_elements_);
  const Spec& spec = proof_.inputs().spec();
  const int64_t sharing = spec.size("head_size") > 1 ? spec.size("head_size") : kSharing;
  if (varied_elements_ < sharing) return "";
  int64_t alone = varied_elements_ / sharing;
  if (spec.op->ends_product)
    alone =
        std::min(varied_elements_ / kSharingOfProducts, std::max<int64_t>(spec.tensors[0].values() / kActivations, 1));
  if (!(in_variances_ > std::max(kMeanSquare, mean_square_limit(alone)) * count)) return "";
  return fmt::format("errs {:.2f} times as much as class {} explains (root mean square over {} elements)",
                     std::sqrt(in_variances_ / count), accuracy_name(accuracy_), varied_elements_);
}

std::string ElementJudge::check_one(std::span<const std::byte> d, const LaunchInputs& inputs, uint64_t drawn) {
  const int64_t elements = outputs_[0].values(), count = std::min(kDrawn, elements);
  std::vector<int64_t> some;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = i * elements / count, end = (i + 1) * elements / count;
    some.push_back(first + int64_t(random_bits(drawn + uint64_t(i)) % uint64_t(end - first)));
  }
  const std::vector<ExpectedValue> values = proof_.expected_some(inputs, accuracy_, some);
  Worst worst;
  for (size_t i = 0; i < some.size(); ++i) compare(0, d, some[i], some[i] + 1, &values[i], worst);
  return message(worst);
}

std::string ElementJudge::check_unprojected(std::span<const std::byte> d, const LaunchInputs& inputs) {
  if (std::all_of(outputs_.begin(), outputs_.end(), is_projected)) return "";
  prepare_for(inputs);
  Worst worst;
  if (std::string message = compare_unprojected(d, worst); !message.empty()) return message;
  return message(worst);
}

std::string ElementJudge::check_projections(std::span<const double> sums, const LaunchInputs& inputs) {
  if (inputs.a.is_free) return "";  // check_one() has drawn elements
  prepare_for(inputs);
  const bool may_be_infinite = proof_.inputs().spec().op->may_be_infinite(inputs.a.special);
  size_t projection = 0;
  int64_t before = 0;
  for (size_t output = 0; output < outputs_.size(); before += outputs_[output++].values()) {
    const Tensor& t = outputs_[output];
    if (!is_projected(t)) continue;
    const std::span<const float> r = proof_.projection_weights()[output];
    const int64_t columns = t.dims[2], rows = t.values() / columns;
    const double least = least_subnormal(t.dtype);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t first = 0; first < columns; first += kProjectionColumns, ++projection) {
        double expected = 0, free = 0, fixed = 0, magnitude = 0;
        for (int64_t i = first; i < std::min(columns, first + kProjectionColumns); ++i) {
          const ExpectedValue& e = expected_[output].values[size_t(row * columns + i)];
          const double weight = double(r[size_t(i)]), rounding = weight * (e.fixed + least);
          expected += weight * e.value;
          magnitude += std::fabs(weight * e.value);
          free += std::fabs(weight) * e.free;  // a row's errors may have one cause (a norm): they do not cancel
          fixed += rounding * rounding;
        }
        const double allowed = kToleranceC * free + kDeviations * std::sqrt(fixed / kUniform) + kDoubleSum * magnitude;
        const double got = sums[2 * projection];
        if (std::isinf(magnitude) || may_be_infinite) continue;  // its elements are compared, all of them
        if (std::fabs(got - expected) <= allowed) continue;
        return fmt::format(
            "{} is wrong somewhere: a random projection of it is {:.6g}, should be {:.6g}: off by {:.3g}, allowed "
            "{:.3g}",
            where(before + row * columns + first), got, expected, std::fabs(got - expected), allowed);
      }
  }
  return "";
}

}  // namespace assay

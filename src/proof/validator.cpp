// The error model per element, the search for left-over poison, and the raw statistics of both.
#include "proof/validator.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "proof/activation_rounding.h"
#include "proof/rounding_model.h"
#include "proof/run_errors.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr double kSumMeanSquare = 2;  // mean of squared errors in units of the largest variance that honest sums have
constexpr double kMeanSquare = 2;     // mean of squared errors in units of their variance: 1 where the model holds
constexpr int64_t kLeastElements = 64;
constexpr double kUsualFactor = 8;  // of A, at most

/// Of one element: its product, and what its bounds rest on.
struct OneProduct {
  double product = 0, magnitude = 0, squares = 0, deviation = 0;
};

constexpr int64_t kLanes = 16;  // the compiler makes vectors of them

ASSAY_CLONES void multiply_one(const double* a, const float* b, const float* signs, int64_t count, OneProduct* to) {
  double products[kLanes] = {}, magnitudes[kLanes] = {}, squares[kLanes] = {};
  const auto add = [&](int64_t i, int64_t lane) {
    const double term = a[i] * double(b[i]);
    products[lane] += double(signs[i]) * term, magnitudes[lane] += std::fabs(term), squares[lane] += term * term;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  for (; i < count; ++i) add(i, i % kLanes);
  for (int64_t lane = 0; lane < kLanes; ++lane)
    to->product += products[lane], to->magnitude += magnitudes[lane], to->squares += squares[lane];
}

/// Σ variance · b².
ASSAY_CLONES double weigh(const double* variances, const float* b, int64_t count) {
  double sums[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += variances[i + lane] * double(b[i + lane]) * double(b[i + lane]);
  for (; i < count; ++i) sum += variances[i] * double(b[i]) * double(b[i]);
  for (const double lane : sums) sum += lane;
  return sum;
}

}  // namespace

Validator::Validator(const Reference& reference, Accuracy accuracy)
    : Judge({{matmul_of(reference.inputs().spec()).d, reference.elements(), false}}),
      reference_(reference),
      spec_(matmul_of(reference.inputs().spec())),
      accuracy_(accuracy),
      projections_(reference.projections(), spec_, accuracy) {}

std::string Validator::where(int64_t element) const {
  int64_t rest = element;
  for (const Tensor& b : reference_.inputs().b(0)) {
    const int64_t n = b.dims[1], count = spec_.batch * spec_.m * n;
    if (rest >= count) {
      rest -= count;
      continue;
    }
    return name(b.segment, rest / n / spec_.m, rest / n % spec_.m, fmt::format("{}", rest % n));
  }
  return fmt::format("element {}", element);
}

std::string Validator::name(size_t segment, int64_t batch, int64_t row, const std::string& columns) const {
  std::string text = fmt::format("D[{},{}]", row, columns);
  if (spec_.batch > 1) text = fmt::format("batch {} ", batch) + text;
  if (!spec_.segments.empty()) text = spec_.segments[segment].name + " " + text;
  return text;
}

std::string Validator::check(std::span<const std::byte> d, const LaunchInputs& launch, ElementRange range) {
  const CopyReference* reference = reference_.find(launch.copy);
  ASSAY_CHECK(reference != nullptr && !launch.a.is_free);
  const SpecInputs& inputs = reference_.inputs();
  const double u_out = unit_roundoff(spec_.d), scale = spec_.alpha * launch.a.factor;
  const double accumulate = std::sqrt(double(spec_.k) + kEpilogueRoundings) * kF32Roundoff,
               tiny = least_subnormal(spec_.d) / 2;
  // Tensor cores, which cut off, take no f32.
  const double squared = kF32Roundoff * kF32Roundoff,
               sum_units = squared * summation_variance(spec_.k, spec_.a != Dtype::f32);
  const double epilogue_units = squared * kEpilogueRoundings;

  // Of a launch with larger activations than usual the largest error says as much as of another one.
  const double to_usual = std::min(1.0, kUsualFactor / std::fabs(launch.a.factor));
  ++stats_.launches_checked;
  const Variation::Signs signs = Variation::factors(launch.a.signs);
  int64_t worst = -1;
  double worst_ratio = 0, worst_value = 0, worst_reference = 0, worst_bound = 0;
  int64_t checked = 0, row_begin = 0;
  // Some at once, always in the same place: memory for all of a big D would cost more than its elements.
  float values[kRun];
  double products[kRun], from_c[kRun] = {}, from_bias[kRun] = {};
  RunErrors of;
  RunSums sums;
  ErrorModel model;
  model.scale = scale, model.roundoff = u_out, model.tiny = tiny, model.accumulate = accumulate;
  model.sum_units = sum_units, model.epilogue_units = epilogue_units, model.is_exact = accuracy_ == Accuracy::exact;
  for (const Tensor& b : inputs.b(launch.copy)) {
    const size_t segment = b.segment;
    const int64_t n = b.dims[1];
    for (int64_t batch = 0; batch < spec_.batch; ++batch)
      for (int64_t m = 0; m < spec_.m; ++m) {
        model.of_row = launch.a.of_row(batch * spec_.m + m);
        const int64_t first = std::max<int64_t>(0, range.first - row_begin), last = std::min(n, range.end - row_begin);
        for (int64_t column = first; column < last; column += kRun) {
          const int64_t element = row_begin + column, count = std::min(kRun, last - column);
          decode_values(spec_.d, &d[size_t(dtype_bytes(spec_.d, element))], count, values);
          reference_.products(*reference, element, count, signs, products);
          const size_t local = size_t((batch * spec_.m + m) * n + column);
          for (int64_t i = 0; spec_.beta != 0 && i < count; ++i)
            from_c[i] = spec_.beta * inputs.c[segment].values[local + size_t(i)];
          if (spec_.bias) std::copy_n(&inputs.bias[segment].values[size_t(column)], count, from_bias);
          const Run run{count,
                        values,
                        products,
                        from_c,
                        from_bias,
                        &reference->magnitude[size_t(element)],
                        &reference->squares[size_t(element)],
                        model.is_exact ? nullptr : &reference->deviation[size_t(accuracy_)][size_t(element)]};
          judge_run(run, model, sums, of);
          checked += count;
          if (count_raising(count, of, stats_.bound_used, worst_ratio) == 0) continue;
          for (int64_t i = 0; i < count; ++i) {
            const double error = of.error[i], fixed = of.fixed[i], free = of.free[i];
            // The ratio that c must reach: what is left after the output's own rounding, over the accumulator's share.
            const double ratio = error <= fixed ? 0 : std::isnan(error) ? HUGE_VAL : (error - fixed) / free;
            stats_.bound_used =
                std::max(stats_.bound_used, std::isnan(error) ? HUGE_VAL : error / (fixed + kToleranceC * free));
            if (ratio <= worst_ratio) continue;
            worst = element + i;
            worst_ratio = ratio, worst_value = double(values[i]);
            worst_reference = scale * model.of_row * products[i] + from_c[i] + from_bias[i];
            worst_bound = fixed + kToleranceC * free;
          }
        }
        row_begin += n;
      }
  }
  const double squared_deviations = model.is_exact ? 0 : sums.in_variances,
               in_variances = model.is_exact ? sums.in_variances : 0;
  squared_error_ += sums.squared_error;
  squared_reference_ += sums.squared_reference;
  stats_.max_abs = std::max(stats_.max_abs, to_usual * sums.max_abs);
  stats_.max_rel = std::max(stats_.max_rel, sums.max_rel);
  stats_.elements_checked += checked;
  stats_.nmse = squared_reference_ > 0 ? squared_error_ / squared_reference_ : 0;
  if (worst >= 0 && worst_ratio > stats_.worst_ratio) {
    stats_.worst_ratio = worst_ratio;
    stats_.worst_index = worst;
    stats_.worst_value = worst_value;
    stats_.worst_reference = worst_reference;
  }
  // Elements of a row of A share its roundings: no more than k of them err independently.
  const int64_t roundings = std::min(checked, spec_.batch * spec_.m * spec_.k);
  if (checked >= kLeastElements &&
      squared_deviations > std::max(kMeanSquare, mean_square_limit(roundings)) * double(checked))
    return fmt::format("errs {:.2f} times as much as class {} explains (root mean square over {} elements)",
                       std::sqrt(squared_deviations / double(checked)), accuracy_name(accuracy_), checked);
  if (worst_ratio <= kToleranceC) return mean_square_message(in_variances, checked);
  return fmt::format("{} is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}", where(worst), worst_value,
                     worst_reference, std::fabs(worst_value - worst_reference), worst_bound);
}

/// Of a launch's elements, and of all that were compared so far: a few of each launch are many in the end. Launches on
/// one copy of B round alike, so that it counts once.
std::string Validator::mean_square_message(double in_variances, int64_t checked) {
  in_variances_ += in_variances;
  const int64_t independent = reference_.elements() * int64_t(reference_.copies().size());
  const std::pair<double, int64_t> sets[] = {{in_variances, checked}, {in_variances_, stats_.elements_checked}};
  for (const auto& [sum, count] : sets)
    if (count > 0 && sum > kSumMeanSquare * mean_square_limit(std::min(count, independent)) * double(count))
      return fmt::format(
          "its sums err {:.3g} times as much as adding in f32 and one rounding explain (root mean square over {} "
          "elements): "
          "is anything rounded to fewer bits on the way?",
          std::sqrt(sum / double(count)), count);
  return "";
}

/// Where A's signs are free no element has a reference, and a projection allows a sum of 256 errors what their worst
/// cases add up to: a kernel that saw it by A's signs, and rounded then, was within that.
std::string Validator::check_one(std::span<const std::byte> d, const LaunchInputs& launch, uint64_t drawn) {
  const SpecInputs& inputs = reference_.inputs();
  const KeptRow* const kept = reference_.kept_row(launch.copy);
  if (!kept) return "";
  const Tensor* b = inputs.b(launch.copy).data();
  int64_t element = 0;
  for (size_t segment = 0; segment < kept->segment; ++segment) element += spec_.batch * spec_.m * b++->dims[1];
  const int64_t n = b->dims[1], row = kept->batch * spec_.m + int64_t(drawn % uint64_t(spec_.m)),
                local = row * n + kept->row;
  element += local;
  const double* const a = &inputs.a_logical[size_t(row * spec_.k)];
  const std::vector<double>& variances = variances_of_a();
  const std::vector<float> of_columns = launch.a.of_columns(spec_.k);
  OneProduct one;
  multiply_one(a, kept->values.data(), of_columns.data(), spec_.k, &one);
  if (!variances.empty()) one.deviation = weigh(&variances[size_t(row * spec_.k)], kept->values.data(), spec_.k);
  auto [product, magnitude, squares, deviation] = one;
  const double scale = spec_.alpha * launch.a.factor, size = std::fabs(scale);
  product *= scale * launch.a.of_row(row);
  const double from_c = spec_.beta != 0 ? spec_.beta * inputs.c[b->segment].values[size_t(local)] : 0;
  const double from_bias = spec_.bias ? inputs.bias[b->segment].values[size_t(local % n)] : 0;
  const double expected = product + from_c + from_bias;
  const double fixed = unit_roundoff(spec_.d) * std::fabs(expected) + least_subnormal(spec_.d) / 2 +
                       kProductDeviations * size * std::sqrt(deviation);
  const double variance = summation_variance(spec_.k, spec_.a != Dtype::f32) * scale * scale * squares +
                          kEpilogueRoundings * (product * product + from_c * from_c + from_bias * from_bias);
  const double free = kF32Roundoff * std::min(std::sqrt(double(spec_.k) + kEpilogueRoundings) *
                                                  (size * magnitude + std::fabs(from_c) + std::fabs(from_bias)),
                                              kSumDeviations * std::sqrt(variance));
  const double got = decode_value(spec_.d, &d[size_t(dtype_bytes(spec_.d, element))]);
  if (std::fabs(got - expected) <= fixed + kToleranceC * free) return "";
  return fmt::format("{} is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}", where(element), got, expected,
                     std::fabs(got - expected), fixed + kToleranceC * free);
}

const std::vector<double>& Validator::variances_of_a() {
  if (accuracy_ != Accuracy::exact && variances_.empty())
    variances_ = activation_roundings(reference_.inputs(), {accuracy_})[0].variances;
  return variances_;
}

std::string Validator::check_projections(std::span<const double> sums, const LaunchInputs& launch) {
  const std::optional<ProjectionCheck::Miss> miss = projections_.first_miss(sums, launch.copy, launch.a);
  if (!miss) return "";
  const Projections::Place& place = reference_.projections().place(miss->index);
  const std::string columns = place.last - place.first == 1 ? fmt::format("{}", place.first)
                                                            : fmt::format("{}..{}", place.first, place.last - 1);
  return fmt::format(
      "{} is wrong somewhere: a random projection of it is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}",
      name(place.segment, place.batch, place.row, columns), miss->got, miss->expected,
      std::fabs(miss->got - miss->expected), miss->allowed);
}

}  // namespace assay

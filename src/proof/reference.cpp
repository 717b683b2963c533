// Double-precision products of chosen copies, and a second opinion on samples.
#include "proof/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "proof/block_value.h"
#include "proof/validator.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr int64_t kMostReferenceElements = 36'000'000;  // of B: about 50 ms
constexpr int64_t kCopiesPerReference = 4;  // a turn ends at a copy with a reference, so they must not lie far apart
constexpr int64_t kMostSums = int64_t(1) << 22;  // of all copies: 32 MB
constexpr int64_t kFreeProjections =
    1'000'000;  // multiplications that projections of one sample may take where A is free
constexpr int64_t kMostKeptRows = 1'024;
constexpr int kLeastOfHalf = -11, kLeastOfWide = -30;             // … of late launches alone; a half holds the first
constexpr int kUsualPower = 3, kLeastPower = -6, kMostPower = 9;  // of two, that A is times its base value
constexpr double kMostHalf = 0x1p15, kMostDeviations = 8;         // of D, where its type ends early
constexpr int kBlock = 32;
constexpr int kLanes = Variation::kGroups;

/// Σ a·b over the columns of each lane, k % kLanes; Σ |a||b| and Σ (a·b)² over all.
ASSAY_CLONES void dot(const double* a, const float* b, int64_t k, double* lane_sums, double* magnitude,
                      double* square) {
  double sums[kLanes] = {}, magnitudes[kLanes] = {}, squares[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double term = a[i + lane] * double(b[i + lane]);
      sums[lane] += term;
      magnitudes[lane] += std::fabs(term);
      squares[lane] += term * term;
    }
  for (int lane = 0; i < k; ++i, ++lane) {
    const double term = a[i] * double(b[i]);
    sums[lane] += term;
    magnitudes[lane] += std::fabs(term);
    squares[lane] += term * term;
  }
  *magnitude = *square = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    lane_sums[lane] = sums[lane];
    *magnitude += magnitudes[lane];
    *square += squares[lane];
  }
}

/// to[i] = Σ signs · groups of element i. Halves are added to halves: one by one takes four times as long.
ASSAY_CLONES void add_all_groups(const double* groups, const double* signs, int64_t count, double* to) {
  for (int64_t i = 0; i < count; ++i) {
    double lanes[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = groups[i * kLanes + lane] * signs[lane];
    for (int width = kLanes / 2; width > 0; width /= 2)
      for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
    to[i] = lanes[0];
  }
}

/// Standard deviation of a dot product with b whose other factors err by independent errors of these variances.
ASSAY_CLONES double deviation(const double* variances, const float* b, int64_t k) {
  double lanes[kLanes] = {}, variance = 0;
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      lanes[lane] += variances[i + lane] * double(b[i + lane]) * double(b[i + lane]);
  for (; i < k; ++i) variance += variances[i] * double(b[i]) * double(b[i]);
  for (const double lane : lanes) variance += lane;
  return std::sqrt(variance);
}

/// Where a copy's numbers lie, one list behind the other from `first` on.
CopyReference place(int64_t copy, double* first, size_t elements, int groups,
                    const std::vector<ActivationRounding>& roundings) {
  const auto next = [&](size_t count) { return std::span(std::exchange(first, first + count), count); };
  CopyReference result;
  result.copy = copy;
  result.sums = next(elements * size_t(groups));
  result.magnitude = next(elements), result.squares = next(elements);
  for (const ActivationRounding& rounding : roundings) result.deviation[size_t(rounding.accuracy)] = next(elements);
  return result;
}

void compute(const SpecInputs& inputs, int groups, const std::vector<ActivationRounding>& roundings,
             CopyReference& result) {
  const Matmul& spec = matmul_of(inputs.spec());
  size_t base = 0;
  for (const Tensor& b : inputs.b(result.copy)) {
    const int64_t n = b.dims[1];
    for (int64_t batch = 0; batch < spec.batch; ++batch) {
      RowReader rows(b, batch);
      for (int64_t column = 0; column < n; ++column) {
        const float* row = rows.row(column);
        for (int64_t m = 0; m < spec.m; ++m) {
          const size_t row_of_a = size_t((batch * spec.m + m) * spec.k);
          const double* a = &inputs.a_logical[row_of_a];
          const size_t at = base + size_t((batch * spec.m + m) * n + column);
          double lanes[kLanes];
          dot(a, row, spec.k, lanes, &result.magnitude[at], &result.squares[at]);
          for (int lane = 0; lane < kLanes; ++lane)
            result.sums[at * size_t(groups) + size_t(lane % groups)] += lanes[lane];
          for (const ActivationRounding& rounding : roundings)
            result.deviation[size_t(rounding.accuracy)][at] = deviation(&rounding.variances[row_of_a], row, spec.k);
        }
      }
    }
    base += size_t(spec.batch * spec.m * n);
  }
}

/// The same element once more: element by element, extended precision, other order, no table.
long double second_opinion(const SpecInputs& inputs, const Tensor& b, int64_t batch, int64_t m, int64_t n,
                           const Variation& variation) {
  const Matmul& spec = matmul_of(inputs.spec());
  long double sum = 0;
  for (int64_t k = spec.k - 1; k >= 0; --k) {
    const auto a =
        static_cast<long double>(inputs.a.values[size_t(inputs.a_storage_index((batch * spec.m + m) * spec.k + k))]);
    sum += a * static_cast<long double>(variation.of_column(k)) * static_cast<long double>(b_element(b, batch, n, k));
  }
  return sum;
}

void compare_opinions(const Reference& all, int64_t index_of_copy) {
  constexpr int kSamples = 24, kFewSamples = 2;  // of the first copies and of the others, which the same code computes
  constexpr int64_t kFirstCopies = 8;
  const CopyReference& reference = all.copies()[size_t(index_of_copy)];
  const SpecInputs& inputs = all.inputs();
  const Matmul& spec = matmul_of(inputs.spec());
  size_t base = 0;
  for (const Tensor& b : inputs.b(reference.copy)) {
    const int64_t n = b.dims[1], count = spec.batch * spec.m * n;
    for (int sample = 0; sample < (index_of_copy < kFirstCopies ? kSamples : kFewSamples); ++sample) {
      int64_t index = int64_t(random_bits(uint64_t(sample) + (uint64_t(reference.copy) << 20)) % uint64_t(count));
      if (sample == 0) index = 0;
      if (sample == 1) index = count - 1;
      const int64_t column = index % n, m = index / n % spec.m, batch = index / n / spec.m;
      const uint64_t signs = all.signs_from(random_bits(uint64_t(index)));
      const size_t at = base + size_t(index);
      const double first = all.product(reference, int64_t(at), Variation::factors(signs)),
                   other = double(second_opinion(inputs, b, batch, m, column, {1, signs, 0, false}));
      if (!(std::fabs(other - first) <= 1e-12 * reference.magnitude[at]))
        fail("suspect the reference: its two implementations disagree at element {} of {} ({} and {})", index,
             inputs.spec().line(), first, other);
    }
    base += size_t(count);
  }
}

}  // namespace

double b_element(const Tensor& b, int64_t batch, int64_t n, int64_t k) {
  if (b.storage == Storage::strided) {
    const int64_t index = batch * b.strides[0] + n * b.strides[1] + k * b.strides[2];
    return decode_value(b.dtype, b.data + index * dtype_bytes(b.dtype, 1));
  }
  if (b.storage == Storage::blocks) {
    const auto& [type, name, values, bytes, roundoff] = dtype_facts(b.dtype);
    return block_value(type, b.data + bytes * (batch * b.strides[0] + n * b.strides[1] + k / values), k % values);
  }
  const int64_t row = batch * b.dims[1] + n;
  return decode_value(Dtype::f16, b.scales + 2 * (row * (b.dims[2] / kBlock) + k / kBlock)) *
         double(int8_t(b.data[batch * b.strides[0] + n * b.strides[1] + k]));
}

Reference::Reference(const SpecInputs& inputs, const std::vector<Accuracy>& classes)
    : Reference(inputs, activation_roundings(inputs, classes)) {}

Reference::Reference(const SpecInputs& inputs, const std::vector<ActivationRounding>& roundings)
    : inputs_(inputs), projections_(inputs, roundings) {
  const Matmul& spec = matmul_of(inputs.spec());
  elements_ = spec.batch * spec.m * spec.n;
  const int64_t b_elements = spec.batch * spec.n * spec.k;
  const int64_t wanted = std::min((inputs.copies() + kCopiesPerReference - 1) / kCopiesPerReference,
                                  std::max(kMostReferenceElements / b_elements, int64_t(1)));
  while (groups_ < std::min<int64_t>(kLanes, spec.k) && wanted * elements_ * groups_ * 2 <= kMostSums) groups_ *= 2;
  index_of_copy_.assign(size_t(inputs.copies()), -1);
  copies_.resize(size_t(wanted));
  const size_t numbers = size_t(elements_) * (size_t(groups_) + 2 + roundings.size());
  numbers_.resize(size_t(wanted) * numbers);
  in_parallel(wanted, [&](int64_t i) {
    const int64_t copy = i * inputs.copies() / wanted;
    index_of_copy_[size_t(copy)] = int32_t(i);
    copies_[size_t(i)] = place(copy, &numbers_[size_t(i) * numbers], size_t(elements_), groups_, roundings);
    compute(inputs, groups_, roundings, copies_[size_t(i)]);
    compare_opinions(*this, i);
  });
  most_power_ = most_power();
  keep_rows();
}

/// With which no output is beyond what D's type holds.
int Reference::most_power() const {
  const Matmul& spec = matmul_of(inputs_.spec());
  if (spec.d != Dtype::f16) return kMostPower;
  double squares = 0;
  for (const CopyReference& copy : copies_)
    squares = std::max(squares, *std::max_element(copy.squares.begin(), copy.squares.end()));
  const double most = kMostHalf / (kMostDeviations * std::fabs(spec.alpha) * std::sqrt(squares));
  return std::clamp(std::isfinite(most) ? int(std::floor(std::log2(most))) : 0, kUsualPower, kMostPower);
}

void Reference::leave() {
  kept_rows_.clear();
  kept_row_of_copy_.clear();
  projections_.let_forks_inherit_it(false);
  let_forks_inherit(numbers_, false);
}

void Reference::come_back() {
  projections_.let_forks_inherit_it(true);
  let_forks_inherit(numbers_, true);
  keep_rows();
}

void Reference::keep_rows() {
  std::mt19937_64 random{std::random_device{}()};
  std::vector<int64_t> copies(static_cast<size_t>(inputs_.copies()));
  std::iota(copies.begin(), copies.end(), 0);
  std::shuffle(copies.begin(), copies.end(), random);
  copies.resize(std::min<size_t>(copies.size(), kMostKeptRows));
  kept_row_of_copy_.assign(size_t(inputs_.copies()), -1);
  for (const int64_t copy : copies) {
    const std::vector<Tensor>& segments = inputs_.b(copy);
    KeptRow kept;
    kept.segment = size_t(random() % segments.size());
    const Tensor& b = segments[kept.segment];
    kept.batch = int64_t(random() % uint64_t(b.dims[0])), kept.row = int64_t(random() % uint64_t(b.dims[1]));
    decode_row(b, kept.batch, kept.row, kept.values);
    kept_row_of_copy_[size_t(copy)] = int32_t(kept_rows_.size());
    kept_rows_.push_back(std::move(kept));
  }
}

uint64_t Reference::signs_from(uint64_t bits) const {
  uint64_t signs = 0;
  for (int group = 0; group < kLanes; ++group) signs |= (bits >> (group % groups_) & 1) << group;
  return signs;
}

double Reference::product(const CopyReference& reference, int64_t element, const Variation::Signs& signs) const {
  const double* sums = &reference.sums[size_t(element) * size_t(groups_)];
  double product = 0;
  for (int group = 0; group < groups_; ++group) product += sums[group] * signs[size_t(group)];
  return product;
}

void Reference::products(const CopyReference& reference, int64_t first, int64_t count, const Variation::Signs& signs,
                         double* to) const {
  if (groups_ == kLanes) return add_all_groups(&reference.sums[size_t(first * kLanes)], signs.data(), count, to);
  for (int64_t i = 0; i < count; ++i) to[i] = product(reference, first + i, signs);
}

Variation Reference::draw(std::mt19937_64& random, int64_t launches, bool comparable) const {
  const uint64_t bits = random();
  const bool is_free = !comparable && projections_.free_cost() * launches <= kFreeProjections;
  // Now and then between the usual sizes and those of special values.
  const bool is_wide = bits >> 9 & 1 && (is_free || bits >> 10 & 1);
  const int below = is_wide ? -kUsualPower - kLeastPower : 0, above = is_wide ? most_power_ - kUsualPower : 0;
  const int count = is_wide ? below + above : 2 * kUsualPower + 1, drawn = int((bits >> 16) % uint64_t(count));
  const int power = !is_wide        ? drawn - kUsualPower
                    : drawn < below ? kLeastPower + drawn
                                    : kUsualPower + 1 + drawn - below;
  const double factor = std::ldexp(bits & 0x100 ? -1.0 : 1.0, power);
  const uint64_t signs = is_free ? random() : signs_from(random());
  return {factor, signs, random(), is_free};
}

/// Below what draw() gives, as far as the types show it; scales of int8 stay normal halves. Or the largest.
Variation Reference::draw_late(std::mt19937_64& random, bool is_small, Accuracy accuracy) const {
  Variation variation = draw(random, 1, /*comparable=*/true);
  const Matmul& spec = matmul_of(inputs_.spec());
  const bool has_half = spec.a == Dtype::f16 || spec.d == Dtype::f16 || accuracy == Accuracy::f16_activation ||
                        spec.beta != 0 || spec.bias;
  const int least = accuracy == Accuracy::int8_activation ? kLeastPower : has_half ? kLeastOfHalf : kLeastOfWide;
  variation.factor = std::ldexp(1.0, is_small ? least : most_power_);
  return variation;
}

std::vector<std::span<const float>> Reference::projection_weights() const {
  std::vector<std::span<const float>> weights;
  for (const Tensor& b : inputs_.b(0)) weights.push_back(projections_.weights(b.segment));
  return weights;
}

std::unique_ptr<Judge> Reference::judge(Accuracy accuracy) const {
  return std::make_unique<Validator>(*this, accuracy);
}

const KeptRow* Reference::kept_row(int64_t copy) const {
  const int32_t index = kept_row_of_copy_[size_t(copy)];
  return index < 0 ? nullptr : &kept_rows_[size_t(index)];
}

const CopyReference* Reference::find(int64_t copy) const {
  const int32_t index = index_of_copy_[size_t(copy)];
  return index < 0 ? nullptr : &copies_[size_t(index)];
}

}  // namespace assay

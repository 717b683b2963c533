// What random projections of D must be.
#include "probe/projections.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "probe/weight_rows.h"

namespace assay {
namespace {

constexpr int kRowsAtOnce = 4;  // of B: the sums are loaded and stored once for so many
constexpr int64_t kMostByColumn = int64_t(1) << 24;  // of all copies: 64 MB

/// sums += Σ r·row, squares += Σ (r·row)², element by element of kRowsAtOnce rows.
ASSAY_CLONES void add_rows(const float* const rows[kRowsAtOnce], const float* r, int64_t k, double* sums, double* squares) {
  const float *x0 = rows[0], *x1 = rows[1], *x2 = rows[2], *x3 = rows[3];
  const double r0 = double(r[0]), r1 = double(r[1]), r2 = double(r[2]), r3 = double(r[3]);
  for (int64_t i = 0; i < k; ++i) {
    const double p0 = r0 * double(x0[i]), p1 = r1 * double(x1[i]), p2 = r2 * double(x2[i]), p3 = r3 * double(x3[i]);
    sums[i] += (p0 + p1) + (p2 + p3);
    squares[i] += (p0 * p0 + p1 * p1) + (p2 * p2 + p3 * p3);
  }
}

/// Σ r·x and Σ (r·x)².
ASSAY_CLONES void dot_and_squares(const float* x, const float* r, int64_t count, double* sum, double* squares) {
  constexpr int kLanes = 8;
  double sums[kLanes] = {}, squared[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double p = double(x[i + lane]) * double(r[i + lane]);
      sums[lane] += p;
      squared[lane] += p * p;
    }
  for (; i < count; ++i) {
    const double p = double(x[i]) * double(r[i]);
    sums[0] += p;
    squared[0] += p * p;
  }
  *sum = *squares = 0;
  for (int lane = 0; lane < kLanes; ++lane) *sum += sums[lane], *squares += squared[lane];
}

}  // namespace

/// Bᵀr and the squares beside it, of one B and batch at a time: [stretch][k].
class ProjectedWeights {
 public:
  void project(const Tensor& b, int64_t batch, std::span<const float> r) {
    k_ = b.dims[2];
    sums_.assign(size_t(stretches_of(b.dims[1]) * k_), 0);
    squares_.assign(sums_.size(), 0);
    if (is_stored_by_columns(b))
      by_columns(b, batch, r);
    else
      by_rows(b, batch, r);
  }
  std::span<const double> sums(int64_t stretch) const { return std::span(sums_).subspan(size_t(stretch * k_), size_t(k_)); }
  std::span<const double> squares(int64_t stretch) const { return std::span(squares_).subspan(size_t(stretch * k_), size_t(k_)); }

 private:
  void by_rows(const Tensor& b, int64_t batch, std::span<const float> r) {
    static_assert(kProjectionColumns % kRowsAtOnce == 0);
    zero_.assign(size_t(k_), 0.0f);
    for (int64_t n = 0; n < b.dims[1]; n += kRowsAtOnce) {
      const float* data[kRowsAtOnce];
      float factors[kRowsAtOnce] = {};
      for (int i = 0; i < kRowsAtOnce; ++i) {
        data[i] = zero_.data();
        if (n + i >= b.dims[1]) continue;
        decode_row(b, batch, n + i, rows_[i]);
        data[i] = rows_[i].data();
        factors[i] = r[size_t(n + i)];
      }
      const size_t at = size_t(n / kProjectionColumns * k_);
      add_rows(data, factors, k_, &sums_[at], &squares_[at]);
    }
  }
  void by_columns(const Tensor& b, int64_t batch, std::span<const float> r) {
    for (int64_t k = 0; k < k_; ++k) {
      decode_column(b, batch, k, column_);
      for (int64_t first = 0; first < b.dims[1]; first += kProjectionColumns) {
        const size_t at = size_t(first / kProjectionColumns * k_ + k);
        dot_and_squares(&column_[size_t(first)], &r[size_t(first)], std::min(kProjectionColumns, b.dims[1] - first), &sums_[at], &squares_[at]);
      }
    }
  }

  int64_t k_ = 0;
  std::vector<double> sums_, squares_;
  std::vector<float> rows_[kRowsAtOnce], zero_, column_;
};

namespace {

/// Σ a·b over the columns of each group.
void add_by_group(const double* a, std::span<const double> b, double* groups) {
  for (size_t k = 0; k < b.size(); ++k) groups[k % Variation::kGroups] += a[k] * b[k];
}

ASSAY_CLONES double dot(const double* a, const float* b, int64_t count) {
  constexpr int kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * double(b[i + lane]);
  for (; i < count; ++i) sums[0] += a[i] * double(b[i]);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

/// At least √Σ (r Σ|a||b|)², by Minkowski: the norms of B's columns, weighted by |a|.
double magnitude(const double* a, std::span<const double> squares) {
  double sum = 0;
  for (size_t k = 0; k < squares.size(); ++k) sum += std::fabs(a[k]) * std::sqrt(squares[k]);
  return sum;
}

/// √Σ (r · the error of an element)² where the activations err by independent errors of these variances.
double deviation(const double* variances, std::span<const double> squares) {
  double variance = 0;
  for (size_t k = 0; k < squares.size(); ++k) variance += variances[k] * squares[k];
  return std::sqrt(variance);
}

/// Any sign, magnitudes alike but not equal: two errors of the same size must not cancel.
std::vector<float> random_weights(int64_t count, std::mt19937_64& random) {
  std::vector<float> weights(static_cast<size_t>(count));
  std::uniform_real_distribution<float> magnitude(0.75f, 1.25f);
  for (float& weight : weights) weight = random() & 1 ? -magnitude(random) : magnitude(random);
  return weights;
}

}  // namespace

Projections::Projections(const SpecInputs& inputs, const std::vector<ActivationRounding>& roundings) : inputs_(inputs) {
  const Spec& spec = inputs.spec();
  std::mt19937_64 random{std::random_device{}()};
  for (const Tensor& b : inputs.b(0)) {
    const int64_t n = b.dims[1], stretches = stretches_of(n);
    weights_.push_back(random_weights(n, random));
    for (int64_t batch = 0; batch < spec.batch; ++batch)
      for (int64_t row = 0; row < spec.m; ++row)
        for (int64_t s = 0; s < stretches; ++s) {
          places_.push_back({b.segment, batch, row, s * kProjectionColumns, std::min(n, (s + 1) * kProjectionColumns)});
          stretch_of_.push_back(stretches_ + batch * stretches + s);
        }
    stretches_ += spec.batch * stretches;
  }
  count_ = int64_t(places_.size());
  const size_t all = size_t(inputs.copies() * count_);
  by_group_.resize(all * Variation::kGroups);
  magnitude_.resize(all);
  for (const ActivationRounding& rounding : roundings) deviation_[size_t(rounding.accuracy)].resize(all);
  if (const int64_t wanted = inputs.copies() * stretches_ * spec.k; wanted <= kMostByColumn) by_column_.resize(size_t(wanted));
  ProjectedWeights projected;
  for (int64_t copy = 0; copy < inputs.copies(); ++copy) project_copy(copy, roundings, projected);
  project_terms();
}

void Projections::project_copy(int64_t copy, const std::vector<ActivationRounding>& roundings, ProjectedWeights& projected) {
  const Spec& spec = inputs_.spec();
  size_t projection = size_t(copy * count_);
  int64_t stretch = 0;
  for (const Tensor& b : inputs_.b(copy)) {
    const int64_t stretches = stretches_of(b.dims[1]);
    for (int64_t batch = 0; batch < spec.batch; ++batch, stretch += stretches) {
      projected.project(b, batch, weights_[b.segment]);
      for (int64_t s = 0; s < stretches && !by_column_.empty(); ++s)
        std::copy(projected.sums(s).begin(), projected.sums(s).end(), by_column_.begin() + (copy * stretches_ + stretch + s) * spec.k);
      for (int64_t row = 0; row < spec.m; ++row)
        for (int64_t s = 0; s < stretches; ++s, ++projection) {
          const size_t row_of_a = size_t((batch * spec.m + row) * spec.k);
          const double* a = &inputs_.a_logical[row_of_a];
          add_by_group(a, projected.sums(s), &by_group_[projection * Variation::kGroups]);
          magnitude_[projection] = float(magnitude(a, projected.squares(s)));
          for (const ActivationRounding& rounding : roundings)
            deviation_[size_t(rounding.accuracy)][projection] = float(deviation(&rounding.variances[row_of_a], projected.squares(s)));
        }
    }
  }
}

void Projections::project_terms() {
  const Spec& spec = inputs_.spec();
  const auto add = [&](Terms& terms, const Place& place, const std::vector<double>& values, int64_t row_begin) {
    double sum = 0, squares = 0;
    for (int64_t n = place.first; n < place.last; ++n) {
      const double p = double(weights_[place.segment][size_t(n)]) * values[size_t(row_begin + n)];
      sum += p;
      squares += p * p;
    }
    terms.sums.push_back(sum);
    terms.norms.push_back(std::sqrt(squares));
  };
  for (const Place& place : places_) {
    const int64_t n = int64_t(weights_[place.segment].size());
    if (spec.beta != 0) add(c_, place, inputs_.c[place.segment].values, (place.batch * spec.m + place.row) * n);
    if (spec.bias) add(bias_, place, inputs_.bias[place.segment].values, 0);
  }
}

void Projections::products(int64_t copy, const Variation& variation, std::vector<double>& to) const {
  const Spec& spec = inputs_.spec();
  to.assign(size_t(count_), 0);
  std::vector<double> a(variation.is_free ? size_t(spec.k) : 0);
  int64_t row_of_a = -1;
  for (int64_t i = 0; i < count_; ++i) {
    const int64_t row = places_[size_t(i)].batch * spec.m + places_[size_t(i)].row;
    if (variation.is_free) {
      for (int64_t k = 0; k < spec.k && row != row_of_a; ++k) a[size_t(k)] = inputs_.a_logical[size_t(row * spec.k + k)] * variation.of_column(k);
      row_of_a = row;
      to[size_t(i)] = dot(a.data(), &by_column_[size_t((copy * stretches_ + stretch_of_[size_t(i)]) * spec.k)], spec.k);
    } else {
      const double* groups = &by_group_[size_t(copy * count_ + i) * Variation::kGroups];
      for (int group = 0; group < Variation::kGroups; ++group) to[size_t(i)] += groups[group] * variation.of_column(group);
    }
    to[size_t(i)] *= variation.of_row(row);
  }
}

Projections::Expected Projections::expected(int64_t copy, int64_t index, Accuracy accuracy) const {
  const size_t at = size_t(copy * count_ + index);
  Expected e;
  e.magnitude = double(magnitude_[at]);
  if (const std::vector<float>& deviations = deviation_[size_t(accuracy)]; !deviations.empty()) e.activations = double(deviations[at]);
  if (!c_.sums.empty()) e.c = c_.sums[size_t(index)], e.c_norm = c_.norms[size_t(index)];
  if (!bias_.sums.empty()) e.bias = bias_.sums[size_t(index)], e.bias_norm = bias_.norms[size_t(index)];
  return e;
}

void project(Dtype dtype, const std::byte* d, int64_t elements, int64_t columns, const float* weights, double* sums) {
  const int64_t size = dtype_bytes(dtype, 1);
  float decoded[kProjectionColumns];
  for (int64_t row = 0; row < elements; row += columns)
    for (int64_t first = 0; first < columns; first += kProjectionColumns, sums += 2) {
      const int64_t count = std::min(kProjectionColumns, columns - first);
      decode_values(dtype, d + (row + first) * size, count, decoded);
      dot_and_squares(decoded, weights + first, count, sums, sums + 1);
    }
}

}  // namespace assay

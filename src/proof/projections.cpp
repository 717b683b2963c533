// What random projections of D must be.
#include "proof/projections.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/parallel.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr int64_t kDecodedAtOnce = 1'024;            // values of D
constexpr int kRowsAtOnce = 4;                       // of B: the sums are loaded and stored once for so many
constexpr int64_t kMostByColumn = int64_t(1) << 24;  // of all copies: 64 MB

/// sums += Σ r·row, squares += Σ (r·row)², element by element of kRowsAtOnce rows. In float: what that rounds off of
/// 256 terms is nothing beside what a bound allows a kernel for its k.
ASSAY_CLONES void add_rows(const float* const rows[kRowsAtOnce], const float* r, int64_t k, float* sums,
                           float* squares) {
  const float *x0 = rows[0], *x1 = rows[1], *x2 = rows[2], *x3 = rows[3];
  const float r0 = r[0], r1 = r[1], r2 = r[2], r3 = r[3];
  for (int64_t i = 0; i < k; ++i) {
    const float p0 = r0 * x0[i], p1 = r1 * x1[i], p2 = r2 * x2[i], p3 = r3 * x3[i];
    sums[i] += (p0 + p1) + (p2 + p3);
    squares[i] += (p0 * p0 + p1 * p1) + (p2 * p2 + p3 * p3);
  }
}

// Vectors of the compiler's own: it does not find them in loops that add up, which take ten times as long then.
typedef float Floats __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(64)));
typedef float HalfFloats __attribute__((vector_size(32)));

/// Σ r·x and Σ (r·x)².
struct Projected {
  double sum = 0, squares = 0;
};

/// The lanes, and the last few that fill no vector.
template <class Vector>
Projected total(const Vector& sums, const Vector& squares, const float* x, const float* r, int64_t count) {
  Projected all;
  for (size_t lane = 0; lane < sizeof(Vector) / sizeof sums[0]; ++lane)
    all.sum += double(sums[lane]), all.squares += double(squares[lane]);
  for (int64_t i = 0; i < count; ++i) {
    const double p = double(x[i]) * double(r[i]);
    all.sum += p, all.squares += p * p;
  }
  return all;
}

/// Halves are added to halves: lane by lane the sum of a short product would take longer than the product.
inline double total(const Floats& sums) {
  float lanes[16];
  std::memcpy(lanes, &sums, sizeof lanes);
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return double(lanes[0]);
}

ASSAY_CLONES Projected project_weights(const float* x, const float* r, int64_t count) {
  constexpr int64_t kLanes = 16;
  Floats sums{}, squares{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Floats a, b;
    std::memcpy(&a, x + i, sizeof a);
    std::memcpy(&b, r + i, sizeof b);
    const Floats p = a * b;
    sums += p;
    squares += p * p;
  }
  Floats a{}, b{};  // the last few, and zeros
  std::memcpy(&a, x + i, size_t(count - i) * sizeof *x);
  std::memcpy(&b, r + i, size_t(count - i) * sizeof *r);
  const Floats p = a * b;
  return {total(sums + p), total(squares + p * p)};
}

/// In double: a wrong D may hold anything.
ASSAY_CLONES Projected project_output(const float* x, const float* r, int64_t count) {
  constexpr int kLanes = 8;
  Doubles sums{}, squares{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    HalfFloats a, b;
    std::memcpy(&a, x + i, sizeof a);
    std::memcpy(&b, r + i, sizeof b);
    const Doubles p = __builtin_convertvector(a, Doubles) * __builtin_convertvector(b, Doubles);
    sums += p;
    squares += p * p;
  }
  return total(sums, squares, x + i, r + i, count - i);
}

}  // namespace

/// Bᵀr and the squares beside it, of one B and batch at a time: [stretch][k].
class ProjectedWeights {
 public:
  void project(const Tensor& b, int64_t batch, std::span<const float> r) {
    k_ = b.dims[2];
    sums_.assign(size_t(stretches_of(b.dims[1]) * k_), 0);
    squares_.assign(sums_.size(), 0);
    if (b.by_columns)
      by_columns(b, batch, r);
    else
      by_rows(b, batch, r);
  }
  std::span<const float> sums(int64_t stretch) const {
    return std::span(sums_).subspan(size_t(stretch * k_), size_t(k_));
  }
  std::span<const float> squares(int64_t stretch) const {
    return std::span(squares_).subspan(size_t(stretch * k_), size_t(k_));
  }

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
        const auto p = project_weights(&column_[size_t(first)], &r[size_t(first)],
                                       std::min(kProjectionColumns, b.dims[1] - first));
        sums_[at] = float(p.sum), squares_[at] = float(p.squares);
      }
    }
  }

  int64_t k_ = 0;
  std::vector<float> sums_, squares_, rows_[kRowsAtOnce], zero_, column_;
};

namespace {

/// Σ a·b over the columns of each group.
ASSAY_CLONES void add_up_groups(const double* a, const float* b, int64_t k, double* sums) {
  constexpr int64_t kGroups = Variation::kGroups;
  double of_group[kGroups] = {};
  int64_t i = 0;
  for (; i + kGroups <= k; i += kGroups)
    for (int64_t group = 0; group < kGroups; ++group) of_group[group] += a[i + group] * double(b[i + group]);
  for (int64_t group = 0; i < k; ++i, ++group) of_group[group] += a[i] * double(b[i]);
  std::copy(of_group, of_group + kGroups, sums);
}

/// … one `step` from the other.
void put_by_group(const double* a, std::span<const float> b, float* groups, int64_t step) {
  double sums[Variation::kGroups];
  add_up_groups(a, b.data(), std::ssize(b), sums);
  for (int group = 0; group < Variation::kGroups; ++group) groups[group * step] = float(sums[group]);
}

/// to = Σ signs · groups, `count` of each group in a row.
ASSAY_CLONES void add_groups(const float* groups, const double* signs, int64_t count, double* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = double(groups[i]) * signs[0];
  for (int group = 1; group < Variation::kGroups; ++group)
    for (int64_t i = 0; i < count; ++i) to[i] += double(groups[group * count + i]) * signs[group];
}

constexpr int64_t kLanes = 16;

/// How far apart rows of so many values lie, zeros behind them: the rest of a row would take as long as all of it.
int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

/// to[i] = a[row of i] · b[stretch of i], rows of `step` values. Products in float, as add_rows; each of 16 lanes adds
/// a sixteenth of them.
ASSAY_CLONES void dots(const float* a, const float* b, const int64_t* row_of, const int64_t* stretch_of, int64_t count,
                       int64_t step, double* to) {
  for (int64_t i = 0; i < count; ++i) {
    const float *left = a + row_of[i] * step, *right = b + stretch_of[i] * step;
    Floats sums{};
    for (int64_t k = 0; k < step; k += kLanes) {
      Floats x, y;
      std::memcpy(&x, left + k, sizeof x);
      std::memcpy(&y, right + k, sizeof y);
      sums += x * y;
    }
    to[i] = total(sums);
  }
}

/// At least √Σ (r Σ|a||b|)², by Minkowski: the norms of B's columns, weighted by |a|.
ASSAY_CLONES double magnitude(const double* a, const float* squares, int64_t k) {
  double lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] += std::fabs(a[i + lane]) * double(std::sqrt(squares[i + lane]));
  for (; i < k; ++i) sum += std::fabs(a[i]) * double(std::sqrt(squares[i]));
  for (const double lane : lanes) sum += lane;
  return sum;
}

/// √Σ (r · the error of an element)² where the activations err by independent errors of these variances.
ASSAY_CLONES double deviation(const double* variances, const float* squares, int64_t k) {
  double lanes[kLanes] = {}, variance = 0;
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += variances[i + lane] * double(squares[i + lane]);
  for (; i < k; ++i) variance += variances[i] * double(squares[i]);
  for (const double lane : lanes) variance += lane;
  return std::sqrt(variance);
}

}  // namespace

std::vector<float> random_weights(int64_t count, std::mt19937_64& random) {
  std::vector<float> weights(static_cast<size_t>(count));
  std::uniform_real_distribution<float> magnitude(0.75f, 1.25f);
  for (float& weight : weights) weight = random() & 1 ? -magnitude(random) : magnitude(random);
  return weights;
}

Projections::Projections(const SpecInputs& inputs, const std::vector<ActivationRounding>& roundings) : inputs_(inputs) {
  const Matmul& spec = matmul_of(inputs.spec());
  std::mt19937_64 random{std::random_device{}()};
  for (const Tensor& b : inputs.b(0)) {
    const int64_t n = b.dims[1], stretches = stretches_of(n);
    weights_.push_back(random_weights(n, random));
    for (int64_t batch = 0; batch < spec.batch; ++batch)
      for (int64_t row = 0; row < spec.m; ++row)
        for (int64_t s = 0; s < stretches; ++s) {
          places_.push_back({b.segment, batch, row, s * kProjectionColumns, std::min(n, (s + 1) * kProjectionColumns)});
          row_of_.push_back(batch * spec.m + row);
          stretch_of_.push_back(stretches_ + batch * stretches + s);
        }
    stretches_ += spec.batch * stretches;
  }
  count_ = int64_t(places_.size());
  const size_t all = size_t(inputs.copies() * count_);
  by_group_.resize(all * Variation::kGroups);
  magnitude_.resize(all);
  for (const ActivationRounding& rounding : roundings) deviation_[size_t(rounding.accuracy)].resize(all);
  if (const int64_t wanted = inputs.copies() * stretches_ * padded(spec.k); wanted <= kMostByColumn)
    by_column_.resize(size_t(wanted));
  in_parallel(inputs.copies(), [&](int64_t copy) { project_copy(copy, roundings); });
  project_terms();
}

void Projections::project_copy(int64_t copy, const std::vector<ActivationRounding>& roundings) {
  ProjectedWeights projected;
  const Matmul& spec = matmul_of(inputs_.spec());
  size_t projection = size_t(copy * count_);
  float* const groups = &by_group_[size_t(copy * count_) * Variation::kGroups];
  int64_t stretch = 0;
  for (const Tensor& b : inputs_.b(copy)) {
    const int64_t stretches = stretches_of(b.dims[1]);
    for (int64_t batch = 0; batch < spec.batch; ++batch, stretch += stretches) {
      projected.project(b, batch, weights_[b.segment]);
      for (int64_t s = 0; s < stretches && !by_column_.empty(); ++s)
        std::copy(projected.sums(s).begin(), projected.sums(s).end(),
                  by_column_.begin() + (copy * stretches_ + stretch + s) * padded(spec.k));
      for (int64_t row = 0; row < spec.m; ++row)
        for (int64_t s = 0; s < stretches; ++s, ++projection) {
          const size_t row_of_a = size_t((batch * spec.m + row) * spec.k);
          const double* a = &inputs_.a_logical[row_of_a];
          put_by_group(a, projected.sums(s), groups + projection - copy * count_, count_);
          magnitude_[projection] = float(magnitude(a, projected.squares(s).data(), spec.k));
          for (const ActivationRounding& rounding : roundings)
            deviation_[size_t(rounding.accuracy)][projection] =
                float(deviation(&rounding.variances[row_of_a], projected.squares(s).data(), spec.k));
        }
    }
  }
}

void Projections::project_terms() {
  const Matmul& spec = matmul_of(inputs_.spec());
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

void Projections::let_forks_inherit_it(bool inherit) {
  for (HugeVector<float>* data : {&by_group_, &by_column_, &magnitude_}) let_forks_inherit(*data, inherit);
  for (HugeVector<float>& data : deviation_) let_forks_inherit(data, inherit);
}

Projections::VariedA Projections::varied(const Variation& variation) const {
  VariedA a;
  if (!variation.is_free) {
    a.of_groups = Variation::factors(variation.signs);
    return a;
  }
  const auto k = size_t(matmul_of(inputs_.spec()).k), step = size_t(padded(int64_t(k)));
  const size_t rows = inputs_.a_logical.size() / k;
  a.values.resize(rows * step);
  const std::vector<float> of_columns = variation.of_columns(int64_t(k));
  for (size_t row = 0; row < rows; ++row) inputs_.varied_row(int64_t(row), of_columns, 1, &a.values[row * step]);
  return a;
}

void Projections::products(int64_t copy, const VariedA& a, std::vector<double>& to) const {
  to.resize(size_t(count_));
  if (a.values.empty())
    return add_groups(&by_group_[size_t(copy * count_) * Variation::kGroups], a.of_groups.data(), count_, to.data());
  const int64_t step = padded(matmul_of(inputs_.spec()).k);
  dots(a.values.data(), &by_column_[size_t(copy * stretches_ * step)], row_of_.data(), stretch_of_.data(), count_, step,
       to.data());
}

Projections::Added Projections::added(int64_t index) const {
  Added added;
  if (!c_.sums.empty()) added.c = c_.sums[size_t(index)], added.c_norm = c_.norms[size_t(index)];
  if (!bias_.sums.empty()) added.bias = bias_.sums[size_t(index)], added.bias_norm = bias_.norms[size_t(index)];
  return added;
}

void project(Dtype dtype, const std::byte* d, int64_t elements, int64_t columns, const float* weights, double* sums) {
  const int64_t size = dtype_bytes(dtype, 1);
  float decoded[kDecodedAtOnce];
  // Of short rows many at once.
  const int64_t rows_at_once = std::max<int64_t>(kDecodedAtOnce / columns, 1);
  for (int64_t begin = 0; begin < elements; begin += rows_at_once * columns) {
    const int64_t end = std::min(elements, begin + rows_at_once * columns);
    if (columns <= kDecodedAtOnce) decode_values(dtype, d + begin * size, end - begin, decoded);
    for (int64_t row = begin; row < end; row += columns)
      for (int64_t first = 0; first < columns; first += kProjectionColumns, sums += 2) {
        const int64_t count = std::min(kProjectionColumns, columns - first);
        const float* values = decoded + (row - begin) + first;
        if (columns > kDecodedAtOnce) decode_values(dtype, d + (row + first) * size, count, decoded), values = decoded;
        const auto p = project_output(values, weights + first, count);
        sums[0] = p.sum, sums[1] = p.squares;
      }
  }
}

}  // namespace assay

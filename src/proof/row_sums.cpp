// Projections of all rows of a table.
#include "proof/row_sums.h"

#include <fmt/format.h>

#include <cmath>

#include "base/parallel.h"
#include "proof/projections.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr int64_t kMostValues = 200'000'000;
constexpr int64_t kRowsAtOnce = 1024;
// As of other projections (proof/element_judge.cpp): deviations of D's roundings, and what adding up may be off by.
constexpr double kDeviations = 8, kUniform = 3, kDoubleSum = 0x1p-44;

}  // namespace

RowSums::RowSums(const Tensor& table, Dtype d, std::span<const float> weights)
    : d_(d), weights_(weights), columns_(table.dims[2]), stretches_(stretches_of(columns_)) {
  const int64_t rows = table.dims[1];
  if (rows * columns_ > kMostValues) return;
  sums_.resize(size_t(rows * stretches_));
  in_parallel((rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](int64_t part) {
    std::vector<float> row;
    std::vector<double> both(size_t(2 * stretches_));
    for (int64_t i = part * kRowsAtOnce; i < std::min(rows, (part + 1) * kRowsAtOnce); ++i) {
      decode_row(table, 0, i, row);
      project(Dtype::f32, reinterpret_cast<const std::byte*>(row.data()), columns_, columns_, weights_.data(),
              both.data());
      for (int64_t s = 0; s < stretches_; ++s) {
        const double square = both[size_t(2 * s + 1)], least = least_subnormal(d_) * double(kProjectionColumns);
        sums_[size_t(i * stretches_ + s)] = {
            both[size_t(2 * s)], float(kDeviations * unit_roundoff(d_) * std::sqrt(square / kUniform) + least +
                                       kDoubleSum * std::sqrt(square * double(kProjectionColumns)))};
      }
    }
  });
}

std::string RowSums::check(std::span<const int64_t> numbers, const std::byte* d) const {
  thread_local std::vector<double> both;
  both.resize(numbers.size() * size_t(2 * stretches_));
  project(d_, d, std::ssize(numbers) * columns_, columns_, weights_.data(), both.data());
  for (size_t row = 0; row < numbers.size(); ++row)
    for (int64_t s = 0; s < stretches_; ++s) {
      const Sum& sum = sums_[size_t(numbers[row] * stretches_ + s)];
      const double got = both[row * size_t(2 * stretches_) + size_t(2 * s)];
      if (std::fabs(got - sum.value) <= double(sum.allowed)) continue;
      return fmt::format(
          "row {} is wrong somewhere from column {} on: a random projection of it is {:.6g}, should be {:.6g}: off by "
          "{:.3g}, allowed {:.3g}",
          numbers[row], s * kProjectionColumns, got, sum.value, std::fabs(got - sum.value), sum.allowed);
    }
  return "";
}

}  // namespace assay

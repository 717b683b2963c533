// Double-precision products of chosen copies, and a second opinion on samples.
#include "probe/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "probe/weight_rows.h"

namespace assay {
namespace {

constexpr int64_t kMostReferenceElements = 36'000'000;  // of B: about 50 ms
constexpr int64_t kCopiesPerReference = 4;  // a turn ends at a copy with a reference, so they must not lie far apart
constexpr int64_t kFlips = 32;
constexpr int kBlock = 32;

ASSAY_CLONES void dot(const double* a, const float* b, int64_t k, double* product, double* magnitude) {
  constexpr int kLanes = 16;
  double sums[kLanes] = {}, magnitudes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double term = a[i + lane] * double(b[i + lane]);
      sums[lane] += term;
      magnitudes[lane] += std::fabs(term);
    }
  for (; i < k; ++i) {
    const double term = a[i] * double(b[i]);
    sums[0] += term;
    magnitudes[0] += std::fabs(term);
  }
  *product = *magnitude = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    *product += sums[lane];
    *magnitude += magnitudes[lane];
  }
}

/// Standard deviation of the error that rounding a to int8 in blocks of 32 with scale amax/127 makes in a dot product with b.
double int8_deviation(const double* a, const float* b, int64_t k) {
  double variance = 0;
  for (int64_t first = 0; first < k; first += kBlock) {
    double largest = 0, squares = 0;
    for (int64_t i = first; i < std::min(k, first + kBlock); ++i) {
      largest = std::max(largest, std::fabs(a[i]));
      squares += double(b[i]) * double(b[i]);
    }
    variance += largest / 127 * (largest / 127) / 12 * squares;
  }
  return std::sqrt(variance);
}

CopyReference compute(const SpecInputs& inputs, int64_t copy, const std::vector<int64_t>& flips, bool int8_activations) {
  const Spec& spec = inputs.spec();
  CopyReference result;
  result.copy = copy;
  const int64_t rows = spec.batch * spec.n;
  result.columns.resize(size_t(rows) * flips.size());
  int64_t rows_before = 0;
  std::vector<float> row;
  for (const Tensor& b : inputs.b(copy)) {
    const int64_t n = b.dims[1];
    const size_t base = result.product.size(), count = size_t(spec.batch * spec.m * n);
    result.product.resize(base + count);
    result.magnitude.resize(base + count);
    if (int8_activations) result.int8_deviation.resize(base + count);
    for (int64_t batch = 0; batch < spec.batch; ++batch)
      for (int64_t column = 0; column < n; ++column) {
        decode_row(b, batch, column, row);
        for (size_t flip = 0; flip < flips.size(); ++flip)
          result.columns[flip * size_t(rows) + size_t(rows_before + batch * n + column)] = row[size_t(flips[flip])];
        for (int64_t m = 0; m < spec.m; ++m) {
          const double* a = &inputs.a_logical[size_t((batch * spec.m + m) * spec.k)];
          const size_t at = base + size_t((batch * spec.m + m) * n + column);
          dot(a, row.data(), spec.k, &result.product[at], &result.magnitude[at]);
          if (int8_activations) result.int8_deviation[at] = int8_deviation(a, row.data(), spec.k);
        }
      }
    rows_before += spec.batch * n;
  }
  return result;
}

std::vector<int64_t> flip_columns(int64_t k) {
  std::vector<int64_t> columns;
  for (int64_t i = 0; i < std::min(kFlips, k); ++i) columns.push_back(int64_t(random_bits(uint64_t(i)) % uint64_t(k)));
  return columns;
}

/// The same element once more: element by element, extended precision, other order, no table.
long double second_opinion(const SpecInputs& inputs, const Tensor& b, int64_t batch, int64_t m, int64_t n) {
  const Spec& spec = inputs.spec();
  long double sum = 0;
  for (int64_t k = spec.k - 1; k >= 0; --k)
    sum += static_cast<long double>(inputs.a.values[size_t(inputs.a_storage_index((batch * spec.m + m) * spec.k + k))]) *
           static_cast<long double>(b_element(b, batch, n, k));
  return sum;
}

void compare_opinions(const SpecInputs& inputs, const CopyReference& reference) {
  constexpr int kSamples = 24;
  const Spec& spec = inputs.spec();
  size_t base = 0;
  for (const Tensor& b : inputs.b(reference.copy)) {
    const int64_t n = b.dims[1], count = spec.batch * spec.m * n;
    for (int sample = 0; sample < kSamples; ++sample) {
      int64_t index = int64_t(random_bits(uint64_t(sample) + (uint64_t(reference.copy) << 20)) % uint64_t(count));
      if (sample == 0) index = 0;
      if (sample == 1) index = count - 1;
      const int64_t column = index % n, m = index / n % spec.m, batch = index / n / spec.m;
      const double other = double(second_opinion(inputs, b, batch, m, column));
      const size_t at = base + size_t(index);
      if (!(std::fabs(other - reference.product[at]) <= 1e-12 * reference.magnitude[at]))
        fail("suspect the reference: its two implementations disagree at element {} of {} ({} and {})", index, spec.line(),
             reference.product[at], other);
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
  if (b.storage == Storage::q8_0_blocks) {
    const std::byte* block = b.data + 34 * (batch * b.strides[0] + n * b.strides[1] + k / kBlock);
    return decode_value(Dtype::f16, block) * double(int8_t(block[2 + k % kBlock]));
  }
  const int64_t row = batch * b.dims[1] + n;
  return decode_value(Dtype::f16, b.scales + 2 * (row * (b.dims[2] / kBlock) + k / kBlock)) *
         double(int8_t(b.data[row * b.dims[2] + k]));
}

Reference::Reference(const SpecInputs& inputs, bool int8_activations)
    : inputs_(inputs), flips_(flip_columns(inputs.spec().k)), projections_(inputs, flips_, int8_activations) {
  const Spec& spec = inputs.spec();
  elements_ = spec.batch * spec.m * spec.n;
  const int64_t b_elements = spec.batch * spec.n * spec.k;
  const int64_t wanted = std::min((inputs.copies() + kCopiesPerReference - 1) / kCopiesPerReference,
                                  std::max(kMostReferenceElements / b_elements, int64_t(1)));
  index_of_copy_.assign(size_t(inputs.copies()), -1);
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t copy = i * inputs.copies() / wanted;
    index_of_copy_[size_t(copy)] = int32_t(copies_.size());
    copies_.push_back(compute(inputs, copy, flips_, int8_activations));
    compare_opinions(inputs, copies_.back());
  }
}

double Reference::flipped_b(const CopyReference& reference, int64_t row, int64_t flip) const {
  return double(reference.columns[size_t(flip * inputs_.spec().batch * inputs_.spec().n + row)]);
}

const CopyReference* Reference::find(int64_t copy) const {
  const int32_t index = index_of_copy_[size_t(copy)];
  return index < 0 ? nullptr : &copies_[size_t(index)];
}

}  // namespace assay

// Double-precision products of chosen copies, and a second opinion on samples.
#include "probe/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ASSAY_CLONES __attribute__((target_clones("default", "avx2,fma", "avx512f")))
#else
#define ASSAY_CLONES
#endif

namespace assay {
namespace {

constexpr int64_t kMostReferenceElements = 36'000'000;  // of B: about 50 ms
constexpr int64_t kCopiesPerReference = 4;  // a turn ends at a copy with a reference, so they must not lie far apart
constexpr int64_t kFewElements = 4096;  // of D: up to here any column may be flipped
constexpr int64_t kFlips = 32;
constexpr int kBlock = 32;

/// Row n of B as floats (exact for every type).
void decode_row(const Tensor& b, int64_t batch, int64_t n, std::vector<float>& row) {
  const int64_t k = b.dims[2];
  row.resize(size_t(k));
  if (b.storage == Storage::strided) {
    const int64_t first = batch * b.strides[0] + n * b.strides[1], step = b.strides[2];
    if (b.dtype == Dtype::f32) {
      const auto* values = reinterpret_cast<const float*>(b.data) + first;
      for (int64_t i = 0; i < k; ++i) row[size_t(i)] = values[i * step];
      return;
    }
    const float* table = value_table(b.dtype);
    const auto* values = reinterpret_cast<const uint16_t*>(b.data) + first;
    for (int64_t i = 0; i < k; ++i) row[size_t(i)] = table[values[i * step]];
    return;
  }
  const float* halves = value_table(Dtype::f16);
  for (int64_t block = 0; block < k / kBlock; ++block) {
    const std::byte* scale = nullptr;
    const std::byte* values = nullptr;
    if (b.storage == Storage::q8_0_blocks) {
      scale = b.data + 34 * (batch * b.strides[0] + n * b.strides[1] + block);
      values = scale + 2;
    } else {
      const int64_t index = batch * b.dims[1] + n;
      scale = b.scales + 2 * (index * (k / kBlock) + block);
      values = b.data + index * k + block * kBlock;
    }
    uint16_t bits;
    std::memcpy(&bits, scale, 2);
    for (int i = 0; i < kBlock; ++i) row[size_t(block * kBlock + i)] = halves[bits] * float(int8_t(values[i]));
  }
}

ASSAY_CLONES void dot(const double* a, const float* b, int64_t k, double* product, double* magnitude, double* square) {
  constexpr int kLanes = 16;
  double sums[kLanes] = {}, magnitudes[kLanes] = {}, squares[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double term = a[i + lane] * double(b[i + lane]);
      sums[lane] += term;
      magnitudes[lane] += std::fabs(term);
      squares[lane] += term * term;
    }
  for (; i < k; ++i) {
    const double term = a[i] * double(b[i]);
    sums[0] += term;
    magnitudes[0] += std::fabs(term);
    squares[0] += term * term;
  }
  *product = *magnitude = *square = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    *product += sums[lane];
    *magnitude += magnitudes[lane];
    *square += squares[lane];
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
    result.squares.resize(base + count);
    if (int8_activations) result.int8_deviation.resize(base + count);
    for (int64_t batch = 0; batch < spec.batch; ++batch)
      for (int64_t column = 0; column < n; ++column) {
        decode_row(b, batch, column, row);
        for (size_t flip = 0; flip < flips.size(); ++flip)
          result.columns[flip * size_t(rows) + size_t(rows_before + batch * n + column)] = row[size_t(flips[flip])];
        for (int64_t m = 0; m < spec.m; ++m) {
          const double* a = &inputs.a_logical[size_t((batch * spec.m + m) * spec.k)];
          const size_t at = base + size_t((batch * spec.m + m) * n + column);
          dot(a, row.data(), spec.k, &result.product[at], &result.magnitude[at], &result.squares[at]);
          if (int8_activations) result.int8_deviation[at] = int8_deviation(a, row.data(), spec.k);
        }
      }
    rows_before += spec.batch * n;
  }
  return result;
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
         double(int8_t(b.data[batch * b.strides[0] + n * b.strides[1] + k]));
}

Reference::Reference(const SpecInputs& inputs, bool int8_activations) : inputs_(inputs) {
  const Spec& spec = inputs.spec();
  elements_ = spec.batch * spec.m * spec.n;
  const int64_t b_elements = spec.batch * spec.n * spec.k;
  const int64_t wanted = std::min((inputs.copies() + kCopiesPerReference - 1) / kCopiesPerReference,
                                  std::max(kMostReferenceElements / b_elements, int64_t(1)));
  if (elements_ > kFewElements)
    for (int64_t i = 0; i < kFlips; ++i) flips_.push_back(int64_t(random_bits(uint64_t(i)) % uint64_t(spec.k)));
  index_of_copy_.assign(size_t(inputs.copies()), -1);
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t copy = i * inputs.copies() / wanted;
    index_of_copy_[size_t(copy)] = int32_t(copies_.size());
    copies_.push_back(compute(inputs, copy, flips_, int8_activations));
    compare_opinions(inputs, copies_.back());
  }
}

double Reference::flipped_b(const CopyReference& reference, const Tensor& b, int64_t batch, int64_t n, int64_t row, int64_t flip) const {
  if (flips_.empty()) return b_element(b, batch, n, flip);
  return double(reference.columns[size_t(flip * inputs_.spec().batch * inputs_.spec().n + row)]);
}

const CopyReference* Reference::find(int64_t copy) const {
  const int32_t index = index_of_copy_[size_t(copy)];
  return index < 0 ? nullptr : &copies_[size_t(index)];
}

}  // namespace assay

// Special values laid out as a spec's operands, and the judgement of what a kernel made of them.
#include "probe/special_values.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "probe/inputs.h"
#include "probe/rounding_model.h"
#include "probe/validator.h"

namespace assay {
namespace {

constexpr int64_t kPaddingBytes = 64;                   // behind each row: what is aligned stays so
constexpr int64_t kPaddingBlocks = 2;                   // of 34 bytes: rows that begin at multiples of four bytes still do
constexpr int64_t kMostBytes = int64_t(1) << 30;        // of weights
constexpr int64_t kLargeBytes = int64_t(64) << 20;      // of weights: above, a launch is dear and a second spacing takes much memory
constexpr int64_t kComparedElements = 16'384;           // of D, where it has more
constexpr double kDeviations = 6;
constexpr double kSlack = 2;  // gross errors are sought here: a kernel that adds parts of a sum in D's type is judged elsewhere
constexpr double kLeastNormal = 0x1p-126;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

int64_t unit_bytes(const Tensor& t) {
  return t.storage == Storage::q8_0_blocks ? 34 : t.storage == Storage::q8_0_split ? 1 : dtype_bytes(t.dtype, 1);
}

/// Lines (rows, or columns where they follow each other) and batches of the tensor further apart than they are long.
void pad(Tensor& t, bool transposed) {
  const int64_t padding = t.storage == Storage::q8_0_blocks ? kPaddingBlocks : kPaddingBytes / unit_bytes(t);
  int64_t& line = t.strides[transposed ? 2 : 1];
  line += padding;
  t.strides[0] = t.dims[transposed ? 2 : 1] * line + padding;
  t.bytes = t.dims[0] * t.strides[0] * unit_bytes(t);
}

std::vector<Tensor> spaced_tensors(const Spec& spec, Spacing spacing) {
  std::vector<Tensor> tensors = spec_tensors(spec);
  for (Tensor& t : tensors)
    if (spacing == Spacing::padded && t.operand != Operand::bias)
      pad(t, (t.operand == Operand::a && spec.tA) || (t.operand == Operand::b && !spec.b_is_nk()));
  return tensors;
}

/// Row `row` of a weight tensor. NN storage is written by store_columns().
void store_row(const Tensor& b, int64_t batch, int64_t row, const WeightRow& weights) {
  std::memcpy(b.data + (batch * b.strides[0] + row * b.strides[1]) * unit_bytes(b), weights.bytes.data(), weights.bytes.size());
  if (b.scales) std::memcpy(b.scales + (batch * b.dims[1] + row) * int64_t(weights.scales.size()), weights.scales.data(), weights.scales.size());
}

/// All rows of one batch of a tensor whose rows lie side by side, in the order of memory.
void store_columns(const Tensor& b, int64_t batch, int64_t first_row, const std::vector<WeightRow>& weights) {
  const int64_t size = dtype_bytes(b.dtype, 1);
  for (int64_t i = 0; i < b.dims[2]; ++i) {
    std::byte* to = b.data + (batch * b.strides[0] + i * b.strides[2]) * size;
    for (int64_t row = 0; row < b.dims[1]; ++row)
      std::memcpy(to + row * size, &weights[size_t((first_row + row) % int64_t(weights.size()))].bytes[size_t(i * size)], size_t(size));
  }
}

double activation_deviation(const SpecialProduct& p, Activations activations) {
  constexpr double kHalfSubnormal = 0x1p-25;  // what f16 is off by where it has no exponent left
  switch (activations) {
    case Activations::as_given: return 0;
    case Activations::int8: return p.deviation;
    case Activations::bf16: return unit_roundoff(Dtype::bf16) * std::sqrt(p.squares / 3);
    case Activations::f16: return std::hypot(unit_roundoff(Dtype::f16) * std::sqrt(p.squares / 3), kHalfSubnormal * std::sqrt(p.weights / 3));
  }
  return 0;
}

double largest_of(Dtype dtype) { return dtype == Dtype::f16 ? 65'504 : 0x1.fep127; }

}  // namespace

SpecialWeights::SpecialWeights(const Spec& spec, const SpecialRows& rows, Spacing spacing) : tensors_(spaced_tensors(spec, spacing)) {
  int64_t bytes = kGuardBytes;
  for (const Tensor& t : tensors_)
    if (t.operand == Operand::b) bytes += round_up(t.bytes, 64) + round_up(t.scale_bytes, 64) + 2 * kGuardBytes;
  void* memory = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("cannot allocate {} MB for special values of {}: {}", bytes >> 20, spec.short_name(), std::strerror(errno));
  memory_ = {static_cast<std::byte*>(memory), size_t(bytes)};
  if (bytes >= (4 << 20)) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
  std::memset(memory, kPoison, size_t(bytes));
  std::byte* next = memory_.data() + kGuardBytes;
  int64_t rows_before = 0;
  for (Tensor& t : tensors_) {
    if (t.operand != Operand::b) continue;
    t.data = next;
    next += round_up(t.bytes, 64) + kGuardBytes;
    if (t.scale_bytes > 0) t.scales = next;
    next += round_up(t.scale_bytes, 64) + kGuardBytes;
    const auto& weights = rows.weights();
    for (int64_t batch = 0; batch < t.dims[0]; ++batch, rows_before += t.dims[1]) {
      if (t.storage == Storage::strided && t.strides[2] != 1)
        store_columns(t, batch, rows_before, weights);
      else
        for (int64_t row = 0; row < t.dims[1]; ++row) store_row(t, batch, row, weights[size_t((rows_before + row) % int64_t(weights.size()))]);
    }
  }
}

SpecialWeights::~SpecialWeights() { munmap(memory_.data(), memory_.size()); }

std::unique_ptr<SpecialValues> SpecialValues::make(const Spec& spec, bool any_padded, bool any_dense) {
  if (spec.b_bytes() > kMostBytes) return nullptr;
  auto values = std::make_unique<SpecialValues>(spec);
  const bool is_large = spec.b_bytes() > kLargeBytes;
  for (const Spacing spacing : {Spacing::dense, Spacing::padded})
    if (!is_large || (spacing == Spacing::dense ? any_dense : any_padded))
      values->weights_[size_t(spacing)] = std::make_unique<SpecialWeights>(spec, values->rows_, spacing);
  return values;
}

int64_t SpecialValues::launches(Activations activations) const {
  const auto& rows = rows_.activations();
  const auto sets = activations == Activations::int8 ? std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.for_int8; })
                                                     : std::ssize(rows);
  const int64_t a_rows = spec_.batch * spec_.m, all = (int64_t(sets) + a_rows - 1) / a_rows;
  return spec_.b_bytes() > kLargeBytes ? std::min<int64_t>(all, activations == Activations::int8 ? 2 : 1) : all;
}

/// Which row of activations stands in row `a_row` of A, counted over batches. Those for int8 come first.
int64_t SpecialValues::set_of(int64_t a_row, int64_t launch, Activations activations) const {
  const auto& rows = rows_.activations();
  int64_t sets = std::ssize(rows);
  while (activations == Activations::int8 && !rows[size_t(sets - 1)].for_int8) --sets;
  return (launch * spec_.batch * spec_.m + a_row) % sets;
}

/// C's or the bias's value that is added to an output of B's row `row`: there only beside sums that are not about small numbers.
double SpecialValues::beside(Operand operand, int64_t row, int64_t index) const {
  if (row % std::ssize(rows_.weights()) % 4 != 2) return 0;
  const int64_t sixteenths = int64_t(random_bits(uint64_t(index) + (uint64_t(operand) << 40)) % 33) - 16;  // exact in every type
  return double(sixteenths) / 16;
}

std::vector<std::byte> SpecialValues::content(const Tensor& t, int64_t launch, Activations activations) const {
  std::vector<std::byte> bytes(size_t(t.bytes), std::byte{kPoison});
  if (t.operand == Operand::c && spec_.beta == 0) return bytes;
  const int64_t size = dtype_bytes(t.dtype, 1);
  int64_t rows_before = 0;  // of B, before this segment
  for (uint32_t s = 0; s < t.segment; ++s) rows_before += spec_.batch * spec_.segments[s].n;
  for (int64_t batch = 0; batch < t.dims[0]; ++batch)
    for (int64_t row = 0; row < t.dims[1]; ++row)
      for (int64_t column = 0; column < t.dims[2]; ++column) {
        std::byte* at = &bytes[size_t((batch * t.strides[0] + row * t.strides[1] + column * t.strides[2]) * size)];
        if (t.operand == Operand::a) {
          const ActivationRow& a = rows_.activations()[size_t(set_of(batch * t.dims[1] + row, launch, activations))];
          std::memcpy(at, &a.bytes[size_t(column * size)], size_t(size));
        } else {
          encode_value(t.dtype, beside(t.operand, rows_before + batch * t.dims[2] + column, column), at);
        }
      }
  return bytes;
}

std::string SpecialValues::check(const std::vector<Tensor>& d, const std::vector<std::vector<std::byte>>& bytes, int64_t launch,
                                 Activations activations) const {
  const double u_out = unit_roundoff(spec_.d), alpha = std::fabs(spec_.alpha);
  const double u_sum = kSlack * kToleranceC * std::sqrt(double(spec_.k) + 4) * kF32Roundoff;
  const double least = spec_.d == Dtype::f16 ? 0x1p-24 : kLeastNormal;
  double squares = 0;
  int64_t rows_before = 0, random = 0, element = 0;
  std::vector<bool> met(rows_.activations().size() * rows_.weights().size());
  const int64_t elements = spec_.batch * spec_.m * spec_.n, step = std::max<int64_t>(1, elements / kComparedElements);
  for (size_t s = 0; s < d.size(); ++s) {
    const Tensor& t = d[s];
    const int64_t n = t.dims[2];
    for (int64_t batch = 0; batch < t.dims[0]; ++batch, rows_before += n)
      for (int64_t m = 0; m < t.dims[1]; ++m)
        for (int64_t column = 0; column < n; ++column, ++element) {
          // Whole runs of rows of every kind, and the last ones.
          if (element / 256 % step != 0 && elements - element > 256) continue;
          const int64_t set = set_of(batch * t.dims[1] + m, launch, activations), row = rows_before + column;
          const int64_t distinct = row % std::ssize(rows_.weights());
          const SpecialProduct& p = rows_.product(set, distinct);
          const double from_c = spec_.beta != 0 ? spec_.beta * beside(Operand::c, row, column) : 0;
          const double from_bias = spec_.bias ? beside(Operand::bias, row, column) : 0;
          const double expected = spec_.alpha * p.product + from_c + from_bias;
          if (std::isnan(expected)) continue;
          const double got = decode_value(t.dtype, &bytes[s][size_t((batch * t.strides[0] + m * t.strides[1] + column) * dtype_bytes(t.dtype, 1))]);
          const auto wrong = [&](const std::string& should) {
            const std::string segment = spec_.segments.empty() ? "" : spec_.segments[t.segment].name + " ";
            const std::string of_batch = spec_.batch > 1 ? fmt::format("batch {} ", batch) : "";
            return fmt::format("of special values {}{}D[{},{}] is {:.6g}, should be {} ({})", segment, of_batch, m, column, got, should,
                               rows_.weights()[size_t(distinct)].what);
          };
          if (std::isinf(expected)) {
            if (!std::isnan(got) && got != expected) return wrong(fmt::format("{:.6g} or NaN", expected));
            continue;
          }
          const double deviation = alpha * activation_deviation(p, activations);
          const double fixed = kSlack * (u_out * std::fabs(expected) + least) + alpha * p.flushed + kDeviations * deviation;
          const double bound = fixed + u_sum * (alpha * p.magnitude + std::fabs(from_c) + std::fabs(from_bias));
          const double error = std::fabs(got - expected);
          const bool overflows = std::fabs(expected) + bound >= largest_of(spec_.d) && std::isinf(got) && (got > 0) == (expected > 0);
          if (!(error <= bound) && !overflows)
            return wrong(fmt::format("{:.6g}: off by {:.3g}, allowed {:.3g}", expected, error, bound));
          const auto once = size_t(set) * rows_.weights().size() + size_t(distinct);
          if (activations != Activations::int8 || !rows_.weights()[size_t(distinct)].is_random || deviation == 0 || met[once]) continue;
          met[once] = true;
          squares += error * error / (deviation * deviation + (fixed - kDeviations * deviation) * (fixed - kDeviations * deviation));
          ++random;
        }
  }
  if (random > 0 && squares > mean_square_limit(random) * double(random))
    return fmt::format("on special values its int8 activations err {:.2f} times as much as rounding them in blocks of 32 explains "
                       "(root mean square over {} elements)", std::sqrt(squares / double(random)), random);
  return "";
}

}  // namespace assay

// Special values laid out as a spec's operands, and the judgement of what a kernel made of them.
#include "proof/special_values.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/memory.h"
#include "base/round_up.h"
#include "proof/inputs.h"
#include "proof/rounding_model.h"
#include "proof/validator.h"

namespace assay {
namespace {

constexpr int64_t kPaddingBytes = 64;             // behind each row: what is aligned stays so
constexpr int64_t kPaddingBlocks = 2;             // of blocks: rows that begin at multiples of four bytes still do
constexpr int64_t kMostBytes = int64_t(1) << 30;  // of weights
constexpr int64_t kComparedElements = 16'384;     // of D, where it has more
constexpr int64_t kRun = 256;                     // … in whole runs that have every kind of row, and the last one
constexpr int64_t kShortOf = 16;                  // columns: of so many one
constexpr double kDeviations = 7;
constexpr double kSlack =
    2;  // gross errors are sought here: a kernel that adds parts of a sum in D's type is judged elsewhere
constexpr double kLeastNormal = 0x1p-126;

int64_t unit_bytes(const Tensor& t) { return t.storage == Storage::q8_0_split ? 1 : dtype_facts(t.dtype).block_bytes; }

std::vector<Tensor> spaced_tensors(const Spec& spec, Spacing spacing, bool by_segment) {
  std::vector<Tensor> tensors = spec.tensors;
  for (Tensor& t : tensors) t = spaced(t, spacing, by_segment);
  return tensors;
}

/// Row `row` of a weight tensor. NN storage is written by store_columns().
void store_row(const Tensor& b, int64_t batch, int64_t row, const WeightRow& weights) {
  std::memcpy(b.data + (batch * b.strides[0] + row * b.strides[1]) * unit_bytes(b), weights.bytes.data(),
              weights.bytes.size());
  if (b.scales)
    std::memcpy(b.scales + (batch * b.dims[1] + row) * int64_t(weights.scales.size()), weights.scales.data(),
                weights.scales.size());
}

/// All rows of one batch of a tensor whose rows lie side by side, in the order of memory.
void store_columns(const Tensor& b, int64_t batch, int64_t first_row, const std::vector<WeightRow>& weights) {
  const int64_t size = dtype_bytes(b.dtype, 1);
  for (int64_t i = 0; i < b.dims[2]; ++i) {
    std::byte* to = b.data + (batch * b.strides[0] + i * b.strides[2]) * size;
    for (int64_t row = 0; row < b.dims[1]; ++row)
      std::memcpy(to + row * size,
                  &weights[size_t((first_row + row) % int64_t(weights.size()))].bytes[size_t(i * size)], size_t(size));
  }
}

double activation_deviation(const SpecialProduct& p, Accuracy accuracy) {
  constexpr double kHalfSubnormal = 0x1p-25;  // what f16 is off by where it has no exponent left
  switch (accuracy) {
    case Accuracy::exact:
      return 0;
    case Accuracy::int8_activation:
      return p.deviation;
    case Accuracy::bf16_activation:
      return unit_roundoff(Dtype::bf16) * std::sqrt(p.squares / 3);
    case Accuracy::f16_activation:
      return std::hypot(unit_roundoff(Dtype::f16) * std::sqrt(p.squares / 3),
                        kHalfSubnormal * std::sqrt(p.weights / 3));
  }
  return 0;
}

/// Of errors in units of their deviation, each kind of sum once: rows repeat, and round alike.
class MeanSquare {
 public:
  explicit MeanSquare(size_t kinds) : met_(kinds) {}
  void add(size_t kind, double error, double deviation) {
    if (met_[kind]) return;
    met_[kind] = true;
    sum_ += error * error / (deviation * deviation);
    ++count_;
  }
  bool is_too_large() const { return count_ > 0 && sum_ > mean_square_limit(count_) * double(count_); }
  double root() const { return std::sqrt(sum_ / double(count_)); }
  int64_t count() const { return count_; }

 private:
  std::vector<bool> met_;
  double sum_ = 0;
  int64_t count_ = 0;
};

}  // namespace

/// Lines are rows, or columns where they follow each other.
Tensor spaced(const Tensor& dense, Spacing spacing, bool by_segment) {
  Tensor t = dense;
  if (spacing == Spacing::dense || t.operand == Operand::bias) return t;
  const int64_t padding = (t.storage == Storage::blocks ? kPaddingBlocks : kPaddingBytes / unit_bytes(t)) *
                          (by_segment ? 1 + t.segment % 4 : 1);
  const int line = t.by_columns ? 2 : 1;
  if (spacing == Spacing::padded) t.strides[line] += padding;
  t.strides[0] = t.dims[line] * t.strides[line] + padding;
  t.bytes = t.dims[0] * t.strides[0] * unit_bytes(t);
  return t;
}

SpecialWeights::SpecialWeights(const Spec& spec, const SpecialRows& rows, Spacing spacing, bool as_in_files)
    : tensors_(spaced_tensors(spec, spacing, /*by_segment=*/as_in_files)) {
  const int64_t shift = as_in_files ? kFileAlignment : 0;
  int64_t bytes = kGuardBytes, behind = 0;  // behind: of these, what follows the last weights
  for (const Tensor& t : tensors_) {
    if (t.operand != Operand::b) continue;
    bytes += round_up(t.bytes + shift, 64) + round_up(t.scale_bytes, 64) + 2 * kGuardBytes;
    behind = (t.scale_bytes > 0 ? 1 : 2) * kGuardBytes;
  }
  const int64_t page = sysconf(_SC_PAGESIZE), all = round_up(bytes, page) + page;
  void* memory = mmap(nullptr, size_t(all), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail("cannot allocate {} MB for special values of {}: {}", bytes >> 20, spec.short_name(), std::strerror(errno));
  mapped_ = {static_cast<std::byte*>(memory), size_t(all)}, memory_ = mapped_.first(size_t(all - page));
  if (bytes >= (4 << 20)) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
  std::memset(memory, kPoison, size_t(all));
  std::byte* next = memory_.data() + kGuardBytes;
  if (as_in_files) {  // nothing behind the last one, as at the end of a file
    next += std::ssize(memory_) - (bytes - behind);
    mprotect(memory_.data() + memory_.size(), size_t(page), PROT_NONE);
  }
  int64_t rows_before = 0;
  for (Tensor& t : tensors_) {
    if (t.operand != Operand::b) continue;
    t.data = next + (t.storage == Storage::q8_0_split ? 0 : shift);  // which is in no file
    next += round_up(t.bytes + shift, 64) + kGuardBytes;
    if (t.scale_bytes > 0) t.scales = next;
    next += round_up(t.scale_bytes, 64) + kGuardBytes;
    const auto& weights = rows.weights();
    for (int64_t batch = 0; batch < t.dims[0]; ++batch, rows_before += t.dims[1]) {
      if (t.by_columns)
        store_columns(t, batch, rows_before, weights);
      else
        for (int64_t row = 0; row < t.dims[1]; ++row)
          store_row(t, batch, row, weights[size_t((rows_before + row) % int64_t(weights.size()))]);
    }
  }
}

SpecialValues::SpecialValues(const Spec& spec, std::shared_ptr<const SpecialRows> of)
    : of_(spec), spec_(matmul_of(of_)), rows_(std::move(of)) {
  const auto& rows = rows_->activations();
  for (size_t accuracy = 0; accuracy < std::size(sets_); ++accuracy)
    for (int64_t i = 0; i < std::ssize(rows); ++i) {
      const ActivationRow& row = rows[size_t(i)];
      if (Accuracy(accuracy) == Accuracy::int8_activation && !row.for_int8) continue;
      if (Accuracy(accuracy) == Accuracy::f16_activation && !row.for_half) continue;
      sets_[accuracy].push_back(i);
    }
  for (size_t accuracy = 0; accuracy < std::size(sets_); ++accuracy)
    for (int64_t set = 0; set < std::ssize(rows); ++set)
      for (int64_t row = 0; row < std::ssize(rows_->weights()); ++row) {
        const SpecialProduct& p = rows_->product(set, row);
        bounds_[accuracy].push_back(bound_of(p, spec_.alpha * p.product, 0, Accuracy(accuracy)));
      }
}

SpecialWeights::~SpecialWeights() { munmap(mapped_.data(), mapped_.size()); }

std::optional<Spec> SpecialValues::shorter_of(const Spec& spec) {
  return spec.op->is_product ? with_fewer_columns(spec, kShortOf) : std::nullopt;
}

std::unique_ptr<SpecialValues> SpecialValues::make(const Spec& spec, bool any_padded, bool any_dense, bool as_in_files,
                                                   const SpecialValues* like) {
  if (!spec.op->is_product || spec.weight_bytes() > kMostBytes) return nullptr;
  auto values = like ? std::make_unique<SpecialValues>(spec, like->rows_) : std::make_unique<SpecialValues>(spec);
  const bool has_room = spec.weight_bytes() <= kLargeSpecialBytes || 8 * spec.weight_bytes() <= memory_room().bytes;
  if (any_padded && as_in_files && values->spec_.batch > 1 && spec.weight_bytes() <= kLargeSpecialBytes)
    values->weights_[size_t(Spacing::apart)] =
        std::make_unique<SpecialWeights>(spec, *values->rows_, Spacing::apart, as_in_files);
  for (const Spacing spacing : {Spacing::dense, Spacing::padded})
    if (spacing == Spacing::dense ? any_dense || has_room : any_padded)
      values->weights_[size_t(spacing)] = std::make_unique<SpecialWeights>(spec, *values->rows_, spacing, as_in_files);
  return values;
}

int64_t SpecialValues::launches(Accuracy accuracy) const {
  const int64_t sets = std::ssize(sets_[size_t(accuracy)]);
  const bool has_addend = spec_.beta != 0 || spec_.bias;  // of which one launch has others than the next
  const int64_t a_rows = spec_.batch * spec_.m,
                all = std::max<int64_t>((sets + a_rows - 1) / a_rows, has_addend ? 2 : 1);
  const bool takes_two = accuracy == Accuracy::int8_activation || has_addend;
  return of_.weight_bytes() > kLargeSpecialBytes ? std::min<int64_t>(all, takes_two ? 2 : 1) : all;
}

/// Which row of activations stands in row `a_row` of A, counted over batches.
int64_t SpecialValues::set_of(int64_t a_row, int64_t launch, Accuracy accuracy) const {
  const std::vector<int64_t>& sets = sets_[size_t(accuracy)];
  return sets[size_t((launch * spec_.batch * spec_.m + a_row) % std::ssize(sets))];
}

/// What C or the bias adds to an output: of C, in row `at` of B counted over batches; the bias is one for all of them.
/// Tiny beside weights of zero, where nothing else is in D, and large beside large sums; here and there infinite, and
/// as large as its type allows. Others in every second launch: who remembers them by their address is wrong.
double SpecialValues::beside(const Tensor& t, int64_t at, int64_t launch) const {
  if (at % 4 != 2) return 0;  // as the kinds of rows are ordered, that spares sums which are about small numbers
  const uint64_t drawn = uint64_t(at) + (uint64_t(t.operand) << 40) + (uint64_t(launch % 2) << 50);
  const int64_t sixteenths = int64_t(random_bits(drawn) % 33) - 16;  // exact in every type
  const double sign = sixteenths < 0 ? -1 : 1;
  if (at % 64 == 18) return sign * INFINITY;
  if (at % 64 == 34) return sign * (t.dtype == Dtype::f16 || spec_.d == Dtype::f16 ? 0x1.8p13 : 0x1p110);
  const double size = at % 16 == 6 ? (spec_.d == Dtype::f16 ? 0x1p-14 : 0x1p-40) : at % 16 == 10 ? 0x1p12 : 1;
  return size * double(sixteenths) / 16;
}

std::vector<std::byte> SpecialValues::content(const Tensor& t, int64_t launch, Accuracy accuracy) const {
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
          const ActivationRow& a = rows_->activations()[size_t(set_of(batch * t.dims[1] + row, launch, accuracy))];
          std::memcpy(at, &a.bytes[size_t(column * size)], size_t(size));
        } else {
          encode_value(t.dtype, beside(t, rows_before + batch * t.dims[2] + column, launch), at);
        }
      }
  return bytes;
}

/// How far off an output may be: all but the accumulator's share, of which the part is that of rounding activations.
SpecialValues::Bound SpecialValues::bound_of(const SpecialProduct& p, double expected, double added,
                                             Accuracy accuracy) const {
  const double alpha = std::fabs(spec_.alpha), least = spec_.d == Dtype::f16 ? 0x1p-24 : kLeastNormal;
  const double u_sum = kSlack * kToleranceC * std::sqrt(double(spec_.k) + 4) * kF32Roundoff;
  Bound bound;
  bound.deviation = alpha * activation_deviation(p, accuracy);
  bound.output = kSlack * (unit_roundoff(spec_.d) * std::fabs(expected) + least) + alpha * p.flushed;
  if (accuracy == Accuracy::int8_activation) bound.output += alpha * p.of_scales;
  bound.all = bound.output + kDeviations * bound.deviation + u_sum * (alpha * p.magnitude + added);
  return bound;
}

std::string SpecialValues::check(const std::vector<Tensor>& d, const std::vector<std::vector<std::byte>>& bytes,
                                 int64_t launch, Accuracy accuracy) const {
  const int64_t distinct = std::ssize(rows_->weights()), elements = spec_.batch * spec_.m * spec_.n;
  const int64_t step = std::max<int64_t>(1, elements / kComparedElements);
  MeanSquare of_int8(rows_->activations().size() * rows_->weights().size());
  const auto tensor_of = [this](Operand operand) {
    return std::find_if(of_.tensors.begin(), of_.tensors.end(), [=](const Tensor& t) { return t.operand == operand; });
  };
  const auto c = tensor_of(Operand::c), bias = tensor_of(Operand::bias);  // of all segments one type
  int64_t rows_before = 0, element = 0;
  for (size_t s = 0; s < d.size(); ++s) {
    const Tensor& t = d[s];
    const int64_t columns = t.dims[2];
    for (int64_t batch = 0; batch < t.dims[0]; ++batch, rows_before += columns)
      for (int64_t m = 0; m < t.dims[1]; ++m)
        for (int64_t column = 0; column < columns; ++column, ++element) {
          if (element / kRun % step != 0 && elements - element > kRun) continue;
          const int64_t set = set_of(batch * t.dims[1] + m, launch, accuracy), row = (rows_before + column) % distinct;
          const SpecialProduct& p = rows_->product(set, row);
          const double from_c = spec_.beta != 0 ? spec_.beta * beside(*c, rows_before + column, launch) : 0;
          const double from_bias = spec_.bias ? beside(*bias, rows_before - batch * columns + column, launch) : 0;
          const double expected = spec_.alpha * p.product + from_c + from_bias;
          const double got = decode_value(
              t.dtype, &bytes[s][size_t(dtype_bytes(t.dtype, batch * t.strides[0] + m * t.strides[1] + column))]);
          const double added = std::fabs(from_c) + std::fabs(from_bias);
          const Bound bound = added == 0 ? bounds_[size_t(accuracy)][size_t(set * distinct + row)]
                                         : bound_of(p, expected, added, accuracy);
          if (!accepts(expected, got, bound.all)) {
            const std::string where = (spec_.segments.empty() ? "" : spec_.segments[t.segment].name + " ") +
                                      (spec_.batch > 1 ? fmt::format("batch {} ", batch) : "") +
                                      fmt::format("D[{},{}]", m, column);
            return fmt::format("on special values ({}) {} is {:.6g}, should be {:.6g}{}",
                               rows_->weights()[size_t(row)].what, where, got, expected,
                               std::isinf(expected) ? " or NaN"
                                                    : fmt::format(": off by {:.3g}, allowed {:.3g}",
                                                                  std::fabs(got - expected), bound.all));
          }
          if (accuracy == Accuracy::int8_activation && rows_->weights()[size_t(row)].is_random && bound.deviation > 0 &&
              std::isfinite(got))
            of_int8.add(size_t(set * distinct + row), got - expected, std::hypot(bound.deviation, bound.output));
        }
  }
  if (of_int8.is_too_large())
    return fmt::format(
        "on special values its int8 activations err {:.2f} times as much as rounding them in blocks of 32 explains "
        "(root mean square over {} elements)",
        of_int8.root(), of_int8.count());
  return "";
}

/// NaN is right for Inf: sums that correct themselves, or split a factor in two, subtract it from itself.
bool SpecialValues::accepts(double expected, double got, double bound) const {
  if (std::isnan(expected)) return true;
  if (std::isinf(expected)) return std::isnan(got) || got == expected;
  if (std::isinf(got)) return (got > 0 ? expected : -expected) + bound >= largest_value(spec_.d);
  return std::fabs(got - expected) <= bound;
}

}  // namespace assay

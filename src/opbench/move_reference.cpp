// What operations that move elements must give: copies, gathered and scattered rows, sorted lines.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "opbench/row_axis.h"
#include "opbench/row_judgement.h"

namespace assay {
namespace {

constexpr int64_t kStretch = 4096, kLines = 16;

const float* floats(const void* p) { return static_cast<const float*>(p); }
const int64_t* indices(const void* p) { return static_cast<const int64_t*>(p); }

void compare(const float* right, const float* y, int64_t count, int64_t first, OutputErrors& errors) {
  if (std::memcmp(right, y, size_t(count) * sizeof(float)) == 0) {
    errors.checked += count;
    return;
  }
  for (int64_t i = 0; i < count; ++i) errors.see(first + i, y[i], right[i], 0);
}

class ConcatReference : public RowReference {
 public:
  ConcatReference(const OperationRow& row, const std::vector<const void*>& inputs) : inputs_(inputs) {
    outer_ = axis_shape(row.inputs[0].dims, row.axis).outer;
    for (size_t i = 0; i < 2; ++i) piece_[i] = row.inputs[i].elements() / outer_;
    stretches_ = (piece_[0] + piece_[1] + kStretch - 1) / kStretch;
  }
  int64_t groups() const override { return outer_ * stretches_; }
  void check(const void* output, int64_t group, OutputErrors& errors) const override {
    const int64_t line = group / stretches_, begin = group % stretches_ * kStretch, width = piece_[0] + piece_[1];
    const int64_t end = std::min(begin + kStretch, width);
    for (size_t i = 0; i < 2; ++i) {
      const int64_t offset = i * piece_[0], low = std::max(begin, offset), high = std::min(end, offset + piece_[i]);
      if (low >= high) continue;
      const int64_t at = line * width + low;
      compare(floats(inputs_[i]) + line * piece_[i] + low - offset, floats(output) + at, high - low, at, errors);
    }
  }

 private:
  std::vector<const void*> inputs_;
  int64_t outer_ = 1, piece_[2] = {}, stretches_ = 1;
};

class GatherReference : public RowReference {
 public:
  GatherReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : inputs_(inputs), rows_(row.output.dims[0]), columns_(row.output.dims[1]) {}
  int64_t groups() const override { return rows_; }
  void check(const void* output, int64_t row, OutputErrors& errors) const override {
    const float* right = floats(inputs_[0]) + indices(inputs_[1])[row] * columns_;
    compare(right, floats(output) + row * columns_, columns_, row * columns_, errors);
  }

 private:
  std::vector<const void*> inputs_;
  int64_t rows_, columns_;
};

/// All of the output at once: it is small.
class ScatterReference : public RowReference {
 public:
  ScatterReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : count_(row.output.elements()), right_(size_t(count_)), bound_(size_t(count_)) {
    const int64_t columns = row.output.dims[1], rows = row.output.dims[0], added = row.inputs[1].elements();
    const float* x = floats(inputs[0]);
    std::vector<int64_t> times(size_t(rows), 1);
    std::vector<double> size(size_t(count_), 0);
    for (int64_t i = 0; i < count_; ++i) right_[size_t(i)] = x[i], size[size_t(i)] = std::abs(x[i]);
    for (int64_t i = 0; i < added; ++i) {
      const int64_t to = indices(inputs[1])[i];
      const float* v = floats(inputs[2]) + i * columns;
      ++times[size_t(to)];
      for (int64_t c = 0; c < columns; ++c) {
        double& y = right_[size_t(to * columns + c)];
        size[size_t(to * columns + c)] += std::abs(v[c]);
        y = row.operation == Operation::scatter       ? double(v[c])
            : row.operation == Operation::scatter_sum ? y + v[c]
                                                      : std::max(y, double(v[c]));
      }
    }
    for (int64_t i = 0; i < count_ && row.operation == Operation::scatter_sum; ++i)
      bound_[size_t(i)] = 4 * std::sqrt(double(times[size_t(i / columns)])) * kUnitRoundoff * size[size_t(i)];
  }
  int64_t groups() const override { return 1; }
  void check(const void* output, int64_t, OutputErrors& errors) const override {
    for (int64_t i = 0; i < count_; ++i) errors.see(i, floats(output)[i], right_[size_t(i)], bound_[size_t(i)]);
  }

 private:
  int64_t count_;
  std::vector<double> right_, bound_;
};

/// A line is right if it ascends and holds the very values of its input, which sums of hashes tell.
class SortReference : public RowReference {
 public:
  SortReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : axis_(axis_shape(row.shape(), row.axis)), x_(floats(inputs[0])) {}
  int64_t groups() const override { return axis_.outer * stretches(); }
  void check(const void* output, int64_t group, OutputErrors& errors) const override {
    const int64_t o = group / stretches(), begin = group % stretches() * kLines;
    const int64_t width = std::min(kLines, axis_.inner - begin), first = o * axis_.count * axis_.inner + begin;
    const float* y = floats(output) + first;
    uint64_t missing[kLines] = {};
    for (int64_t j = 0; j < axis_.count; ++j)
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = j * axis_.inner + i;
        missing[i] += hash(x_[first + at]) - hash(y[at]);
        const bool ascends = j == 0 || y[at - axis_.inner] <= y[at];
        errors.see(first + at, y[at], ascends ? y[at] : y[at - axis_.inner], 0);
      }
    for (int64_t i = 0; i < width; ++i)
      if (missing[i] != 0)
        errors.see(first + i, y[i], std::isnan(y[i]) ? x_[first + i] : std::nextafter(y[i], HUGE_VALF), 0);
  }

 private:
  static uint64_t hash(float value) { return random_bits(std::bit_cast<uint32_t>(value == 0 ? 0.0f : value)); }
  int64_t stretches() const { return (axis_.inner + kLines - 1) / kLines; }
  AxisShape axis_;
  const float* x_;
};

}  // namespace

std::unique_ptr<RowReference> make_move_reference(const OperationRow& row, const std::vector<const void*>& inputs) {
  switch (row.operation) {
    case Operation::concat:
      return std::make_unique<ConcatReference>(row, inputs);
    case Operation::gather:
      return std::make_unique<GatherReference>(row, inputs);
    case Operation::sort:
      return std::make_unique<SortReference>(row, inputs);
    default:
      return std::make_unique<ScatterReference>(row, inputs);
  }
}

}  // namespace assay

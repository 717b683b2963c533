// From the sizes in a row's name to its operands, bytes and flops.
#include "opbench/row_builder.h"

#include <algorithm>
#include <initializer_list>

#include "base/error.h"

namespace assay {
namespace {

// Flops: an FMA is two, and any other operation on a vector takes the place of one. So a function of single precision
// takes, with its polynomial and what leads to it:
constexpr int64_t kSimple = 2, kExponential = 24, kLogarithm = 32, kQuotient = 8;

int64_t product(const Dims& dims, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= dims[i];
  return n;
}

/// Fills in operands and costs; what is wrong with the sizes is told by name.
class RowBuilder {
 public:
  RowBuilder(OperationRow& row, const RowWords& words) : row_(row), words_(words) {}

  void build() {
    switch (row_.operation) {
      case Operation::argmax:
        return reduce(ValueType::i64, Draw::symmetric);
      case Operation::sum:
        return reduce(ValueType::f32, Draw::positive);
      case Operation::sum_all:
        return sum_all();
      case Operation::bce:
        return bce();
      case Operation::concat:
        return concat();
      case Operation::conv1d:
      case Operation::conv2d:
        return convolution();
      case Operation::gather:
        return gather();
      case Operation::linear:
      case Operation::matmul:
        return matmul();
      case Operation::scatter:
      case Operation::scatter_sum:
      case Operation::scatter_max:
        return scatter();
      case Operation::sort:
        return sort();
      case Operation::softmax:
      case Operation::layer_norm:
        return along_last();
      case Operation::attention:
        return attention();
      case Operation::relu:
        return elementwise(Draw::symmetric, 1, kSimple);
      case Operation::leaky_relu:
        return elementwise(Draw::symmetric, 1, 2 * kSimple);
      case Operation::prelu:
        return elementwise(Draw::symmetric, 2, 2 * kSimple);
      case Operation::selu:
        return elementwise(Draw::spread, 1, kExponential + kSimple);
      case Operation::sigmoid:
        return elementwise(Draw::spread, 1, kExponential + kSimple + kQuotient);
      case Operation::softplus:
        return elementwise(Draw::spread, 1, kExponential + kLogarithm);
    }
  }

  void check_axis() const {
    if (words_.axis && !has_axis_) fail("{}: {} has no axi=; leave it out", row_.name, row_.group);
  }

 private:
  const Dims& given(size_t i) const { return words_.dims[i]; }
  void expect(size_t count) const {
    if (words_.dims.size() != count)
      fail("{}: {} takes {} dim=, not {}", row_.name, row_.group, count, words_.dims.size());
  }
  void expect(bool holds, const char* what) const {
    if (!holds) fail("{}: {}", row_.name, what);
  }
  void take_axis() {
    if (!words_.axis) fail("{}: {} needs axi=N", row_.name, row_.group);
    const int64_t dims = int64_t(given(0).size()), axis = *words_.axis < 0 ? *words_.axis + dims : *words_.axis;
    if (axis < 0 || axis >= dims)
      fail("{}: axi={} is no dimension of the first input, which has {}", row_.name, *words_.axis, dims);
    row_.axis = size_t(axis);
    has_axis_ = true;
  }
  /// The sizes in a name are bounded one by one; what comes of several of them is here.
  int64_t times(std::initializer_list<int64_t> factors) const {
    int64_t result = 1;
    for (const int64_t factor : factors)
      if (__builtin_mul_overflow(result, factor, &result)) fail("{}: its sizes are too large to be counted", row_.name);
    return result;
  }
  void expect_elements(const Dims& dims) const {
    constexpr int64_t kMost = int64_t(1) << 40;
    int64_t elements = 1;
    for (const int64_t size : dims) elements = times({elements, size});
    expect(elements <= kMost, "an operand of its sizes has too many elements");
  }
  void input(const char* name, Dims dims, Draw draw = Draw::symmetric, int64_t limit = 0) {
    expect_elements(dims);
    row_.inputs.push_back({name, draw == Draw::index ? ValueType::i64 : ValueType::f32, std::move(dims), draw, limit});
  }
  /// The output, and what moves when each operand moves once.
  void output(Dims dims, ValueType type = ValueType::f32) {
    expect_elements(dims);
    row_.output = {"y", type, std::move(dims), Draw::symmetric, 0};
    for (const OperationOperand& each : row_.inputs) row_.bytes_read += each.bytes();
    row_.bytes_written = row_.output.bytes();
  }

  void reduce(ValueType type, Draw draw) {
    expect(1);
    take_axis();
    input("x", given(0), draw);
    Dims dims = given(0);
    dims.erase(dims.begin() + std::ptrdiff_t(row_.axis));
    output(dims, type);
    row_.flops = kSimple * row_.inputs[0].elements();
  }
  void sum_all() {
    expect(1);
    input("x", given(0), Draw::positive);
    output({});
    row_.flops = kSimple * row_.inputs[0].elements();
  }
  void bce() {
    expect(2);
    expect(given(0) == given(1), "probabilities and targets must have the same dim=");
    input("p", given(0), Draw::probability);
    input("t", given(1), Draw::probability);
    output({});
    row_.flops = (2 * kLogarithm + 4 * kSimple) * row_.inputs[0].elements();
    row_.scratch_bytes = row_.inputs[0].bytes();
  }
  void concat() {
    expect(2);
    take_axis();
    expect(given(0).size() == given(1).size(), "both must have as many dimensions");
    Dims dims = given(0);
    for (size_t i = 0; i < dims.size(); ++i)
      expect(i == row_.axis || given(0)[i] == given(1)[i], "only along axi= may they differ");
    dims[row_.axis] += given(1)[row_.axis];
    input("a", given(0));
    input("b", given(1));
    output(dims);
  }
  void convolution() {
    expect(2);
    const size_t spatial = row_.operation == Operation::conv1d ? 1 : 2;
    const Dims &x = given(0), &w = given(1);
    expect(x.size() == spatial + 2 && w.size() == spatial + 2, "x is [N, .., C], w is [O, .., C]");
    expect(x.back() == w.back(), "x and w must have as many channels");
    Dims dims = x;
    dims.back() = w[0];
    for (size_t i = 1; i <= spatial; ++i) {
      dims[i] = x[i] - w[i] + 1;
      expect(dims[i] >= 1, "the window is larger than x");
    }
    input("x", x);
    input("w", w);
    output(dims);
    row_.flops = times({2, row_.output.elements(), product(w, 1, w.size())});
    row_.scratch_bytes = row_.inputs[0].bytes() + row_.output.bytes();
  }
  void gather() {
    expect(2);
    expect(given(0).size() == 2 && given(1).size() == 1, "x is [R, C], index is [N]");
    input("x", given(0));
    input("index", given(1), Draw::index, given(0)[0]);
    output({given(1)[0], given(0)[1]});
    row_.bytes_read = row_.inputs[1].bytes() + std::min(row_.inputs[0].bytes(), row_.output.bytes());
  }
  void scatter() {
    expect(2);
    expect(given(0).size() == 2 && given(1).size() == 1, "x is [R, C], index is [N]");
    input("x", given(0));
    input("index", given(1), Draw::index, given(0)[0]);
    input("v", {given(1)[0], given(0)[1]});
    output(given(0));
    if (row_.operation != Operation::scatter) {
      row_.flops = row_.inputs[2].elements();
      return;
    }
    // Only the last of each row's values must be read.
    row_.bytes_read =
        row_.inputs[0].bytes() + row_.inputs[1].bytes() + std::min(row_.inputs[2].bytes(), row_.output.bytes());
  }
  void matmul() {
    const bool linear = row_.operation == Operation::linear;
    expect(linear ? 3 : 2);
    const Dims &a = given(0), &b = given(1);
    expect(a.size() >= 2 && b.size() >= 2, "both need two dimensions at least");
    expect(a.back() == b[b.size() - 2], "the last of a and the last but one of b must be equal");
    const bool shared = b.size() == 2;
    expect(shared || (!linear && b.size() == a.size() && Dims(a.begin(), a.end() - 2) == Dims(b.begin(), b.end() - 2)),
           "b is [K, N], or has the leading dimensions of a");
    input("a", a);
    input("b", b);
    if (linear) {
      expect(given(2) == Dims{b.back()}, "the bias is [N]");
      input("bias", given(2));
    }
    Dims dims = a;
    dims.back() = b.back();
    output(dims);
    row_.flops = times({2, row_.output.elements(), a.back()});
    row_.scratch_bytes = row_.inputs[1].bytes();
  }
  void elementwise(Draw draw, size_t inputs, int64_t flops) {
    expect(inputs);
    input("x", given(0), draw);
    if (inputs == 2) {
      expect(given(1) == Dims{1}, "the slope is one number, dim=1");
      input("w", given(1), Draw::probability);
    }
    output(given(0));
    row_.flops = flops * row_.output.elements();
  }
  void sort() {
    expect(1);
    take_axis();
    input("x", given(0));
    output(given(0));
    int64_t levels = 1;
    while (int64_t(1) << levels < given(0)[row_.axis]) ++levels;
    // Batcher's merging network, which lines side by side in vectors go through: some levels² / 4 exchanges an element,
    // each a minimum and a maximum.
    row_.flops = times({levels * levels - levels + 4, kSimple, row_.output.elements()}) / 2;
    row_.scratch_bytes = 8 * row_.output.bytes();  // indices of i64, and copies of both where the axis is not the last
  }
  void along_last() {
    expect(1);
    take_axis();
    expect(row_.axis + 1 == given(0).size(), "the axis must be the last");
    const bool norm = row_.operation == Operation::layer_norm;
    input("x", given(0), norm ? Draw::symmetric : Draw::spread);
    if (norm) input("w", {given(0).back()}), input("b", {given(0).back()});
    output(given(0));
    row_.flops = (norm ? 5 * kSimple : 4 * kSimple + kExponential) * row_.output.elements();
  }
  void attention() {
    expect(3);
    expect(given(0).size() == 4 && given(0) == given(1) && given(0) == given(2), "q, k and v are [B, H, L, D]");
    input("q", given(0));
    input("k", given(1));
    input("v", given(2));
    output(given(0));
    const Dims& d = given(0);
    row_.flops = times({d[0], d[1], d[2], d[2], 4 * d[3] + 4 * kSimple + kExponential});
    row_.scratch_bytes = times({2 * 4, d[0], d[1], d[2], d[2]});
  }

  OperationRow& row_;
  const RowWords& words_;
  bool has_axis_ = false;
};

}  // namespace

void build_row(OperationRow& row, const RowWords& words) {
  RowBuilder builder(row, words);
  builder.build();
  builder.check_axis();
}

}  // namespace assay

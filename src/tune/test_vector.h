// Test vectors of an exported kernel: inputs that a seed makes out of small pools, and what must come of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spec/accuracy.h"
#include "spec/spec.h"

namespace assay {

/// Whole elements or blocks of one type, a power of two of them. Inputs are drawn from it, so that a seed says what
/// they are, whatever the type.
struct Pool {
  std::vector<std::byte> bytes;
  int64_t unit = 1;
  bool operator==(const Pool&) const = default;
  int64_t count() const { return int64_t(bytes.size()) / unit; }
  /// Unit i of `to` is the one that random_bits(seed + i) draws.
  void fill(std::span<std::byte> to, uint64_t seed) const;
};

/// Of one operand: indices of pools, -1 for none; without one it holds NaN.
struct Fill {
  int data = -1, scales = -1;
  uint64_t seed = 0;
};

struct TestPoint {
  int64_t element = 0;  // of what is written
  double value = 0, bound = 0;
};

struct TestVector {
  Spec spec;
  std::vector<Fill> fills;                           // in the order of the spec's tensors; scales are drawn with ~seed
  std::vector<std::pair<int64_t, int64_t>> written;  // elements [first, end) of all outputs; others stay as they were
  std::vector<TestPoint> points;
  std::vector<TestPoint> sums;  // of each stretch of the outputs, weighted by weight_of_sum()
  int64_t stretch = 1;
  uint64_t sum_seed = 0;
};

/// "" or why no vector of it can be made.
std::string untestable(const Spec& spec);

/// From -1 to 1.
double weight_of_sum(uint64_t seed, int64_t element);

/// Its expected values come from the double reference. New pools are added to `pools`. Error "suspect the reference" if
/// that disagrees with itself.
TestVector make_test_vector(const Spec& spec, Accuracy accuracy, uint64_t seed, std::vector<Pool>& pools);

}  // namespace assay

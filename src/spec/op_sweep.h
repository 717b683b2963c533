// Launches of an op that differ in numbers alone: a row that is looked up, a position, a place of a largest value.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace assay {

struct Spec;
struct OpValues;
struct ExpectedOutput;

/// What a number changes of the operand that it stands in: an element, in logical order.
struct SweptValue {
  int64_t element;
  double value;
};

/// Right answers of such launches, all operands but that one being the same; made faster than one by one.
class SweptAnswers {
 public:
  virtual ~SweptAnswers() = default;
  /// As Op::expected. Fastest where launches come in ascending order of their numbers.
  virtual void expected(std::span<const int64_t> numbers, std::span<ExpectedOutput> outputs) = 0;
};

/// How the numbers that an op looks up, or finds, are tried one after another.
struct OpSweep {
  size_t operand = 0;     // which of the varied operands they change
  bool are_rows = false;  // of the only weights: a number's row of D is that row
  /// They are [0, numbers); a launch has so many, different ones for each of its rows.
  int64_t (*numbers)(const Spec& spec);
  int64_t (*per_launch)(const Spec& spec);
  void (*put)(const Spec& spec, std::span<const int64_t> numbers, std::vector<SweptValue>& to);
  /// Those near which kernels err: they are tried first.
  std::vector<int64_t> (*likely)(const Spec& spec, uint64_t drawn);
  /// Null, or a null result: Op::expected, launch by launch.
  std::unique_ptr<SweptAnswers> (*answers)(const Spec& spec, const OpValues& in);
};

}  // namespace assay

// The proof of launches that differ in numbers alone (spec/op_sweep.h): what each is given, and whether it is right.
#pragma once
#include <array>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "proof/host_launch.h"
#include "proof/row_sums.h"

namespace assay {

/// Elements of one output, as they came from the device.
struct WrittenElements {
  int64_t first = 0, end = 0;
  std::span<const std::byte> bytes;
};

inline constexpr int64_t kMostNumbers = 1 << 20;  // that are tried; of more so many are drawn

class SweptProof {
 public:
  /// spec: the proof's own, or one with a larger cache. base: of which the numbers are changed; not special, and its
  /// copy 0 where `rows` are given.
  SweptProof(const Proof& proof, const Spec& spec, const LaunchInputs& base, Accuracy accuracy, const RowSums* rows);

  int64_t numbers() const { return sweep_.numbers(spec_); }
  int64_t per_launch() const { return sweep_.per_launch(spec_); }
  struct Order {
    std::vector<int64_t> numbers;
    int64_t share = 0;  // the first so many; where numbers are many, one of each 16 neighbours
  };
  /// All numbers, or of more than `most` so many; those first near which kernels err. Each once. Of many a share comes
  /// before the rest: one of each 16 neighbours, of every remainder by powers of two up to 4,096 (and count/16) one.
  Order in_drawn_order(std::mt19937_64& random, int64_t most = kMostNumbers) const;
  /// Which of the varied operands they change, and the bytes of all without a change.
  size_t operand() const { return sweep_.operand; }
  const std::vector<std::vector<std::byte>>& varied() const { return base_; }
  struct Change {
    int64_t at = 0, size = 0;  // in the operand's bytes
    std::array<std::byte, 4> bytes{};
  };
  /// Until the next call.
  std::span<const Change> changes(std::span<const int64_t> numbers);

  /// What the next calls speak of. Fastest in ascending order.
  void expect(std::span<const int64_t> numbers);
  /// Which elements of an output it writes, where that is sparse.
  std::span<const std::pair<int64_t, int64_t>> written(size_t output) const { return expected_[output].written; }
  /// "" or what is wrong: of a dense output, all of it; and of a written range of a sparse one.
  std::string check(size_t output, std::span<const std::byte> d) const;
  std::string check_written(size_t output, size_t range, std::span<const std::byte> bytes) const;
  const std::vector<Tensor>& outputs() const { return outputs_; }

 private:
  std::string compare(size_t output, int64_t first, int64_t count, const ExpectedValue* values,
                      std::span<const std::byte> d) const;
  std::string text_of_numbers() const;

  const Spec& spec_;
  const OpSweep& sweep_;
  HostLaunch host_;
  std::vector<std::vector<std::byte>> base_;
  std::unique_ptr<SweptAnswers> answers_;
  const RowSums* const rows_;
  std::vector<Tensor> outputs_;
  Tensor changed_;  // the operand
  std::vector<SweptValue> values_;
  std::vector<Change> changes_;
  std::vector<int64_t> expected_numbers_;
  std::vector<ExpectedOutput> expected_;
};

}  // namespace assay

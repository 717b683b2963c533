// Launches over all rows, positions or places that an op looks up or finds, many bound at once.
#pragma once
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "measure/binding.h"
#include "proof/swept_proof.h"

namespace assay {

/// Launches that differ in numbers alone share all memory but the operand that holds the numbers, and D: of these each
/// launch has its own, so that hundreds are bound to one program. They are tried in drawn order: all numbers where that
/// takes `whole_ms` at most; else a share of them (SweptProof::Order) where that takes `share_ms`; else as many as fit
/// into `usual_ms`, and `least` launches, unless a few take several times as long.
class NumberSweep {
 public:
  /// launch: of the weights that `proof` speaks of, its varied operands in memory of its own or anybody's.
  NumberSweep(OpenedArenas& opened, const Launch& launch, SweptProof& proof);
  ~NumberSweep();
  NumberSweep(const NumberSweep&) = delete;
  NumberSweep& operator=(const NumberSweep&) = delete;

  struct Length {
    int64_t least = 1;                                // launches
    double usual_ms = 0, share_ms = 0, whole_ms = 0;  // of the processor's time that the caller takes
    int64_t most = kMostNumbers;                      // numbers
  };
  /// "" or what is wrong.
  std::string run(const Length& length, std::mt19937_64& random);
  /// Launches that were compared.
  int64_t launches() const { return launches_; }
  /// Whether run() tried all numbers that there are, or the share of them.
  bool is_enough() const { return is_enough_; }

 private:
  struct Slots {  // of one tensor, so many bytes apart
    size_t tensor;
    Address memory;
    int64_t bytes, step;
    std::vector<std::byte> host;  // of an output
  };
  Slots borrow(size_t tensor);
  void bind(int64_t count);
  std::string launch(std::span<const int64_t> numbers);
  void make_ready(int64_t count);
  void put(std::span<const int64_t> numbers);
  std::string compare(std::span<const int64_t> numbers, int64_t slot);
  std::string compare_sparse(size_t output, const Tensor& t);
  std::string compare_untouched();

  OpenedArenas& opened_;
  MeasuredDevice& device_;
  const Launch& launch_;
  SweptProof& proof_;
  const int64_t per_launch_;  // numbers
  int64_t slots_ = 1, ready_ = 0, launches_ = 0;
  bool is_enough_ = false;
  Slots changed_;
  std::vector<Slots> outputs_;                 // of dense outputs; of sparse ones no bytes
  std::vector<std::vector<std::byte>> whole_;  // of sparse outputs that came to the host as a whole
  std::vector<std::vector<bool>> touched_;     // of sparse outputs: which rows were written
  std::vector<SweptProof::Change> changes_;    // of the changed operand's slots, for the launches to come
  std::vector<SweptProof::Change> restore_;    // what the launches before changed there, as it was
  std::unique_ptr<Program> program_;
  int64_t bound_ = 0;
};

}  // namespace assay

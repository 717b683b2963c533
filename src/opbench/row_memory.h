// The memory of one row: inputs that workers inherit, an output that they share with their parent.
#pragma once
#include <memory>
#include <vector>

#include "opbench/operations.h"

namespace assay {

/// Mapped anonymous memory, in huge pages where it fills one and the system can: a processor that looks up a small page
/// for every 4 KB it writes has less time to read.
class MappedBlock {
 public:
  /// shared: what a forked child writes is seen by all. Error where there is none.
  MappedBlock(int64_t bytes, bool shared);
  ~MappedBlock();
  MappedBlock(const MappedBlock&) = delete;
  MappedBlock& operator=(const MappedBlock&) = delete;
  std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }
  /// In this process: a write ends it.
  void make_read_only() const;

 private:
  std::byte* data_;
  size_t bytes_, mapped_bytes_;
  void* reserved_;
  size_t reserved_bytes_;
};

/// Made by a process without threads before it forks. Every set of inputs begins at other places of what was drawn, so
/// that no two samples compute the same.
class RowMemory {
 public:
  explicit RowMemory(const OperationRow& row);

  /// Where the operands of this set begin, 64-byte aligned.
  std::vector<const void*> inputs(uint64_t set) const;
  void* output() const { return output_->data(); }
  /// Whole, with what lies behind them.
  const std::vector<std::unique_ptr<MappedBlock>>& input_blocks() const { return inputs_; }
  const MappedBlock& output_block() const { return *output_; }

  /// In a worker, before a framework is loaded: what changes its inputs computes something else the next time.
  void protect_inputs() const;

  /// Every float a NaN, every index -1.
  void poison_output() const;
  /// Both ends of the output and a few drawn places between, in words of four bytes.
  std::vector<int64_t> some_words(uint64_t secret) const;
  /// Those poisoned likewise, and whether any of them is so still.
  void poison(const std::vector<int64_t>& words) const;
  bool any_left(const std::vector<int64_t>& words) const;
  /// What lies behind the output, and whether it is as lay_guard() left it.
  void lay_guard() const;
  bool guard_is_whole() const;

  /// What the row takes beside scratch.
  static int64_t bytes(const OperationRow& row);

 private:
  const OperationRow& row_;
  std::vector<std::unique_ptr<MappedBlock>> inputs_;
  std::unique_ptr<MappedBlock> output_;
};

}  // namespace assay

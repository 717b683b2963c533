// Device memory that no kernel may change, and its checksum: a GPU traps no write to it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cuda/driver.h"
#include "backend/device.h"

namespace assay {

class ProtectedMemory {
 public:
  /// `checksum` of device_code.h, which runs in so many blocks in `stream`: launches in a second stream of a process
  /// were seen to make each node of every graph 0.18 us longer (H100, driver 580). Each sum ends with twice `l2_bytes`
  /// of memory that no kernel reads: what was read last would stay in that cache, and the weights would not be cold for
  /// a turn that begins there.
  void open(CUfunction checksum, unsigned blocks, CUstream stream, int64_t l2_bytes);
  /// From now on this block must hold what it holds; nothing writes to it any more. Whole words of 16 bytes. One that
  /// is `shared` is looked at whenever any is.
  void add(CUdeviceptr block, int64_t bytes, bool shared);
  /// Starts to sum what is shared and these blocks, and returns at once.
  void start(std::span<const Address> more);
  /// Waits for the sum that was started, if one was.
  void finish();
  /// Whether any sum so far was another than it had to be.
  bool changed() const { return changed_; }
  bool is_started() const { return started_; }

 private:
  struct Block {
    CUdeviceptr memory;
    int64_t bytes;
    bool shared;
    uint64_t sum;
  };
  /// They add up in one word.
  void start(const std::vector<Block>& blocks);
  uint64_t sum_of(const Block& block);

  CUfunction checksum_ = nullptr;
  unsigned grid_ = 1;
  CUstream stream_ = nullptr;
  CUdeviceptr word_ = 0;     // where the device sums
  uint64_t* sum_ = nullptr;  // where it puts the sum, in memory of the host
  std::vector<Block> blocks_;
  Block last_{};  // of every sum; nobody's weights
  uint64_t expected_ = 0;
  bool started_ = false, changed_ = false;
};

}  // namespace assay

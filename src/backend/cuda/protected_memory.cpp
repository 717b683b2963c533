// The checksum of device memory that no kernel may change.
#include "backend/cuda/protected_memory.h"

#include <algorithm>

#include "backend/cuda/own_kernel.h"

namespace assay {

void ProtectedMemory::open(CUfunction checksum, unsigned blocks, CUstream stream) {
  checksum_ = checksum;
  grid_ = blocks;
  stream_ = stream;
  check(driver().cuMemAlloc_(&word_, sizeof *sum_), "allocating");
  sum_ = static_cast<uint64_t*>(allocate_on_host(sizeof *sum_));
}

void ProtectedMemory::add(CUdeviceptr memory, int64_t bytes, bool shared) {
  finish();
  start(std::vector<Block>{{memory, bytes, shared, 0}});
  check(driver().cuStreamSynchronize_(stream_), "summing");
  started_ = false;
  blocks_.push_back({memory, bytes, shared, *sum_});
}

void ProtectedMemory::start(std::span<const Address> more) {
  finish();
  std::vector<Block> watched;
  for (const Block& block : blocks_)
    if (block.shared || std::count(more.begin(), more.end(), reinterpret_cast<Address>(block.memory)) > 0) watched.push_back(block);
  start(watched);
}

void ProtectedMemory::start(const std::vector<Block>& blocks) {
  check(driver().cuMemsetD8Async_(word_, 0, sizeof *sum_, stream_), "summing");
  expected_ = 0;
  for (Block block : blocks) {
    expected_ += block.sum;
    uint64_t words = uint64_t(block.bytes) / 16;
    void* parameters[] = {&block.memory, &words, &word_};
    launch_own_kernel(checksum_, grid_, 1, stream_, parameters);
  }
  check(driver().cuMemcpyDtoHAsync_(sum_, word_, sizeof *sum_, stream_), "summing");
  started_ = true;
}

void ProtectedMemory::finish() {
  if (!started_) return;
  check(driver().cuStreamSynchronize_(stream_), "summing");
  started_ = false;
  changed_ |= *sum_ != expected_;
}

}  // namespace assay

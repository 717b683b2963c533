// The checksum of device memory that no kernel may change.
#include "backend/cuda/protected_memory.h"

#include <algorithm>

#include "backend/cuda/own_kernel.h"

namespace assay {
namespace {

constexpr int64_t kLeastLastBytes = 4096;  // where the size of the cache is not known

}  // namespace

void ProtectedMemory::open(CUfunction checksum, unsigned blocks, CUstream stream, int64_t l2_bytes) {
  checksum_ = checksum;
  grid_ = blocks;
  stream_ = stream;
  check(driver().cuMemAlloc_(&word_, sizeof *sum_), "allocating");
  sum_ = static_cast<uint64_t*>(allocate_on_host(sizeof *sum_));
  last_.bytes = std::max(2 * l2_bytes, kLeastLastBytes);
  check(driver().cuMemAlloc_(&last_.memory, size_t(last_.bytes)), "allocating");
  check(driver().cuMemsetD8Async_(last_.memory, 0, size_t(last_.bytes), stream_), "filling");
  last_.sum = sum_of(last_);
}

void ProtectedMemory::add(CUdeviceptr memory, int64_t bytes, bool shared) {
  finish();
  Block block{memory, bytes, shared, 0};
  block.sum = sum_of(block);
  blocks_.push_back(block);
}

uint64_t ProtectedMemory::sum_of(const Block& block) {
  start(std::vector<Block>{block});
  check(driver().cuStreamSynchronize_(stream_), "summing");
  started_ = false;
  return *sum_;
}

void ProtectedMemory::start(std::span<const Address> more) {
  finish();
  std::vector<Block> watched;
  for (const Block& block : blocks_)
    if (block.shared || std::count(more.begin(), more.end(), reinterpret_cast<Address>(block.memory)) > 0)
      watched.push_back(block);
  watched.push_back(last_);
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

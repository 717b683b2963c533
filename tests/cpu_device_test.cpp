// Laws of the CPU device's memory.
#include "backend/cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace assay {
namespace {

TEST(CpuDevice, FillReachesEveryByteOfItsRangeAndNoOtherHoweverBigItIs) {
  constexpr int64_t kAround = 64;
  CpuDevice device(0, /*pins_caller=*/true);
  for (const int64_t bytes :
       {int64_t(1), int64_t(4097), (int64_t(16) << 20) - 1, int64_t(16) << 20, (int64_t(37) << 20) + 5}) {
    const Address block = device.allocate(bytes + 2 * kAround);
    device.fill(block + kAround, 0xa5, bytes);
    std::vector<std::byte> seen(size_t(bytes + 2 * kAround));
    device.read(seen.data(), block, bytes + 2 * kAround);
    const auto begin = seen.begin() + kAround, end = begin + bytes;
    EXPECT_EQ(std::count(begin, end, std::byte{0xa5}), bytes);
    EXPECT_EQ(std::count(seen.begin(), begin, std::byte{0}), kAround) << bytes;
    EXPECT_EQ(std::count(end, seen.end(), std::byte{0}), kAround) << bytes;
    device.release(block);
  }
}

}  // namespace
}  // namespace assay

// A launch between walls.
#include "measure/walled_launch.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/round_up.h"

namespace assay {
namespace {

constexpr unsigned char kLeftByte = 0x7b;            // of such bytes each type makes large finite numbers
constexpr int64_t kMostStaying = int64_t(16) << 20;  // of an output

class Walls {
 public:
  explicit Walls(OpenedArenas& opened) : opened_(opened), device_(opened.device()) {}
  ~Walls() {
    for (const Block& block : blocks_) {
      if (block.stays) continue;
      device_.unprotect(block.memory, block.bytes);
      opened_.give_back(block.memory, block.bytes + page_);
    }
    if (closed_) device_.unprotect(closed_, closed_bytes_);
  }
  Walls(const Walls&) = delete;
  Walls& operator=(const Walls&) = delete;

  /// At the end of its pages, but for a guard band; behind them nobody may read.
  Address allocate(int64_t bytes, unsigned char content) {
    const int64_t padded = round_up(bytes, 64), all = round_up(padded + 2 * kGuardBytes, page_);
    blocks_.push_back({opened_.borrow(all + page_), all, false});
    const Address end = blocks_.back().memory + all, data = end - kGuardBytes - padded;
    device_.close_off(end, page_);
    device_.fill(data - kGuardBytes, kPoison, padded + 2 * kGuardBytes);
    device_.fill(data, content, bytes);
    return data;
  }
  /// Of an input, once it is there.
  void make_read_only() { device_.protect(blocks_.back().memory, blocks_.back().bytes); }

  /// Of an output: who writes late is to be found out, not to crash.
  void let_stay() { blocks_.back().stays = blocks_.back().bytes <= kMostStaying; }

  void close_off(Address block, int64_t bytes) {
    if (device_.close_off(block, bytes)) closed_ = block, closed_bytes_ = bytes;
  }

 private:
  struct Block {
    Address memory;
    int64_t bytes;
    bool stays = false;
  };

  OpenedArenas& opened_;
  MeasuredDevice& device_;
  const int64_t page_ = sysconf(_SC_PAGESIZE);
  std::vector<Block> blocks_;
  Address closed_ = nullptr;
  int64_t closed_bytes_ = 0;
};

/// The bands on both sides of a buffer.
bool is_whole_around(MeasuredDevice& device, Address data, int64_t bytes) {
  const int64_t behind = round_up(bytes, 64) - bytes + kGuardBytes;
  std::vector<std::byte> bands(size_t(kGuardBytes + behind));
  device.read(bands.data(), data - kGuardBytes, kGuardBytes);
  device.read(&bands[kGuardBytes], data + bytes, behind);
  return first_not_poison(bands) < 0;
}

}  // namespace

Walled run_walled(OpenedArenas& opened, const Launch& of, const std::vector<std::vector<std::byte>>& varied) {
  MeasuredDevice& device = opened.device();
  Walls walls(opened);
  Launch launch = of;
  size_t number = 0;
  std::vector<std::byte> constant;
  for (Tensor& t : launch.tensors) {
    if (t.use == Use::weight) continue;
    const Address usual = t.data;
    t.data = walls.allocate(t.bytes, t.use == Use::output && !t.is_sparse ? kLeftByte : kPoison);
    if (t.use == Use::output) walls.let_stay();
    if (t.use == Use::output) continue;
    if (t.use == Use::varied) {
      device.write(t.data, varied[number++].data(), t.bytes);
    } else {
      constant.resize(size_t(t.bytes));
      device.read(constant.data(), usual, t.bytes);
      device.write(t.data, constant.data(), t.bytes);
    }
    walls.make_read_only();
  }
  if (of.workspace) {
    launch.workspace = walls.allocate(of.workspace_bytes, kLeftByte);
    walls.close_off(of.workspace - kGuardBytes, round_up(of.workspace_bytes, 64) + 2 * kGuardBytes);
  }
  Walled result;
  const int64_t began = now_ns();
  device.dispatch(launch);
  result.launch_us = double(now_ns() - began) * 1e-3;
  std::vector<std::byte>& d = result.d;
  bool is_whole = !launch.workspace || is_whole_around(device, launch.workspace, launch.workspace_bytes);
  for (const Tensor& t : launch.tensors) {
    if (t.use != Use::output) continue;
    const size_t before = d.size();
    d.resize(before + size_t(t.bytes));
    device.read(&d[before], t.data, t.bytes);
    is_whole = is_whole && is_whole_around(device, t.data, t.bytes);
  }
  if (!is_whole) result.message = "wrote outside of a buffer";
  return result;
}

}  // namespace assay

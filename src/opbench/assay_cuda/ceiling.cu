// The ceiling of a row on a GPU: only its bytes are moved. As many as are written are read beside it, the rest is read.
#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kMostParts = 8;
constexpr int kReadUnroll = 8, kCopyUnroll = 4;  // words of 16 bytes that a thread has in flight

/// Words that are copied, or only read (`to` is null), or only written (`from` is null).
struct Part {
  const uint4* from;
  uint4* to;
  int64_t words;
  unsigned end;  // of its blocks
};
struct Traffic {
  Part parts[kMostParts];
  uint4* sink;
  int tail;  // words of 4 bytes behind those of the output
  unsigned* tail_at;
};

template <int UNROLL>
__global__ void __launch_bounds__(kThreads) move(const __grid_constant__ Traffic t) {
  int p = 0;
  while (blockIdx.x >= t.parts[p].end) ++p;
  const Part part = t.parts[p];
  const unsigned block = blockIdx.x - (p > 0 ? t.parts[p - 1].end : 0);
  const int64_t begin = int64_t(block) * kThreads * UNROLL + threadIdx.x;
  uint4 v[UNROLL];
#pragma unroll
  for (int u = 0; u < UNROLL; ++u)
    v[u] = part.from && begin + u * kThreads < part.words ? part.from[begin + u * kThreads] : uint4{1, 1, 1, 1};
  if (part.to) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
      if (begin + u * kThreads < part.words) part.to[begin + u * kThreads] = v[u];
  } else {
    uint4 all = v[0];
#pragma unroll
    for (int u = 1; u < UNROLL; ++u) all = {all.x ^ v[u].x, all.y ^ v[u].y, all.z ^ v[u].z, all.w ^ v[u].w};
    // Hardly ever so, yet nobody may leave the reads out.
    if (all.x == 0x9e3779b9u && all.y == 0x85ebca6bu && all.z == 0xc2b2ae35u && all.w == 0x27d4eb2fu) *t.sink = all;
  }
  if (blockIdx.x == 0 && threadIdx.x < t.tail) t.tail_at[threadIdx.x] = 1;
}

class DeviceTraffic final : public PreparedOperation {
 public:
  explicit DeviceTraffic(const OperationRow& row)
      : row_(row.output.bytes()), written_(row.output.bytes() / 16), tail_(int(row.output.bytes() % 16 / 4)) {
    // Of what is not all needed the beginning stands for the rest.
    int64_t left = row.bytes_read / 16;
    for (const OperationOperand& input : row.inputs) {
      words_.push_back(std::min(input.bytes() / 16, left));
      left -= words_.back();
      read_ += words_.back();
    }
    if (written_ < read_ / 4) unroll_ = kReadUnroll;
  }
  void see(const std::vector<MemoryBlock>& inputs, MemoryBlock output) override { row_.see(inputs, output); }
  void bind(const void* const* inputs, void* output) override {
    row_.bind(inputs, output);
    traffic_ = {};
    count_ = 0, blocks_ = 0;
    auto* const to = static_cast<uint4*>(row_.output());
    int64_t copied = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      const auto* from = static_cast<const uint4*>(row_.inputs()[i]);
      const int64_t both = std::min(words_[i], written_ - copied);
      add(from, to + copied, both);
      add(from + both, nullptr, words_[i] - both);
      copied += both;
    }
    add(nullptr, to + copied, written_ - copied);
    if (blocks_ == 0) blocks_ = traffic_.parts[0].end = 1;
    traffic_.sink = static_cast<uint4*>(static_cast<void*>(sink_->data()));
    traffic_.tail = tail_;
    traffic_.tail_at = reinterpret_cast<unsigned*>(to + written_);
  }
  void run() override {
    row_.begin();
    if (unroll_ == kReadUnroll)
      move<kReadUnroll><<<blocks_, kThreads>>>(traffic_);
    else
      move<kCopyUnroll><<<blocks_, kThreads>>>(traffic_);
  }
  void wait() override { row_.wait(); }
  double device_us() override { return row_.device_us(); }
  void fetch(const int64_t* words, size_t count) override { row_.fetch(words, count); }

 private:
  void add(const uint4* from, uint4* to, int64_t words) {
    if (words <= 0 || count_ == kMostParts) return;
    blocks_ += unsigned(pieces(words, kThreads * unroll_));
    traffic_.parts[count_++] = {from, to, words, blocks_};
  }

  DeviceRow row_;
  std::vector<int64_t> words_;
  int64_t written_, read_ = 0;
  int tail_, unroll_ = kCopyUnroll, count_ = 0;
  unsigned blocks_ = 0;
  std::shared_ptr<DeviceBlock> sink_ = zeroed<uint4>(1);
  Traffic traffic_{};
};

class DeviceCeiling final : public Framework {
 public:
  explicit DeviceCeiling(const ThreadTeam&) {}
  std::string version() override { return cuda_device_text(); }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string&) override {
    return std::make_unique<DeviceTraffic>(row);
  }
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::DeviceCeiling)

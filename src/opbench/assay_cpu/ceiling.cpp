// The ceiling of a row: only its bytes are moved. As many as are written are read beside it, the rest is read; what is
// gathered is loaded from its table as often as it is written.
#include "vectors.h"

namespace assay {
namespace {

/// An input of less may lie in a third-level cache in part, in which each line that is told costs: of 34 MB one line of
/// four comes 13 to 20 % faster than all, of 72 MB and more all are as fast or faster.
constexpr int64_t kWhollyFarBytes = int64_t(64) << 20;

template <bool STREAMED>
void copy(const float* x, float* y, int64_t count) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    __builtin_prefetch(x + i + kAheadOfCopy, 0, 2);
    for (int u = 0; u < 4; ++u) put<STREAMED>(y + i + u * kLanes, load(x + i + u * kLanes));
  }
  for (; i < count; ++i) y[i] = x[i];
  if (STREAMED) streams_done();
}

template <bool STREAMED>
void fill(float* y, int64_t count) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int u = 0; u < 4; ++u) put<STREAMED>(y + i + u * kLanes, set1(1));
  for (; i < count; ++i) y[i] = 1;
  if (STREAMED) streams_done();
}

/// Memory wants two streams and to be told ahead; what stays in a cache comes faster as one. TOLD: one line of so many.
template <int TOLD>
int read(const float* x, int64_t count) {
  constexpr int kStreams = TOLD > 0 ? 2 : 1, kChains = 8 / kStreams;
  const int64_t each = count / kStreams / (kChains * kLanes) * (kChains * kLanes);
  Ints bits[kStreams][kChains] = {};  // of any type: indices as floats would be subnormal
  for (int64_t i = 0; i < each; i += kChains * kLanes)
    for (int s = 0; s < kStreams; ++s) {
      const float* p = x + s * each + i;
      if (TOLD > 0 && (kChains * kLanes >= 16 * TOLD || i % (16 * TOLD) == 0))
        for (int line = 0; line < kChains * kLanes; line += 16 * TOLD) __builtin_prefetch(p + line + 1024, 0, 2);
      for (int c = 0; c < kChains; ++c) bits[s][c] |= Ints(load(p + c * kLanes));
    }
  Ints all = {};
  for (auto& stream : bits)
    for (const Ints& chain : stream) all |= chain;
  for (int64_t i = kStreams * each; i < count; ++i) all[0] |= int(x[i] != 0);
  int result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result |= all[lane];
  return result;
}

class Traffic final : public PreparedOperation {
 public:
  Traffic(const OperationRow& row, const ThreadTeam& team)
      : team_(team),
        written_(row.output.bytes() / 4),
        streamed_(row.output.bytes() >= kStreamedBytes),
        read_(row.bytes_read >= kWhollyFarBytes ? read<1>
              : row.bytes_read >= kFarBytes     ? read<4>
                                                : read<0>),
        gathers_(row.operation == Operation::gather) {
    for (const OperationOperand& input : row.inputs) sizes_.push_back(input.bytes() / 4);
    // Of what is not all needed (rows that are gathered, values that are overwritten) the beginning stands for the
    // rest.
    int64_t left = row.bytes_read / 4;
    for (int64_t& size : sizes_) left -= size = std::min(size, left), all_read_ += size;
  }
  void bind(const void* const* inputs, void* output) override {
    inputs_.assign(inputs, inputs + sizes_.size());
    output_ = static_cast<float*>(output);
  }
  void run() override {
    on_team(team_, written_ + all_read_ >= kLeastShared, [this](int index, int threads) {
      const Share out = share_of(written_, 64, index, threads);
      int64_t at = out.begin;
      int looked = 0;
      for (size_t i = 0; i < sizes_.size(); ++i) {
        const float* x = static_cast<const float*>(inputs_[i]);
        const Share in = share_of(sizes_[i], 64, index, threads);
        // What follows must begin with a whole cache line as well.
        const int64_t copied = std::min(in.end - in.begin, out.end - at) / 16 * 16;
        streamed_ ? copy<true>(x + in.begin, output_ + at, copied) : copy<false>(x + in.begin, output_ + at, copied);
        at += copied;
        const float* rest = x + in.begin + copied;
        const int64_t count = in.end - in.begin - copied;
        looked |= read_(rest, count);
      }
      for (int64_t copied; gathers_ && (copied = std::min(sizes_[0], out.end - at) / 16 * 16) > 0; at += copied) {
        const float* table = static_cast<const float*>(inputs_[0]);
        streamed_ ? copy<true>(table, output_ + at, copied) : copy<false>(table, output_ + at, copied);
      }
      streamed_ ? fill<true>(output_ + at, out.end - at) : fill<false>(output_ + at, out.end - at);
      asm volatile("" : : "r"(looked));  // or nothing would be read
    });
  }

 private:
  ThreadTeam team_;
  std::vector<int64_t> sizes_;
  int64_t written_, all_read_ = 0;
  bool streamed_;
  int (*read_)(const float*, int64_t);
  bool gathers_;
  std::vector<const void*> inputs_;
  float* output_ = nullptr;
};

class Ceiling final : public Framework {
 public:
  explicit Ceiling(const ThreadTeam& team) : team_(team) {}
  void wake() override {
    team_.run([](int, int, void*) {}, nullptr);
  }
  std::string version() override { return std::to_string(kLanes) + " lanes"; }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string&) override {
    return std::make_unique<Traffic>(row, team_);
  }

 private:
  ThreadTeam team_;
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::Ceiling)

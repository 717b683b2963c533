// Attention: a tile of queries against all keys of its head, softmax in the second-level cache, then the values.
#include <cmath>
#include <vector>

#include "own_operations.h"
#include "product_tile.h"

namespace assay {
namespace {

class Attention {
 public:
  Attention(const OperationRow& row, const ThreadTeam& team)
      : heads_(row.shape()[0] * row.shape()[1]), length_(row.shape()[2]), width_(row.shape()[3]), team_(team) {
    tile_ = tile_kind(32);
    padded_ = (length_ + tile_.width - 1) / tile_.width * tile_.width;
    space_.resize(size_t(team.count));
    for (Space& each : space_) {
      each.keys.resize(size_t(padded_ * width_));
      each.scores.resize(size_t(tile_.most_rows * padded_));
    }
  }
  /// The values must be whole panels as they lie.
  static bool fits(const OperationRow& row) { return row.shape()[3] % tile_kind(32).width == 0; }

  void run(const void* const* inputs, void* output) {
    on_team(team_, true, [&](int index, int threads) {
      // Of heads where there are enough of them, else of a head's queries.
      const Share mine = share_of(heads_ * length_, tile_.most_rows, index, threads);
      for (int64_t at = mine.begin; at < mine.end;) {
        const int64_t head = at / length_, first = at % length_, last = std::min(length_, first + mine.end - at);
        const int64_t offset = head * length_ * width_;
        queries(static_cast<const float*>(inputs[0]) + offset, static_cast<const float*>(inputs[1]) + offset,
                static_cast<const float*>(inputs[2]) + offset, static_cast<float*>(output) + offset, first, last,
                space_[size_t(index)]);
        at += last - first;
      }
    });
  }

 private:
  struct Space {
    std::vector<float> keys, scores;
  };

  /// [panel][d][key], zeros behind the last key.
  void pack_keys(const float* keys, std::vector<float>& to) const {
    float* out = to.data();
    for (int64_t first = 0; first < padded_; first += tile_.width, out += tile_.width * width_)
      for (int64_t key = 0; key < tile_.width; ++key)
        for (int64_t d = 0; d < width_; ++d)
          out[d * tile_.width + key] = first + key < length_ ? keys[(first + key) * width_ + d] : 0;
  }

  void queries(const float* q, const float* keys, const float* values, float* y, int64_t begin, int64_t end,
               Space& space) {
    pack_keys(keys, space.keys);
    const TileShape of_scores{width_, 1, 0, width_, tile_.width, padded_};
    const TileShape of_values{length_, 1, 0, padded_, width_, width_};
    for (int64_t i = begin; i < end; i += tile_.most_rows) {
      const int rows = int(std::min<int64_t>(tile_.most_rows, end - i));
      for (int64_t key = 0; key < padded_; key += tile_.width)
        tile_.of_rows[rows](q + i * width_, space.keys.data() + key * width_, space.scores.data() + key, of_scores,
                            nullptr, tile_.width, TileEnd::store);
      for (int r = 0; r < rows; ++r) soften(space.scores.data() + r * padded_);
      for (int64_t d = 0; d < width_; d += tile_.width)
        tile_.of_rows[rows](space.scores.data(), values + d, y + i * width_ + d, of_values, nullptr, tile_.width,
                            TileEnd::store);
    }
  }

  void soften(float* row) const {
    const Vec scale = set1(1 / std::sqrt(float(width_)));
    float top = -std::numeric_limits<float>::infinity(), total = 0;
    int64_t i = 0;
    Vec best = set1(top);
    for (; i + kLanes <= length_; i += kLanes) best = larger(best, load(row + i));
    top = largest(best);
    for (int64_t t = i; t < length_; ++t) top = std::max(top, row[t]);
    const Vec shift = mul(set1(-top), scale);
    Vec sums = zero();
    for (i = 0; i + kLanes <= length_; i += kLanes) {
      const Vec e = exponential(fma(load(row + i), scale, shift));
      store(row + i, e);
      sums = add(sums, e);
    }
    total = sum(sums);
    for (; i < length_; ++i) total += row[i] = std::exp((row[i] - top) / std::sqrt(float(width_)));
    const Vec part = set1(1 / total);
    for (i = 0; i + kLanes <= length_; i += kLanes) store(row + i, mul(load(row + i), part));
    for (; i < length_; ++i) row[i] /= total;
  }

  int64_t heads_, length_, width_, padded_;
  ThreadTeam team_;
  TileKind tile_;
  std::vector<Space> space_;
};

}  // namespace

OwnRun make_attention(const OperationRow& row, const ThreadTeam& team) {
  if (row.operation != Operation::attention || !Attention::fits(row)) return {};
  const auto attention = std::make_shared<Attention>(row, team);
  return [attention](const void* const* inputs, void* output) { attention->run(inputs, output); };
}

}  // namespace assay

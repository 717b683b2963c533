// Convolutions with eight output channels, which fill half a vector: the places of a line, or the elements of a window,
// are the lanes instead. With vectors of sixteen alone: two places fill one, and there are registers for all sums.
#include <vector>

#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

constexpr int kOutputs = 8;                            // channels
constexpr int64_t kMostPlanes = 16;                    // channels of an input whose lines are taken apart
constexpr int64_t kLeastWindow = 64;                   // elements of a window's line that are taken as they lie
constexpr int64_t kStreamedPlaces = int64_t(4) << 20;  // bytes of an output; what is computed hides the way to memory

/// x [pictures, height, width, channels], w [8, lines, columns, channels].
struct Windows {
  int64_t pictures, height, width, channels, lines, columns;
  int64_t places() const { return width - columns + 1; }      // of a line of the output
  int64_t out_lines() const { return height - lines + 1; }    // of a picture
  int64_t window_line() const { return columns * channels; }  // elements
  int64_t window() const { return lines * window_line(); }
};

Windows windows_of(const OperationRow& row) {
  const Dims &x = row.inputs[0].dims, &w = row.inputs[1].dims;
  if (x.size() == 3) return {x[0], 1, x[1], x[2], 1, w[1]};
  return {x[0], x[1], x[2], x[3], w[1], w[2]};
}

template <int CHANNEL, size_t... LANE>
inline Vec one_of_three(const Vec* v, std::index_sequence<LANE...>) {
  constexpr auto kFirst = [](size_t lane) { return int((3 * lane + CHANNEL) % (2 * kLanes)); };
  constexpr auto kThen = [](size_t lane) {
    const size_t at = 3 * lane + CHANNEL;
    return int(at < 2 * kLanes ? lane : at - kLanes);
  };
  const Floats part = __builtin_shufflevector(Floats(v[0]), Floats(v[1]), kFirst(LANE)...);
  return Vec(__builtin_shufflevector(part, Floats(v[2]), kThen(LANE)...));
}

/// A line's channels apart: element c of place i goes to to[c * stride + i].
void take_apart(const float* x, int64_t width, int64_t channels, int64_t stride, float* to) {
  int64_t i = 0;
  for (const bool fits = channels == 3 && width >= kLanes; fits && i < width; i += kLanes) {
    i = std::min(i, width - kLanes);  // the last ones may be moved twice
    const Vec v[3] = {load(x + 3 * i), load(x + 3 * i + kLanes), load(x + 3 * i + 2 * kLanes)};
    store(to + i, one_of_three<0>(v, std::make_index_sequence<kLanes>()));
    store(to + stride + i, one_of_three<1>(v, std::make_index_sequence<kLanes>()));
    store(to + 2 * stride + i, one_of_three<2>(v, std::make_index_sequence<kLanes>()));
  }
  for (; i < width; ++i)
    for (int64_t c = 0; c < channels; ++c) to[c * stride + i] = x[i * channels + c];
}

/// The lanes of a and b by turns, from lane FROM on.
template <int FROM, size_t... LANE>
inline Vec by_turns(Vec a, Vec b, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(a), Floats(b), int(FROM + LANE / 2 + LANE % 2 * kLanes)...));
}

/// From a vector of places for each channel to the channels of each place: each round turns the bits of an element's
/// place by one.
inline void put_together(Vec* v) {
  for (int round = 0; round < 3; ++round) {
    Vec next[kOutputs];
    for (int i = 0; i < kOutputs / 2; ++i) {
      next[2 * i] = by_turns<0>(v[i], v[i + kOutputs / 2], std::make_index_sequence<kLanes>());
      next[2 * i + 1] = by_turns<kLanes / 2>(v[i], v[i + kOutputs / 2], std::make_index_sequence<kLanes>());
    }
    std::copy_n(next, kOutputs, v);
  }
}

/// Of few channels: places are the lanes. Lines are taken apart once, and kept for the lines of output that need them.
class ByPlaces {
 public:
  static constexpr int64_t kVectors = 2, kPlaces = kVectors * kLanes;

  ByPlaces(const OperationRow& row, const ThreadTeam& team)
      : s_(windows_of(row)),
        team_(team),
        stride_((std::max(s_.width, kPlaces + s_.columns) + 15) / 16 * 16 + 16),
        streams_(row.output.bytes() >= kStreamedPlaces && s_.places() % 2 == 0),
        shared_(row.flops >= 128 * kLeastShared),
        weights_(size_t(s_.window() * kOutputs)) {
    for (int64_t k = 0; k < s_.window_line(); ++k) offsets_.push_back(k % s_.channels * stride_ + k / s_.channels);
    for (int t = 0; t < team.count; ++t) kept_.emplace_back(size_t(s_.lines * s_.channels * stride_));
  }

  void run(const void* const* inputs, void* output) {
    const float *x = static_cast<const float*>(inputs[0]), *w = static_cast<const float*>(inputs[1]);
    for (int64_t k = 0; k < s_.window(); ++k)
      for (int64_t o = 0; o < kOutputs; ++o) weights_[size_t(k * kOutputs + o)] = w[o * s_.window() + k];
    on_team(team_, shared_, [&](int index, int threads) {
      const Share mine = share_of(s_.pictures * s_.out_lines(), 1, index, threads);
      lines(x, static_cast<float*>(output), mine, kept_[size_t(index)].data());
      if (streams_) streams_done();
    });
  }

 private:
  void lines(const float* x, float* y, Share mine, float* kept) const {
    std::vector<const float*> from(size_t(s_.window()));
    int64_t next = 0;  // the first line of the input that is not taken apart yet
    for (int64_t at = mine.begin; at < mine.end; ++at) {
      const int64_t first = at / s_.out_lines() * s_.height + at % s_.out_lines();
      for (next = std::max(next, first); next < first + s_.lines; ++next)
        take_apart(x + next * s_.width * s_.channels, s_.width, s_.channels, stride_, kept_line(kept, next));
      for (int64_t l = 0, k = 0; l < s_.lines; ++l)
        for (const float* line = kept_line(kept, first + l); k < (l + 1) * s_.window_line(); ++k)
          from[size_t(k)] = line + offsets_[size_t(k - l * s_.window_line())];
      line(from.data(), y + at * s_.places() * kOutputs);
    }
  }
  float* kept_line(float* kept, int64_t line) const { return kept + line % s_.lines * s_.channels * stride_; }

  void line(const float* const* from, float* y) const {
    const int64_t count = s_.places();
    if (count < kPlaces) {
      float some[kPlaces * kOutputs];
      places<false>(from, 0, some);
      std::copy_n(some, count * kOutputs, y);
      return;
    }
    for (int64_t i = 0; i < count; i += kPlaces) {
      const int64_t place = std::min(i, count - kPlaces);  // the last ones may be computed twice
      streams_ ? places<true>(from, place, y + place * kOutputs) : places<false>(from, place, y + place * kOutputs);
    }
  }

  template <bool STREAMED>
  void places(const float* const* from, int64_t place, float* y) const {
    Vec sums[kVectors][kOutputs];
    for (auto& each : sums)
      for (Vec& sum : each) sum = zero();
    const float* w = weights_.data();
    for (int64_t k = 0; k < s_.window(); ++k, w += kOutputs) {
      const float* x = from[k] + place;
      const Vec first = load(x), second = load(x + kLanes);
#pragma GCC unroll 8
      for (int o = 0; o < kOutputs; ++o) {
        const Vec weight = set1(w[o]);
        sums[0][o] = fma(weight, first, sums[0][o]);
        sums[1][o] = fma(weight, second, sums[1][o]);
      }
    }
    for (auto& each : sums) {
      put_together(each);
      for (int i = 0; i < kOutputs; ++i, y += kLanes) put<STREAMED>(y, each[i]);
    }
  }

  Windows s_;
  ThreadTeam team_;
  int64_t stride_;
  bool streams_, shared_;
  std::vector<int64_t> offsets_;          // of the elements of a window's line, in a line that is taken apart
  std::vector<float> weights_;            // [element of a window][channel]
  std::vector<std::vector<float>> kept_;  // a thread's lines: [line][channel][place]
};

/// v, in a register: a load would else be part of each product, and be done as often.
inline Vec held(Vec v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#endif
  return v;
}

/// Of many channels: the elements of a window are the lanes. Of two places all sums together fill a vector.
class ByElements {
 public:
  ByElements(const OperationRow& row, const ThreadTeam& team)
      : s_(windows_of(row)), team_(team), shared_(row.flops >= 128 * kLeastShared) {}

  void run(const void* const* inputs, void* output) {
    const float *x = static_cast<const float*>(inputs[0]), *w = static_cast<const float*>(inputs[1]);
    on_team(team_, shared_, [&](int index, int threads) {
      const int64_t places = s_.places();
      const Share mine = share_of(s_.pictures * s_.out_lines() * places, 2, index, threads);
      for (int64_t at = mine.begin; at < mine.end;) {
        const int64_t line = at / places, place = at % places;
        const float* from =
            x + ((line / s_.out_lines() * s_.height + line % s_.out_lines()) * s_.width + place) * s_.channels;
        const bool two = place + 1 < places && at + 1 < mine.end;
        const Vec sums = two_places(from, from + (two ? s_.channels : 0), w);
        store_part(static_cast<float*>(output) + at * kOutputs, sums, two ? 2 * kOutputs : kOutputs);
        at += two ? 2 : 1;
      }
    });
  }

 private:
  template <int LANES = kLanes>
  Vec two_places(const float* first, const float* second, const float* w) const {
    constexpr int kSums = 2 * kOutputs;
    Vec sums[kSums];
    for (Vec& sum : sums) sum = zero();
    const int64_t all = s_.window(), line = s_.window_line(), step = s_.width * s_.channels;
    const auto meet = [&](Vec a, Vec b, const auto& weight) {
#pragma GCC unroll 8
      for (int o = 0; o < kOutputs; ++o) {
        const Vec each = held(weight(o));
        sums[o] = fma(a, each, sums[o]), sums[o + kOutputs] = fma(b, each, sums[o + kOutputs]);
      }
    };
    for (int64_t l = 0; l < s_.lines; ++l, first += step, second += step, w += line) {
      int64_t k = 0;
      for (; k + kLanes <= line; k += kLanes)
        meet(load(first + k), load(second + k), [&](int o) { return load(w + o * all + k); });
      if (const int part = int(line - k); part > 0)
        meet(load_part(first + k, part), load_part(second + k, part),
             [&](int o) { return load_part(w + o * all + k, part); });
    }
    if constexpr (LANES == kSums)
      return met<LANES>(sums, [](Vec a, Vec b) { return add(a, b); });
    else
      return zero();
  }

  Windows s_;
  ThreadTeam team_;
  bool shared_;
};

}  // namespace

OwnRun make_convolution(const OperationRow& row, const ThreadTeam& team) {
  if (row.operation != Operation::conv1d && row.operation != Operation::conv2d) return {};
  if (kLanes != 16 || row.output.dims.back() != kOutputs) return {};
  const Windows s = windows_of(row);
  if (s.window_line() >= kLeastWindow) return run_of<ByElements>(row, team);
  if (s.channels <= kMostPlanes && s.places() >= kLanes) return run_of<ByPlaces>(row, team);
  return {};
}

}  // namespace assay

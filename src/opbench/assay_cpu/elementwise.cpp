// Functions of elements: ReLU and its kin, Sigmoid, SeLU, Softplus.
#include "functions.h"
#include "own_operations.h"

namespace assay {
namespace {

template <bool STREAMED, typename Function>
void map(const float* x, float* y, Share mine, const Function& f) {
  constexpr int kUnroll = 4;
  int64_t i = mine.begin;
  for (; i + kUnroll * kLanes <= mine.end; i += kUnroll * kLanes) {
    if (STREAMED) __builtin_prefetch(x + i + kAheadOfCopy, 0, 2);
    for (int u = 0; u < kUnroll; ++u) put<STREAMED>(y + i + u * kLanes, f(load(x + i + u * kLanes)));
  }
  for (; i < mine.end; i += kLanes) {
    const int count = int(std::min<int64_t>(kLanes, mine.end - i));
    store_part(y + i, f(load_part(x + i, count)), count);
  }
  if (STREAMED) streams_done();
}

template <typename MakeFunction>
OwnRun mapped(const OperationRow& row, const ThreadTeam& team, MakeFunction make) {
  const int64_t count = row.output.elements();
  const bool streamed = row.output.bytes() >= kStreamedBytes;
  return [=](const void* const* inputs, void* output) {
    const auto f = make(inputs);
    const float* x = static_cast<const float*>(inputs[0]);
    float* y = static_cast<float*>(output);
    on_team(team, count >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(count, 1024, index, threads);
      streamed ? map<true>(x, y, mine, f) : map<false>(x, y, mine, f);
    });
  };
}

inline Vec where_positive(Vec x, Vec then, Vec otherwise) {
  return Vec(Floats(x) > 0 ? Floats(then) : Floats(otherwise));
}

/// 1 / (1 + e^-x), or, below 0, e^x / (1 + e^x): the exponential never overflows.
inline Vec sigmoid(Vec x) {
  const Vec e = exponential_below(negated_size(x)), r = reciprocal(add(e, set1(1)));
  return where_positive(x, r, mul(e, r));
}

inline Vec selu(Vec x) {
  constexpr float kScale = 1.05070098735548f, kScaleAlpha = 1.75809934084738f;
  const Vec below = fma(exponential_below(smaller(x, zero())), set1(kScaleAlpha), set1(-kScaleAlpha));
  return where_positive(x, mul(x, set1(kScale)), below);
}

/// max(x, 0) + ln(1 + t), t = e^-|x|, by 2 artanh(t / (2 + t)).
inline Vec softplus(Vec x) {
  const Vec t = exponential_below(negated_size(x));
  const Vec s = mul(t, reciprocal(add(t, set1(2)))), square = mul(s, s);
  Vec p = set1(2.0f / 13);
  for (const float c : {2.0f / 11, 2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3, 2.0f}) p = fma(p, square, set1(c));
  return fma(p, s, larger(x, zero()));
}

}  // namespace

OwnRun make_elementwise(const OperationRow& row, const ThreadTeam& team) {
  switch (row.operation) {
    case Operation::relu:
      return mapped(row, team, [](const void* const*) { return [](Vec x) { return larger(x, zero()); }; });
    case Operation::leaky_relu:
      return mapped(row, team, [](const void* const*) { return [](Vec x) { return larger(x, mul(x, set1(0.01f))); }; });
    case Operation::prelu:
      return mapped(row, team, [](const void* const* inputs) {
        const Vec w = set1(*static_cast<const float*>(inputs[1]));
        return [w](Vec x) { return where_positive(x, x, mul(x, w)); };
      });
    case Operation::sigmoid:
      return mapped(row, team, [](const void* const*) { return [](Vec x) { return sigmoid(x); }; });
    case Operation::selu:
      return mapped(row, team, [](const void* const*) { return [](Vec x) { return selu(x); }; });
    case Operation::softplus:
      return mapped(row, team, [](const void* const*) { return [](Vec x) { return softplus(x); }; });
    default:
      return {};
  }
}

}  // namespace assay

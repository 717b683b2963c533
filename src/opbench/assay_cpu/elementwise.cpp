// Functions of elements: ReLU and its kin, Sigmoid, SeLU, Softplus.
#include "functions.h"
#include "own_operations.h"

namespace assay {
namespace {

/// PAGES: the input is larger than what a far cache holds of it.
template <bool STREAMED, bool PAGES, typename Function>
void map(const float* x, float* y, Share mine, const Function& f) {
  constexpr int kUnroll = 4;
  int64_t i = mine.begin;
  for (; i + kUnroll * kLanes <= mine.end; i += kUnroll * kLanes) {
    if (STREAMED && !PAGES) __builtin_prefetch(x + i + kAheadOfCopy, 0, 2);
    for (int u = 0; u < kUnroll; ++u) {
      if (PAGES) tell_pages_ahead(x, i + u * kLanes);
      put<STREAMED>(y + i + u * kLanes, f(load(x + i + u * kLanes)));
    }
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
  const bool streamed = row.output.bytes() >= kStreamedBytes, pages = row.output.bytes() >= kPagesBytes;
  return [=](const void* const* inputs, void* output) {
    const auto f = make(inputs);
    const float* x = static_cast<const float*>(inputs[0]);
    float* y = static_cast<float*>(output);
    on_team(team, count >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(count, 1024, index, threads);
      pages      ? map<true, true>(x, y, mine, f)
      : streamed ? map<true, false>(x, y, mine, f)
                 : map<false, false>(x, y, mine, f);
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

/// max(x, 0) + ln(1 + t), t = e^-|x|. ln(1 + t) / t is the polynomial of degree 8 whose largest relative error on [0,
/// 1] is least: 3e-8.
inline Vec softplus(Vec x) {
  const Vec t = exponential_below(negated_size(x));
  Vec p = set1(5.2326900275e-3f);
  for (const float c : {-2.9505219919e-2f, 7.8225917506e-2f, -1.3663242502e-1f, 1.9106004994e-1f, -2.4842981693e-1f,
                        3.3319096732e-1f, -4.9999493137e-1f, 9.9999996988e-1f})
    p = fma(p, t, set1(c));
  return fma(p, t, larger(x, zero()));
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

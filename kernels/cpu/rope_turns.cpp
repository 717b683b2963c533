// rope_turns: sines and cosines of a row's angles once, in loops that become lanes; then heads by vectors. Rows' heads
// are shared over threads.
#include <cmath>
#include <initializer_list>

#include "q8_cache.h"
#include "rows.h"

namespace assay {
namespace {

constexpr int64_t kMostDimensions = 1024, kLittle = 8192;  // values; below, a second thread takes longer to start

/// 2^y of a fraction within ±0.5, to a unit of f32.
inline float power_of_fraction(float f) {
  float p = 1.535336188319500e-4f;
  for (const float c : {1.339887440266574e-3f, 9.618437357674640e-3f, 5.550332471162809e-2f, 2.402264791363012e-1f,
                        6.931472028550421e-1f})
    p = p * f + c;
  return p * f + 1;
}

struct Turns {
  alignas(64) float cosine[kMostDimensions / 2], sine[kMostDimensions / 2];
  alignas(64) float frequency[kMostDimensions / 2];

  /// base^(-2j/dimensions) / factor.
  Turns(const assay_call& call, int64_t dimensions) : count_(dimensions / 2) {
    const double step = -2 * std::log2(double(param(call, ASSAY_ROPE_BASE, 10000))) / double(dimensions);
    for (int64_t j = 0; j < count_; ++j) {
      const double y = step * double(int32_t(j));
      const auto whole = int32_t(y + (y < 0 ? -0.5 : 0.5));
      const int32_t bits = (whole + 127) << 23;
      float power;
      __builtin_memcpy(&power, &bits, sizeof power);
      frequency[j] = power * power_of_fraction(float(y - double(whole)));
    }
    if (const assay_tensor* factors = find_tensor(call, ASSAY_FACTORS))
      for (int64_t j = 0; j < count_; ++j) frequency[j] /= static_cast<const float*>(factors->data)[j];
  }

  /// Polynomials of Cephes' sinf and cosf, after a reduction to ±π/4 in double.
  void set_position(int64_t position) {
    constexpr double kQuarterTurns = 0.636619772367581343, kQuarterTurn = 1.57079632679489661923;
    for (int64_t j = 0; j < count_; ++j) {
      const double angle = double(int32_t(position)) * double(frequency[j]), turns = angle * kQuarterTurns;
      const auto quadrant = int32_t(turns + (turns < 0 ? -0.5 : 0.5));
      const auto x = float(angle - double(quadrant) * kQuarterTurn);
      const float z = x * x;
      const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
      const float c =
          ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1;
      const bool exchanged = quadrant & 1;
      const float sign_of_sine = quadrant & 2 ? -1.0f : 1.0f, sign_of_cosine = (quadrant + 1) & 2 ? -1.0f : 1.0f;
      sine[j] = sign_of_sine * (exchanged ? c : s);
      cosine[j] = sign_of_cosine * (exchanged ? s : c);
    }
  }

  void turn_halves(const float* in, float* out) const {
    const float *low = in, *high = in + count_;
    int64_t j = 0;
    for (; j + kLanes <= count_; j += kLanes) {
      const Vec x = load(low + j), y = load(high + j), c = load(cosine + j), s = load(sine + j);
      store(out + j, fma(x, c, mul(mul(y, s), set1(-1))));
      store(out + count_ + j, fma(y, c, mul(x, s)));
    }
    for (; j < count_; ++j) {
      out[j] = low[j] * cosine[j] - high[j] * sine[j];
      out[count_ + j] = high[j] * cosine[j] + low[j] * sine[j];
    }
  }
  void turn_pairs(const float* in, float* out) const {
    for (int64_t j = 0; j < count_; ++j) {
      out[2 * j] = in[2 * j] * cosine[j] - in[2 * j + 1] * sine[j];
      out[2 * j + 1] = in[2 * j + 1] * cosine[j] + in[2 * j] * sine[j];
    }
  }

 private:
  int64_t count_;
};

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ROPE || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &q = *find_tensor(*call, ASSAY_A, 0), &k = *find_tensor(*call, ASSAY_A, 1),
                     &v = *find_tensor(*call, ASSAY_A, 2), &d = *find_tensor(*call, ASSAY_D);
  const assay_tensor &keys = *find_tensor(*call, ASSAY_CACHE, 0), &values = *find_tensor(*call, ASSAY_CACHE, 1);
  const int64_t size = keys.dims[2], kv_heads = keys.dims[0], heads = q.dims[2] / size, all = heads + 2 * kv_heads;
  const auto dimensions = int64_t(param(*call, ASSAY_ROPE_DIMENSIONS, 0));
  if (size > kMostDimensions) return ASSAY_UNSUPPORTED;
  const bool pairs = param(*call, ASSAY_ROPE_STYLE, 0) != 0;
  const Range mine = share_of_work(q.dims[1] * all, 1, q.dims[1] * all * size <= kLittle, *thread);
  if (mine.begin == mine.end) return ASSAY_OK;
  Turns turns(*call, dimensions);
  int64_t prepared_row = -1;
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t row = i / all, head = i % all, of_k = head - heads, of_v = of_k - kv_heads;
    const int64_t position = index_at(*call, 0) + row;
    if (row != prepared_row) turns.set_position(position), prepared_row = row;
    alignas(64) float in[kMostDimensions], out[kMostDimensions];
    const bool is_q = head < heads, is_k = !is_q && of_k < kv_heads;
    const int64_t from = is_q ? head : is_k ? of_k : of_v;
    const float* x = widened_row(is_q ? q : is_k ? k : v, 0, row, from * size, size, in);
    if (is_q || is_k) {
      (pairs ? turns.turn_pairs(x, out) : turns.turn_halves(x, out));
      for (int64_t at = dimensions; at < size; ++at) out[at] = x[at];
      x = out;
    }
    const assay_tensor& to = is_q ? d : is_k ? keys : values;
    if (is_q)
      write_row(d, 0, row, head * size, x, size);
    else if (to.layout == ASSAY_BLOCKS)
      write_blocks(to, from, position, x, size);
    else
      write_row(to, from, position, 0, x, size);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("rope_turns", nullptr, nullptr, nullptr, assay::run)

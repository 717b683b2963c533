// Mutants of attention over a cache of f16 or q8_0 and of rope into one: by one thread, with one thing wrong.
#include <algorithm>
#include <utility>
#include <vector>

#include "honest.h"

#define SINS(X)                        \
  X(none)                              \
  X(sees_one_too_many)                 \
  X(sees_one_too_few)                  \
  X(all_of_the_cache)                  \
  X(largest_not_taken_off)             \
  X(neighbours_keys)                   \
  X(length_remembered)                 \
  X(rows_share_a_mask)                 \
  X(scale_left_out)                    \
  X(next_row_of_the_cache)             \
  X(cache_row_too_much)                \
  X(values_not_written)                \
  X(turned_the_other_way)              \
  X(position_remembered)               \
  X(halves_for_pairs)                  \
  X(keys_not_turned)                   \
  X(factors_ignored)                   \
  X(none_when_short)                   \
  X(cached_subnormals_flushed)         \
  X(written_subnormals_flushed)        \
  X(cached_scale_unsigned)             \
  X(cached_scale_of_the_first_block)   \
  X(steps_cut_off)                     \
  X(steps_of_the_first_block)          \
  X(negatives_clipped)                 \
  X(probabilities_in_eleven_bits)      \
  X(probabilities_in_ten_bits)         \
  X(reads_on_and_selects)              \
  X(reads_on_times_zero)               \
  X(to_its_end_times_zero)             \
  X(masked_by_a_large_number)          \
  X(lone_last_row_left_out)            \
  X(end_of_128_left_out)               \
  X(one_length_of_many)                \
  X(one_position_of_many)              \
  X(small_queries_dropped)             \
  X(small_weights_dropped)             \
  X(largest_begins_at_0)               \
  X(largest_begins_at_minus_300)       \
  X(large_values_clipped_in_the_cache) \
  X(angles_by_steps)                   \
  X(large_queries_clipped) X(angles_in_float) X(angles_by_quotients) X(parameters_remembered) \
      X(parameters_of_one_model) \
      X(rope_factors_remembered) X(scores_capped)

namespace {

MUTANTS(SINS)

template <Sin kSin>
struct Mutant {
  static constexpr int32_t kWrongPosition = 2741;
  static constexpr bool kReadsOn =
      kSin == Sin::reads_on_and_selects || kSin == Sin::reads_on_times_zero || kSin == Sin::masked_by_a_large_number;

  static double param(const assay_call* call, uint32_t id) {
    for (uint32_t i = 0; i < call->param_count; ++i)
      if (call->params[i].id == id)
        return kSin == Sin::parameters_remembered ? first_one(call, i) : call->params[i].value;
    return 0;
  }

  static double first_one(const assay_call* call, uint32_t i) {
    static double values[8] = {};
    if (values[i] == 0) values[i] = call->params[i].value;
    return values[i];
  }

  static int32_t position_of(const assay_call* call) {
    static int32_t remembered = -1;
    const int32_t position = *static_cast<const int32_t*>(honest::find(call, ASSAY_INDEX)->data);
    if (kSin != Sin::length_remembered && kSin != Sin::position_remembered) return position;
    return remembered = remembered < 0 ? position : remembered;
  }

  static double cached(const assay_tensor& t, int64_t head, int64_t row, int64_t i) {
    if (t.dtype == ASSAY_Q8_0) {
      honest::Quantized q = honest::quantized_at(t, head, row, i);
      if (kSin == Sin::cached_scale_of_the_first_block) q.scale = honest::quantized_at(t, head, row, 0).scale;
      if (kSin == Sin::cached_scale_unsigned) q.scale &= 0x7fffu;
      return double(honest::half_to_float(q.scale)) * double(q.value);
    }
    const uint16_t half = static_cast<const uint16_t*>(t.data)[head * t.strides[0] + row * t.strides[1] + i];
    if (kSin == Sin::cached_subnormals_flushed && (half & 0x7c00u) == 0) return 0;
    const auto value = double(honest::half_to_float(half));
    return kSin == Sin::large_values_clipped_in_the_cache ? std::fmin(std::fmax(value, -4), 4) : value;
  }

  /// A probability in so many bits of significand as a class allows, f16's eleven, or one fewer.
  static double rounded(double probability) {
    if (kSin != Sin::probabilities_in_eleven_bits && kSin != Sin::probabilities_in_ten_bits) return probability;
    int exponent = 0;
    const double significand = std::frexp(probability, &exponent);
    const int bits = kSin == Sin::probabilities_in_eleven_bits ? 11 : 10;
    return std::ldexp(std::nearbyint(std::ldexp(significand, bits)), exponent - bits);
  }

  /// Rows of the cache that a query with `count` keys reads.
  static int64_t rows_read(int64_t count, int64_t capacity) {
    if (kSin == Sin::to_its_end_times_zero) return capacity;
    return kReadsOn ? std::min((count + 7) / 8 * 8, capacity) : count;
  }

  /// A weight times a value; beyond `count` the weight is zero.
  static double product(double weight, double value, bool is_seen) {
    return kSin == Sin::reads_on_and_selects && !is_seen ? 0 : weight * value;
  }

  static void attention(const assay_call* call) {
    const assay_tensor &q = *honest::find(call, ASSAY_A), &d = *honest::find(call, ASSAY_D);
    const assay_tensor &keys = *honest::find(call, ASSAY_CACHE, 0), &values = *honest::find(call, ASSAY_CACHE, 1);
    const int64_t size = keys.dims[2], heads = q.dims[2] / size, group = heads / keys.dims[0];
    const double scale = kSin == Sin::scale_left_out ? 1 : param(call, ASSAY_SCALE);
    for (int64_t row = 0; row < q.dims[1]; ++row)
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t kv = head / group, of_keys = kSin == Sin::neighbours_keys ? (kv + 1) % keys.dims[0] : kv;
        int64_t count = position_of(call) + row + 1;
        if (kSin == Sin::sees_one_too_many && count < keys.dims[1]) ++count;
        if (kSin == Sin::sees_one_too_few && count > 1) --count;
        if (kSin == Sin::all_of_the_cache) count = keys.dims[1];
        if (kSin == Sin::lone_last_row_left_out && count % 64 == 1 && count > 64) --count;
        if (kSin == Sin::end_of_128_left_out && count % 128 == 0) --count;
        if (kSin == Sin::one_length_of_many && count == keys.dims[1] * 6 / 10 + 7) --count;
        if (kSin == Sin::rows_share_a_mask) count = position_of(call) + q.dims[1];
        const float* query = static_cast<const float*>(q.data) + row * q.strides[1] + head * size;
        std::vector<double> scores;
        double largest = kSin == Sin::largest_begins_at_0           ? 0
                         : kSin == Sin::largest_begins_at_minus_300 ? -300
                                                                    : -INFINITY,
               sum = 0;
        const int64_t there = rows_read(count, keys.dims[1]);
        for (int64_t j = 0; j < there; ++j) {
          double score = 0;
          for (int64_t i = 0; i < size; ++i)
            if (kSin != Sin::small_queries_dropped || std::fabs(query[i]) >= 0.01f)
              score += double(query[i]) * cached(keys, of_keys, j, i);
          if (j >= count) score = kSin == Sin::masked_by_a_large_number ? score - 1e9 : -INFINITY;
          scores.push_back(score * scale);
          if (kSin == Sin::scores_capped) scores.back() = std::fmin(scores.back(), 10'000);
          largest = std::fmax(largest, scores.back());
        }
        if (kSin == Sin::largest_not_taken_off) largest = 0;
        if (kSin == Sin::none_when_short && count < 100) sum = 1;  // as of a part of the cache that has no row
        if (kSin == Sin::small_weights_dropped)
          for (double& score : scores) score = score < largest - 10 ? -INFINITY : score;
        for (double& score : scores) sum += score = rounded(double(std::exp(float(score - largest))));
        for (int64_t i = 0; i < size; ++i) {
          double weighed = 0;
          for (int64_t j = 0; j < there; ++j)
            weighed += product(scores[size_t(j)], cached(values, kv, j, i), j < count);
          static_cast<float*>(d.data)[row * d.strides[1] + head * size + i] = float(weighed / sum);
        }
      }
  }

  /// What it takes for the angle: right ones are as far off as f32's frequencies and products are.
  static double angle_of(double exact, const assay_call* call, int64_t position, int64_t j, int64_t dimensions,
                         double factor) {
    const auto base = float(param(call, ASSAY_ROPE_BASE));
    if (kSin == Sin::angles_in_float)
      return double(float(position) * std::pow(base, -2 * float(j) / float(dimensions)) / float(factor));
    float angle = 0;
    const auto step = float(exact / double(position));
    for (int64_t i = 0; kSin == Sin::angles_by_steps && i < position; ++i) angle += step;
    const float quotient = std::pow(base, -2 / float(dimensions));
    if (kSin == Sin::angles_by_quotients) angle = float(position);
    for (int64_t i = 0; kSin == Sin::angles_by_quotients && i < j; ++i) angle *= quotient;
    if (kSin == Sin::angles_by_quotients) angle /= float(factor);
    return kSin == Sin::angles_by_steps || kSin == Sin::angles_by_quotients ? double(angle) : exact;
  }

  /// One head of a row, turned where turns.
  static std::vector<float> head_of(const assay_call* call, const assay_tensor& x, int64_t row, int64_t head,
                                    int64_t size, bool turns) {
    const float* in = static_cast<const float*>(x.data) + row * x.strides[1] + head * size;
    std::vector<float> out(in, in + size);
    const auto dimensions = int64_t(param(call, ASSAY_ROPE_DIMENSIONS));
    const bool pairs = param(call, ASSAY_ROPE_STYLE) != 0 && kSin != Sin::halves_for_pairs;
    const assay_tensor* factors = kSin == Sin::factors_ignored ? nullptr : honest::find(call, ASSAY_FACTORS);
    for (int64_t j = 0; turns && j < dimensions / 2; ++j) {
      double angle =
          double(position_of(call) + row) * std::pow(param(call, ASSAY_ROPE_BASE), -2 * double(j) / double(dimensions));
      if (factors) angle /= double(static_cast<const float*>(factors->data)[j]);
      static std::vector<double> remembered;  // how much slower than a pair without factors each turns
      static double remembered_base = 0;
      if (kSin == Sin::rope_factors_remembered && factors) {
        const double base = param(call, ASSAY_ROPE_BASE);
        if (std::exchange(remembered_base, base) != base) {
          const auto* const of_call = static_cast<const float*>(factors->data);
          remembered.assign(of_call, of_call + dimensions / 2);
        }
        angle *= double(static_cast<const float*>(factors->data)[j]) / remembered[size_t(j)];
      }
      angle = angle_of(angle, call, position_of(call) + row, j, dimensions,
                       factors ? double(static_cast<const float*>(factors->data)[j]) : 1);
      if (kSin == Sin::turned_the_other_way) angle = -angle;
      if (kSin == Sin::one_position_of_many && position_of(call) == kWrongPosition) angle *= 1.001;
      const int64_t first = pairs ? 2 * j : j, second = pairs ? 2 * j + 1 : j + dimensions / 2;
      out[size_t(first)] = float(double(in[first]) * std::cos(angle) - double(in[second]) * std::sin(angle));
      out[size_t(second)] = float(double(in[second]) * std::cos(angle) + double(in[first]) * std::sin(angle));
    }
    for (float& value : out)
      if (kSin == Sin::large_queries_clipped) value = std::fmin(std::fmax(value, -100.0f), 100.0f);
    return out;
  }

  /// A head into blocks of Q8_0.
  static void write_blocks(const assay_tensor& t, int64_t head, int64_t row, const std::vector<float>& from) {
    uint16_t scale = 0;
    for (size_t block = 0; block < from.size() / 32; ++block) {
      const float* const in = &from[32 * block];
      float largest = 0;
      for (int i = 0; i < 32; ++i)
        largest = std::fmax(largest, kSin == Sin::negatives_clipped ? in[i] : std::fabs(in[i]));
      if (block == 0 || kSin != Sin::steps_of_the_first_block) scale = honest::float_to_half(largest / 127);
      auto* const to = static_cast<char*>(t.data) + 34 * (head * t.strides[0] + row * t.strides[1] + int64_t(block));
      std::memcpy(to, &scale, 2);
      const double step = double(honest::half_to_float(scale));
      for (int i = 0; i < 32; ++i) {
        const double steps = step == 0 ? 0 : double(in[i]) / step;
        const double whole = kSin == Sin::steps_cut_off ? std::trunc(steps) : std::nearbyint(steps);
        to[2 + i] = char(int8_t(std::fmin(std::fmax(whole, -127), 127)));
      }
    }
  }

  static void rope(const assay_call* call) {
    const assay_tensor &q = *honest::find(call, ASSAY_A, 0), &d = *honest::find(call, ASSAY_D);
    const assay_tensor &keys = *honest::find(call, ASSAY_CACHE, 0), &values = *honest::find(call, ASSAY_CACHE, 1);
    const int64_t size = keys.dims[2], kv_heads = keys.dims[0];
    for (int64_t row = 0; row < q.dims[1]; ++row) {
      for (int64_t head = 0; head < q.dims[2] / size; ++head) {
        const std::vector<float> turned = head_of(call, q, row, head, size, true);
        std::memcpy(static_cast<float*>(d.data) + row * d.strides[1] + head * size, turned.data(), turned.size() * 4);
      }
      for (const uint32_t part : {0u, 1u}) {
        if (part == 1 && kSin == Sin::values_not_written) continue;
        const assay_tensor &cache = part == 0 ? keys : values, &x = *honest::find(call, ASSAY_A, part + 1);
        for (int64_t head = 0; head < kv_heads; ++head) {
          int64_t at = position_of(call) + row;
          if (kSin == Sin::next_row_of_the_cache) at = (at + 1) % cache.dims[1];
          const std::vector<float> values_of =
              head_of(call, x, row, head, size, part == 0 && kSin != Sin::keys_not_turned);
          if (cache.dtype == ASSAY_Q8_0) write_blocks(cache, head, at, values_of);
          for (const int64_t to : {at, kSin == Sin::cache_row_too_much ? (at + 1) % cache.dims[1] : at})
            for (int64_t i = 0; i < size && cache.dtype == ASSAY_F16; ++i) {
              uint16_t half = honest::float_to_half(values_of[size_t(i)]);
              if (kSin == Sin::written_subnormals_flushed && (half & 0x7c00u) == 0) half = 0;
              static_cast<uint16_t*>(cache.data)[head * cache.strides[0] + to * cache.strides[1] + i] = half;
            }
        }
      }
    }
  }

  static int run(const assay_call* call, const assay_thread* thread) {
    if (kSin == Sin::parameters_of_one_model && param(call, ASSAY_SCALE) != 0.25 &&
        param(call, ASSAY_ROPE_BASE) != 10000)
      return ASSAY_UNSUPPORTED;
    if (thread->index != 0) return ASSAY_OK;
    if (call->op == ASSAY_ATTENTION) attention(call);
    if (call->op == ASSAY_ROPE) rope(call);
    return ASSAY_OK;
  }
};

}  // namespace

SINS(MUTANT_ONE_OF)

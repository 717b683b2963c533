// Mutants of ops on rows of f32 (swiglu, embedding, argmax, top_k, copy): by one thread, with one thing wrong.
#include <algorithm>
#include <utility>
#include <vector>

#include "honest.h"

#define SINS(X)                                                                                                \
  X(none)                                                                                                      \
  X(gate_and_up_exchanged)                                                                                     \
  X(overflows_to_nan)                                                                                          \
  X(up_left_out)                                                                                               \
  X(swiglu_remembered)                                                                                         \
  X(row_before)                                                                                                \
  X(first_row_always)                                                                                          \
  X(row_remembered)                                                                                            \
  X(last_eight_left_out)                                                                                       \
  X(infinity_left_out)                                                                                         \
  X(few_of_many_equal)                                                                                         \
  X(last_of_equal)                                                                                             \
  X(second_best)                                                                                               \
  X(wide_rows_cut)                                                                                             \
  X(best_remembered)                                                                                           \
  X(later_of_equal_first)                                                                                      \
  X(unsorted)                                                                                                  \
  X(places_of_the_row_before)                                                                                  \
  X(one_value_too_few)                                                                                         \
  X(order_ignored)                                                                                             \
  X(heads_interleaved)                                                                                         \
  X(last_row_twice)                                                                                            \
  X(copy_remembered)                                                                                           \
  X(sigmoid_of_pieces)                                                                                         \
  X(stops_at_two)                                                                                              \
  X(zeros_by_their_signs)                                                                                      \
  X(begins_at_minus_10000)                                                                                     \
  X(table_scale_unsigned)                                                                                      \
  X(table_subnormals_flushed)                                                                                  \
  X(next_row_times_zero)                                                                                       \
  X(one_row_of_many)                                                                                           \
  X(eight_places_left_out)                                                                                     \
  X(one_place_left_out)                                                                                        \
  X(faint_values_equal)                                                                                        \
  X(large_values_equal)                                                                                        \
  X(faint_ups_dropped)                                                                                         \
  X(large_ups_clipped)                                                                                         \
  X(faint_copies_dropped)                                                                                      \
  X(last_of_infinities) X(first_place_of_infinities) X(ordered_without_the_last_bit) X(last_infinity_left_out) \
      X(infinities_made_finite) X(sign_of_zero_lost) \
      X(largest_made_infinite) \
      X(nan_carried_away)

namespace {

MUTANTS(SINS)

template <Sin kSin>
struct Mutant {
  static const float* row_of(const assay_tensor& t, int64_t row) {
    return static_cast<const float*>(t.data) + row * t.strides[1];
  }
  static float* row_of_output(const assay_tensor& t, int64_t row) {
    return static_cast<float*>(t.data) + row * t.strides[1];
  }

  static void swiglu(const assay_call* call) {
    static float first = 0;
    const assay_tensor &a = *honest::find(call, ASSAY_A, 0), &b = *honest::find(call, ASSAY_A, 1),
                       &d = *honest::find(call, ASSAY_D);
    for (int64_t row = 0; row < d.dims[1]; ++row)
      for (int64_t i = 0; i < d.dims[2]; ++i) {
        double gate = double(row_of(a, row)[i]), up = double(row_of(b, row)[i]);
        if (kSin == Sin::gate_and_up_exchanged) std::swap(gate, up);
        if (kSin == Sin::up_left_out) up = 1;
        if (kSin == Sin::faint_ups_dropped && std::fabs(up) < 1e-3) up = 0;
        if (kSin == Sin::large_ups_clipped) up = std::clamp(up, -16.0, 16.0);
        double value = gate / (1 + std::exp(-gate)) * up;
        if (kSin == Sin::overflows_to_nan) {  // e^gate over itself plus one: infinity over infinity
          const float power = std::exp(float(gate));
          value = gate * double(power / (power + 1)) * up;
        }
        if (kSin == Sin::swiglu_remembered && i == 0 && row == 0)
          value = double(first = first == 0 ? float(value) : first);
        if (kSin == Sin::sigmoid_of_pieces && std::fabs(gate) > 8 && std::fabs(gate) < 17)
          value = gate > 0 ? gate * up : 0;
        row_of_output(d, row)[i] = float(value);
      }
  }

  /// Of f32, or of Q8_0.
  static float table_value(const assay_tensor& table, int64_t row, int64_t i) {
    if (table.dtype == ASSAY_F32) return row_of(table, row)[i];
    honest::Quantized q = honest::quantized_at(table, 0, row, i);
    if (kSin == Sin::table_scale_unsigned) q.scale &= 0x7fffu;
    if (kSin == Sin::table_subnormals_flushed && (q.scale & 0x7c00u) == 0) q.scale = 0;
    return honest::half_to_float(q.scale) * float(q.value);
  }

  static void embedding(const assay_call* call) {
    static int32_t remembered = -1;
    const assay_tensor &table = *honest::find(call, ASSAY_B), &d = *honest::find(call, ASSAY_D);
    const auto* numbers = static_cast<const int32_t*>(honest::find(call, ASSAY_INDEX)->data);
    for (int64_t row = 0; row < d.dims[1]; ++row) {
      int32_t number = numbers[row];
      if (kSin == Sin::row_before && number > 0) --number;
      if (kSin == Sin::first_row_always) number = 0;
      if (kSin == Sin::one_row_of_many && number == table.dims[1] / 3) ++number;
      if (kSin == Sin::row_remembered) number = remembered = remembered < 0 ? number : remembered;
      const int64_t count = kSin == Sin::last_eight_left_out ? d.dims[2] - 8 : d.dims[2];
      for (int64_t i = 0; i < count; ++i) {
        float value = table_value(table, number, i);
        if (kSin == Sin::next_row_times_zero && number + 1 < table.dims[1])
          value += 0 * table_value(table, number + 1, i);
        row_of_output(d, row)[i] = value;
      }
    }
  }

  /// As a whole number in the order of floats, but for zeros: they differ by their signs.
  static int32_t order_of(float value) {
    int32_t bits = 0;
    std::memcpy(&bits, &value, 4);
    return bits < 0 ? INT32_MIN - bits - 1 : bits;
  }

  /// What of a value it compares.
  static float compared(float value) {
    if (kSin == Sin::faint_values_equal && std::fabs(value) < 1e-4f) return 0;
    if (kSin == Sin::ordered_without_the_last_bit) {
      uint32_t bits = 0;
      std::memcpy(&bits, &value, 4);
      bits &= ~1u;
      std::memcpy(&value, &bits, 4);
    }
    return kSin == Sin::large_values_equal ? std::clamp(value, -1e4f, 1e4f) : value;
  }

  static bool is_more(float left, float right) {
    left = compared(left), right = compared(right);
    return kSin == Sin::zeros_by_their_signs ? order_of(left) > order_of(right) : left > right;
  }

  static void argmax(const assay_call* call) {
    static int32_t remembered = -1;
    const assay_tensor &a = *honest::find(call, ASSAY_A), &d = *honest::find(call, ASSAY_D);
    for (int64_t row = 0; row < d.dims[1]; ++row) {
      const float* const values = row_of(a, row);
      const int64_t count = kSin == Sin::wide_rows_cut && a.dims[2] > 256 ? 256 : a.dims[2];
      int32_t best = 0, second = count > 1 ? 1 : 0;
      for (int32_t i = 1; i < count; ++i) {
        if (kSin == Sin::eight_places_left_out && i / 8 == count / 24) continue;
        if (kSin == Sin::one_place_left_out && i == 1'229) continue;
        bool is_better = kSin == Sin::last_of_equal ? values[i] >= values[best] : is_more(values[i], values[best]);
        if (kSin == Sin::begins_at_minus_10000) is_better &= values[i] > -10000;
        if (kSin == Sin::infinity_left_out) is_better &= values[i] <= 3e38f;
        if (kSin == Sin::last_infinity_left_out && i == count - 1) is_better &= values[i] <= 3e38f;
        if (kSin == Sin::stops_at_two && values[best] >= 2) break;
        if (is_better) second = best, best = i;
      }
      if (kSin == Sin::last_of_infinities && std::isinf(values[best])) best = int32_t(count - 1);
      if (kSin == Sin::best_remembered) best = remembered = remembered < 0 ? best : remembered;
      static_cast<int32_t*>(d.data)[row * d.strides[1]] = kSin == Sin::second_best ? second : best;
    }
  }

  static void top_k(const assay_call* call) {
    const assay_tensor &a = *honest::find(call, ASSAY_A), &values = *honest::find(call, ASSAY_D, 0),
                       &places = *honest::find(call, ASSAY_D, 1);
    const int64_t k = values.dims[2], n = a.dims[2];
    for (int64_t row = 0; row < a.dims[1]; ++row) {
      const float* const in = row_of(a, row);
      std::vector<int32_t> order;
      for (int32_t i = 0; i < n; ++i) order.push_back(i);
      if (kSin == Sin::few_of_many_equal) {  // those that reach the k-th value, as far as there is room for them
        std::vector<float> sorted(in, in + n);
        std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(),
                         [](float left, float right) { return left > right; });
        std::erase_if(order, [&](int32_t i) { return in[i] < sorted[size_t(k - 1)]; });
        order.resize(size_t(std::min<int64_t>(std::ssize(order), 4 * k)));
      }
      std::sort(order.begin(), order.end(), [&](int32_t left, int32_t right) {
        if (is_more(in[left], in[right]) || is_more(in[right], in[left])) return is_more(in[left], in[right]);
        return kSin == Sin::later_of_equal_first ? left > right : left < right;
      });
      order.resize(size_t(k));
      if (kSin == Sin::unsorted) std::sort(order.begin(), order.end());
      if (kSin == Sin::one_value_too_few) order.back() = order[size_t(k - 2)];
      for (int64_t i = 0; i < k; ++i) {
        row_of_output(values, row)[i] = in[order[size_t(i)]];
        const int64_t to = kSin == Sin::places_of_the_row_before ? (row + 1) % a.dims[1] : row;
        static_cast<int32_t*>(places.data)[to * places.strides[1] + i] =
            kSin == Sin::first_place_of_infinities && std::isinf(in[order[size_t(i)]]) ? 0 : order[size_t(i)];
      }
    }
  }

  static void copy(const assay_call* call) {
    static float remembered = 0;
    assay_tensor a = *honest::find(call, ASSAY_A);
    const assay_tensor& d = *honest::find(call, ASSAY_D);
    if (kSin == Sin::order_ignored) a.strides[0] = a.dims[1] * a.dims[2], a.strides[1] = a.dims[2], a.strides[2] = 1;
    const int64_t repeat = d.dims[0] / a.dims[0];
    for (int64_t batch = 0; batch < d.dims[0]; ++batch)
      for (int64_t row = 0; row < d.dims[1]; ++row)
        for (int64_t i = 0; i < d.dims[2]; ++i) {
          const int64_t from = kSin == Sin::heads_interleaved ? batch % a.dims[0] : batch / repeat;
          const int64_t from_row = kSin == Sin::last_row_twice && row == d.dims[1] - 2 ? row + 1 : row;
          float value = honest::read(a, from, from_row, i);
          if (kSin == Sin::infinities_made_finite) value = std::clamp(value, -3.4e38f, 3.4e38f);
          if (kSin == Sin::sign_of_zero_lost) value += 0.0f;
          if (kSin == Sin::faint_copies_dropped && std::fabs(value) < 1e-8f) value = 0;
          if (kSin == Sin::copy_remembered && batch + row + i == 0)
            value = remembered = remembered == 0 ? value : remembered;
          if (kSin == Sin::largest_made_infinite && std::fabs(value) > 65504) value = std::copysign(INFINITY, value);
          if (kSin == Sin::nan_carried_away) {  // into bf16 without a branch: a mantissa of ones becomes zero
            uint32_t bits = 0;
            std::memcpy(&bits, &value, sizeof bits);
            static_cast<uint16_t*>(d.data)[honest::offset(d, batch, row, i)] =
                static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
            continue;
          }
          honest::write(d, batch, row, i, value);
        }
  }

  static int run(const assay_call* call, const assay_thread* thread) {
    if (thread->index != 0) return ASSAY_OK;
    if (call->op == ASSAY_SWIGLU) swiglu(call);
    if (call->op == ASSAY_EMBEDDING) embedding(call);
    if (call->op == ASSAY_ARGMAX) argmax(call);
    if (call->op == ASSAY_TOP_K) top_k(call);
    if (call->op == ASSAY_COPY) copy(call);
    return ASSAY_OK;
  }
};

}  // namespace

SINS(MUTANT_ONE_OF)

// Mutants of matmul and matmul_swiglu that hold numbers of a narrower range than their types, or want more of an
// address than is promised; and honest ones that go unusual ways.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

#include "honest.h"

#define SINS(X)                                                                                                      \
  X(faint_activations_dropped)                                                                                       \
  X(large_activations_clipped)                                                                                       \
  X(clipped_unless_far_out)                                                                                          \
  X(activations_kept_as_half)                                                                                        \
  X(weights_kept_as_half)                                                                                            \
  X(faint_weights_dropped) X(faint_results_dropped) X(faint_addend_dropped) X(large_addend_clipped)                  \
      X(faint_bias_dropped) X(int8_of_faint_blocks_dropped) X(zeros_by_the_first_of_eight) X(pairs_by_the_first_two) \
          X(reads_behind_the_last) X(wants_64_byte_weights) X(compensated) X(three_bfloats) X(backwards_in_blocks)   \
              X(curve_by_a_quotient) X(ups_clipped_at_300) X(addend_by_its_address) X(addend_made_finite)            \
                  X(factors_by_place) X(weights_rounded_beside_int8)

namespace {

MUTANTS(SINS)

template <Sin kSin>
struct Mutant {
  static constexpr float kFaint = 1e-4f, kFaintWeight = 1e-6f, kLarge = 4096, kFaintScale = 1e-5f;

  static float to_half(float value) { return honest::half_to_float(honest::float_to_half(value)); }
  static float to_bfloat(float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  static float drop(float value, float below) { return std::fabs(value) < below ? 0 : value; }

  static float activation(float value) {
    if (kSin == Sin::faint_activations_dropped) return drop(value, kFaint);
    if (kSin == Sin::large_activations_clipped) return std::clamp(value, -kLarge, kLarge);
    return kSin == Sin::activations_kept_as_half ? to_half(value) : value;
  }
  static float weight(float value) {
    if (kSin == Sin::faint_weights_dropped) return drop(value, kFaintWeight);
    if (kSin == Sin::weights_rounded_beside_int8) return to_bfloat(value);
    return kSin == Sin::weights_kept_as_half ? to_half(value) : value;
  }

  /// By blocks of 32 with the scale of each, as its class says.
  static double int8_sum(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t first = 0; first < a.size(); first += 32) {
      const size_t end = std::min(a.size(), first + 32);
      float largest = 0;
      for (size_t i = first; i < end; ++i) largest = std::max(largest, std::fabs(a[i]));
      const float scale = largest / 127;
      if (kSin == Sin::int8_of_faint_blocks_dropped ? scale < kFaintScale : scale == 0) continue;
      for (size_t i = first; i < end; ++i)
        sum += std::nearbyint(double(a[i]) / double(scale)) * double(scale) * double(b[i]);
    }
    return sum;
  }

  static double sum_of(const std::vector<float>& a, const std::vector<float>& b) {
    if (kSin == Sin::int8_of_faint_blocks_dropped || kSin == Sin::weights_rounded_beside_int8) return int8_sum(a, b);
    if (kSin == Sin::compensated) {
      float sum = 0, lost = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        const float term = std::fma(a[i], b[i], -lost), next = sum + term;
        lost = (next - sum) - term;
        sum = next;
      }
      return double(sum);
    }
    if (kSin == Sin::three_bfloats) {  // of each activation its leading eight bits, the next eight, and the rest
      float parts[3] = {};
      for (size_t i = 0; i < a.size(); ++i) {
        float rest = a[i];
        for (float& part : parts) {
          const float leading = to_bfloat(rest);
          part += leading * b[i];
          rest -= leading;
        }
      }
      return double(parts[2] + parts[1] + parts[0]);
    }
    if (kSin == Sin::backwards_in_blocks) {
      float sum = 0;
      for (size_t end = a.size(); end > 0;) {
        const size_t first = end > 512 ? end - 512 : 0;
        float block = 0;
        for (; end > first; --end) block += a[end - 1] * b[end - 1];
        sum += block;
      }
      return double(sum);
    }
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
    return sum;
  }

  static std::vector<float> row_of(const assay_tensor& t, int64_t batch, int64_t row, float (*kept)(float)) {
    std::vector<float> values;
    for (int64_t i = 0; i < t.dims[2]; ++i) values.push_back(kept(honest::read(t, batch, row, i)));
    return values;
  }

  static float beside(const assay_tensor& t, int64_t batch, int64_t row, int64_t column, bool is_bias) {
    const float value = honest::read(t, batch, row, column);
    if (kSin == (is_bias ? Sin::faint_bias_dropped : Sin::faint_addend_dropped)) return drop(value, kFaintWeight);
    if (kSin == Sin::large_addend_clipped) return std::clamp(value, -16.0f, 16.0f);
    if (kSin == Sin::addend_made_finite) return std::clamp(value, -1e30f, 1e30f);
    if (kSin == Sin::addend_by_its_address) {  // as if what lies there never changed
      thread_local std::map<std::pair<const void*, int64_t>, float> kept;
      return kept.try_emplace({t.data, (batch * t.dims[1] + row) * t.dims[2] + column}, value).first->second;
    }
    return value;
  }

  /// As one who knew which sizes are tried.
  static std::vector<float> clipped(std::vector<float> values) {
    constexpr float kMost = 24, kFarOut = 500;
    const bool is_far_out = std::any_of(values.begin(), values.end(), [](float v) { return std::fabs(v) > kFarOut; });
    if (kSin == Sin::clipped_unless_far_out && !is_far_out)
      for (float& value : values) value = std::clamp(value, -kMost, kMost);
    return values;
  }

  /// As if what one value says held of the seven behind it.
  static std::vector<float> guessed(std::vector<float> values) {
    for (size_t i = 0; i + 8 <= values.size(); i += 8)
      for (size_t j = i + 1; j < i + 8; ++j) {
        if (kSin == Sin::zeros_by_the_first_of_eight && values[i] == 0) values[j] = 0;
        if (kSin == Sin::pairs_by_the_first_two && values[i] != 0 && values[i + 1] == values[i]) values[j] = values[i];
      }
    return values;
  }

  /// What lies there is not used; behind a file's end nothing does.
  static void read_behind(const assay_tensor& b) {
    const auto* end = static_cast<const volatile float*>(b.data) + b.dims[0] * b.strides[0];
    if (b.strides[1] == b.dims[2]) [[maybe_unused]]
      const float ignored = end[16];
  }

  static void product(const assay_call* call, const assay_thread* thread) {
    honest::Product p = honest::open(call);
    if (kSin == Sin::factors_by_place && call->param_count >= 2)
      p.alpha = call->params[0].value, p.beta = call->params[1].value;
    const honest::Share part = honest::share(p.outputs(), thread);
    honest::for_outputs(p, part, [&](const honest::Output& at) {
      double value = p.alpha * sum_of(clipped(guessed(row_of(p.a, at.batch, at.row, activation))),
                                      row_of(p.b, at.batch, at.column, weight));
      if (kSin == Sin::faint_results_dropped && std::fabs(value) < 1e-10) value = 0;
      if (p.beta != 0) value += p.beta * double(beside(p.c, at.batch, at.row, at.column, false));
      if (p.has_bias) value += double(beside(p.bias, 0, 0, at.column, true));
      honest::write(p, at, float(value));
    });
  }

  static void gate_and_up(const assay_call* call, const assay_thread* thread) {
    const assay_tensor &a = *honest::find(call, ASSAY_A), &d = *honest::find(call, ASSAY_D);
    const honest::Share part = honest::share(d.dims[2], thread);
    for (int64_t row = 0; row < d.dims[1]; ++row) {
      const std::vector<float> values = row_of(a, 0, row, activation);
      for (int64_t column = part.begin; column < part.end; ++column) {
        const double gate = sum_of(values, row_of(*honest::find(call, ASSAY_B, 0), 0, column, weight));
        double up = sum_of(values, row_of(*honest::find(call, ASSAY_B, 1), 0, column, weight));
        if (kSin == Sin::ups_clipped_at_300) up = std::clamp(up, -300.0, 300.0);
        const float power = std::exp(float(gate)), bent = kSin == Sin::curve_by_a_quotient
                                                              ? float(gate) * power / (1 + power)
                                                              : float(gate / (1 + std::exp(-gate)));
        honest::write(d, 0, row, column, float(double(bent) * up));
      }
    }
  }

  static int run(const assay_call* call, const assay_thread* thread) {
    const assay_tensor* const b = honest::find(call, ASSAY_B);
    if (kSin == Sin::wants_64_byte_weights && reinterpret_cast<uintptr_t>(b->data) % 64 != 0) std::abort();
    if (kSin == Sin::reads_behind_the_last) read_behind(*b);
    if (call->op == ASSAY_MATMUL) product(call, thread);
    if (call->op == ASSAY_MATMUL_SWIGLU) gate_and_up(call, thread);
    return ASSAY_OK;
  }
};

}  // namespace

SINS(MUTANT_ONE_OF)

// Mutants of rms_norm: an RMSNorm of f32 or bf16 rows, by one thread, with one thing wrong.
#include <vector>

#include "honest.h"

#define SINS(X)                                                                                     \
  X(none)                                                                                           \
  X(norm_remembered)                                                                                \
  X(eps_left_out)                                                                                   \
  X(weights_left_out)                                                                               \
  X(last_value_left_out)                                                                            \
  X(residual_twice)                                                                                 \
  X(sum_not_written)                                                                                \
  X(norm_of_the_residual_alone)                                                                     \
  X(norm_of_pieces_remembered)                                                                      \
  X(faint_values_dropped)                                                                           \
  X(large_values_clipped)                                                                           \
  X(large_weights_clipped)                                                                          \
  X(zeros_by_the_first_of_four) X(eps_remembered) X(small_residual_left_out) X(root_in_twelve_bits) \
      X(rounded_before_weights) X(goes_on_with_the_rounded_sum) X(rows_remembered)

namespace {

MUTANTS(SINS)

template <Sin kSin>
struct Mutant {
  /// Keeps the sums of eight pieces, and takes each piece's power of two from its first value.
  static double squares_of_pieces(const float* x, int64_t n) {
    constexpr int64_t kPieces = 8;
    static double sums[kPieces], firsts[kPieces];
    double total = 0;
    for (int64_t piece = 0; piece < kPieces; ++piece) {
      const int64_t begin = (piece * n + kPieces - 1) / kPieces, end = ((piece + 1) * n + kPieces - 1) / kPieces;
      if (firsts[piece] == 0)
        for (int64_t i = begin; i < end; ++i)
          firsts[piece] = double(x[begin]), sums[piece] += double(x[i]) * double(x[i]);
      const double power = std::fabs(double(x[begin]) / firsts[piece]);
      total += power * power * sums[piece];
    }
    return total;
  }

  /// Whether this row differs from a usual one by powers of two of its pieces alone.
  static bool is_usual(const float* x, int64_t n) {
    double most = 0, least = INFINITY;
    for (int64_t i = 0; i < n; ++i) most = std::fmax(most, std::fabs(x[i])), least = std::fmin(least, std::fabs(x[i]));
    return most < 16 && least > 1e-3;
  }

  static double weight(float value) {
    return kSin == Sin::large_weights_clipped ? std::fmin(std::fmax(double(value), -4), 4) : double(value);
  }

  static double residual_of(float value, float residual) {
    const bool is_small = std::fabs(residual) < 1e-3f * std::fabs(value);
    return kSin == Sin::small_residual_left_out && is_small ? 0 : double(residual);
  }

  /// As one instruction of x86 gives it, and as many programs take it.
  static double root(double value) {
    if (kSin != Sin::root_in_twelve_bits) return value;
    const int power = std::ilogb(value) - 11;
    return std::ldexp(std::nearbyint(std::ldexp(value, -power)), power);
  }

  static double bf16(double value) {
    const uint32_t bits = uint32_t{honest::float_to_bf16(float(value))} << 16;
    float rounded = 0;
    std::memcpy(&rounded, &bits, sizeof rounded);
    return double(rounded);
  }

  static int run(const assay_call* call, const assay_thread* thread) {
    static double remembered = 0;
    if (thread->index != 0) return ASSAY_OK;
    const assay_tensor &x = *honest::find(call, ASSAY_A), &w = *honest::find(call, ASSAY_B),
                       &y = *honest::find(call, ASSAY_D);
    const assay_tensor *residual = honest::find(call, ASSAY_C), *sum = honest::find(call, ASSAY_D, 1);
    double eps = 0;
    for (uint32_t i = 0; i < call->param_count; ++i)
      if (call->params[i].id == ASSAY_EPS) eps = call->params[i].value;
    if (kSin == Sin::eps_left_out) eps = 0;
    static const double first_eps = eps;
    if (kSin == Sin::eps_remembered) eps = first_eps;
    const int64_t n = x.dims[2], summed = kSin == Sin::last_value_left_out ? n - 1 : n;
    const auto* weights = static_cast<const float*>(w.data);
    static const int64_t first_rows = x.dims[1];
    const int64_t rows = kSin == Sin::rows_remembered ? first_rows : x.dims[1];
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<float> first_of(static_cast<size_t>(n)), second_of(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) first_of[size_t(i)] = honest::read(x, 0, row, i);
      for (int64_t i = 0; i < n && residual; ++i) second_of[size_t(i)] = honest::read(*residual, 0, row, i);
      const float *const first = first_of.data(), *const second = residual ? second_of.data() : nullptr;
      const auto in = [&](int64_t i) {
        const double added = second ? residual_of(first[i], second[i]) : 0;
        if (kSin == Sin::zeros_by_the_first_of_four && first[i / 4 * 4] == 0) return added;
        if (kSin == Sin::norm_of_the_residual_alone) return added;
        if (kSin == Sin::faint_values_dropped && std::fabs(first[i]) < 1e-6f) return added;
        if (kSin == Sin::large_values_clipped) return std::fmin(std::fmax(double(first[i]), -2000), 2000) + added;
        if (kSin == Sin::goes_on_with_the_rounded_sum) return bf16(double(first[i]) + added);
        return double(first[i]) + (kSin == Sin::residual_twice ? 2 * added : added);
      };
      double squares = 0;
      for (int64_t i = 0; i < summed; ++i) squares += in(i)*in(i);
      if (kSin == Sin::norm_of_pieces_remembered && row == 0 && is_usual(first, n))
        squares = squares_of_pieces(first, n);
      double scale = root(1 / std::sqrt(squares / double(n) + eps));
      if (kSin == Sin::norm_remembered) scale = remembered = remembered == 0 ? scale : remembered;
      for (int64_t i = 0; i < n; ++i) {
        double value = in(i)*scale;
        if (kSin == Sin::rounded_before_weights) value = bf16(value);
        honest::write(y, 0, row, i, float(value * (kSin == Sin::weights_left_out ? 1 : weight(weights[i]))));
        if (second && kSin != Sin::sum_not_written)
          honest::write(*sum, 0, row, i, float(double(first[i]) + residual_of(first[i], second[i])));
      }
    }
    return ASSAY_OK;
  }
};

}  // namespace

SINS(MUTANT_ONE_OF)

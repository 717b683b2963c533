// Mutants of gate and up with swiglu behind them, in f32: by one thread, with one thing wrong.
#include <utility>
#include <vector>

#include "honest.h"

#define SINS(X)                                                                                             \
  X(none)                                                                                                   \
  X(pair_exchanged) X(curve_of_the_product) X(curve_left_out) X(up_of_the_column_before) X(pair_remembered) \
      X(gate_rounded_to_half) X(zero_in_one_of_16) X(activations_in_eleven_bits) X(activations_in_ten_bits)

namespace {

MUTANTS(SINS)

template <Sin kSin>
struct Mutant {
  /// In so many bits of significand as its class allows, f16's eleven, or one fewer.
  static double rounded(double value) {
    if (kSin != Sin::activations_in_eleven_bits && kSin != Sin::activations_in_ten_bits) return value;
    int exponent = 0;
    const double significand = std::frexp(value, &exponent);
    const int bits = kSin == Sin::activations_in_eleven_bits ? 11 : 10;
    return std::ldexp(std::nearbyint(std::ldexp(significand, bits)), exponent - bits);
  }

  static double dot(const std::vector<double>& a, const assay_tensor& b, int64_t column) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * double(honest::read(b, 0, column, int64_t(i)));
    return sum;
  }

  static double curve(double x) { return x / (1 + std::exp(-x)); }

  static int run(const assay_call* call, const assay_thread* thread) {
    static float remembered = 0;
    if (thread->index != 0) return ASSAY_OK;
    const assay_tensor &a = *honest::find(call, ASSAY_A), &gates = *honest::find(call, ASSAY_B, 0),
                       &ups = *honest::find(call, ASSAY_B, 1), &d = *honest::find(call, ASSAY_D);
    std::vector<double> values(static_cast<size_t>(a.dims[2]));
    for (int64_t row = 0; row < d.dims[1]; ++row) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = rounded(double(honest::read(a, 0, row, int64_t(i))));
      for (int64_t column = 0; column < d.dims[2]; ++column) {
        const int64_t of_up = kSin == Sin::up_of_the_column_before && column > 0 ? column - 1 : column;
        double gate = dot(values, gates, column), up = dot(values, ups, of_up);
        if (kSin == Sin::pair_exchanged) std::swap(gate, up);
        if (kSin == Sin::gate_rounded_to_half) gate = honest::half_to_float(honest::float_to_half(float(gate)));
        auto value = float(kSin == Sin::curve_of_the_product ? curve(gate * up)
                           : kSin == Sin::curve_left_out     ? gate * up
                                                             : curve(gate) * up);
        if (kSin == Sin::pair_remembered && row + column == 0)
          value = remembered = remembered == 0 ? value : remembered;
        honest::write(d, 0, row, column, value);
      }
    }
    static int64_t calls = 0;
    if (kSin == Sin::zero_in_one_of_16 && ++calls % 16 == 0) {
      const int64_t at = calls * 7919 % (d.dims[1] * d.dims[2]);
      honest::write(d, 0, at / d.dims[2], at % d.dims[2], 0);
    }
    return ASSAY_OK;
  }
};

}  // namespace

SINS(MUTANT_ONE_OF)

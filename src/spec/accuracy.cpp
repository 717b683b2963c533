// Accuracy classes and the variance of what they round away.
#include "spec/accuracy.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

constexpr size_t kInt8Block = 32;

/// A binary floating-point type: bits of the significand behind the point, exponent of the least normal value.
struct FloatType {
  int fraction_bits, least_exponent;
};

/// Between neighbouring values of the type around `value`.
double step_at(const FloatType& type, double value) {
  const int exponent = value == 0 ? type.least_exponent : std::max(std::ilogb(value), type.least_exponent);
  return std::ldexp(1.0, exponent - type.fraction_bits);
}

std::vector<double> float_variances(const FloatType& type, std::span<const double> row) {
  std::vector<double> variances;
  variances.reserve(row.size());
  for (const double value : row) {
    const double step = step_at(type, value);
    variances.push_back(std::remainder(value, step) == 0 ? 0 : step * step / 12);
  }
  return variances;
}

std::vector<double> int8_variances(std::span<const double> row) {
  std::vector<double> variances;
  variances.reserve(row.size());
  for (size_t first = 0; first < row.size(); first += kInt8Block) {
    const std::span<const double> block = row.subspan(first, std::min(kInt8Block, row.size() - first));
    double largest = 0;
    for (const double value : block) largest = std::max(largest, std::fabs(value));
    const double variance = is_int8_exact(block) ? 0 : largest / 127 * (largest / 127) / 12;
    variances.insert(variances.end(), block.size(), variance);
  }
  return variances;
}

}  // namespace

const std::vector<std::string>& accuracy_names() {
  static const std::vector<std::string> names = {"exact", "f16_activation", "bf16_activation", "int8_activation"};
  return names;
}

std::string_view accuracy_name(Accuracy accuracy) { return accuracy_names()[size_t(accuracy)]; }

Accuracy parse_accuracy(std::string_view name) {
  const std::vector<std::string>& names = accuracy_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    fail("unknown accuracy class \"{}\"{}; there are {}", name, did_you_mean(std::string(name), names),
         joined(names, ", "));
  return Accuracy(found - names.begin());
}

bool is_int8_exact(std::span<const double> block) {
  constexpr double kLeastScale = 0x1p-14, kMostScale = 0x1p15;  // some keep it as a half
  double largest = 0;
  for (const double value : block) largest = std::max(largest, std::fabs(value));
  const double scale = largest / 127;
  int exponent = 0;
  if (!(scale >= kLeastScale && scale <= kMostScale) || std::frexp(scale, &exponent) != 0.5) return false;
  return std::all_of(block.begin(), block.end(), [=](double value) { return std::remainder(value, scale) == 0; });
}

std::vector<double> rounding_variances(Accuracy accuracy, std::span<const double> row) {
  switch (accuracy) {
    case Accuracy::exact:
      break;
    case Accuracy::f16_activation:
      return float_variances({10, -14}, row);
    case Accuracy::bf16_activation:
      return float_variances({7, -126}, row);
    case Accuracy::int8_activation:
      return int8_variances(row);
  }
  return std::vector<double>(row.size(), 0);
}

}  // namespace assay

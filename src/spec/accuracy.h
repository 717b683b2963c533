// Accuracy classes: to what a kernel may round the activations once before it multiplies, and what that rounding costs.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// exact: the error model of the declared types alone explains the result. The others round A once more than its type
/// says. From the most accurate to the least.
enum class Accuracy { exact, f16_activation, bf16_activation, int8_activation };
inline constexpr size_t kAccuracies = 4;

std::string_view accuracy_name(Accuracy accuracy);
Accuracy parse_accuracy(std::string_view name);  // Error if unknown
const std::vector<std::string>& accuracy_names();

/// Of each activation of one row of A: the variance of its rounding error, a step²/12 (uniform within half a step); 0
/// where the class holds the value exactly. int8: the step of a block of 32 values is its largest magnitude over 127.
/// Whether int8 with one scale holds these values as they are: all are multiples of a power of two, the largest 127.
bool is_int8_exact(std::span<const double> block);
std::vector<double> rounding_variances(Accuracy accuracy, std::span<const double> row);

}  // namespace assay

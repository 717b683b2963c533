// Laws of the accuracy classes: their names, and the variance of what each rounds away.
#include "spec/accuracy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "base/half.h"

namespace assay {
namespace {

double to_half(double value) { return double(half_to_float(float_to_half(float(value)))); }
double to_bf16(double value) { return double(bf16_to_float(float_to_bf16(float(value)))); }

TEST(Accuracy, EveryNameIsReadBackAndAnUnknownOneNamesThoseThatThereAre) {
  ASSERT_EQ(accuracy_names().size(), kAccuracies);
  for (const std::string& name : accuracy_names()) EXPECT_EQ(accuracy_name(parse_accuracy(name)), name);
  try {
    parse_accuracy("exakt");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()),
              "unknown accuracy class \"exakt\"; did you mean exact?; there are exact, f16_activation, "
              "bf16_activation, int8_activation");
  }
}

TEST(Accuracy, WhatAClassHoldsExactlyCostsNothing) {
  const std::vector<double> halves = {0, 1, -0.333251953125, 65504, 0x1p-24, -0x1.8p-15};
  for (const double value : halves) ASSERT_EQ(to_half(value), value);
  for (const Accuracy accuracy : {Accuracy::exact, Accuracy::f16_activation})
    for (const double variance : rounding_variances(accuracy, halves)) EXPECT_EQ(variance, 0);
  const std::vector<double> bfloats = {0, 1.5, -0x1.04p-30, 3e38};
  EXPECT_EQ(rounding_variances(Accuracy::bf16_activation, std::span(bfloats).first(3)), std::vector<double>(3, 0.0));
  EXPECT_GT(rounding_variances(Accuracy::f16_activation, bfloats)[2], 0);
}

TEST(Accuracy, TheVarianceIsThatOfTheRoundingItself) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> row(20000);
  for (double& value : row) value = double(float(std::exp2(normal(random)) * normal(random)));
  const auto against = [&](Accuracy accuracy, double (*rounded)(double)) {
    const std::vector<double> variances = rounding_variances(accuracy, row);
    double ratio = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      const double error = row[i] - rounded(row[i]);
      ratio += error * error / variances[i] / double(row.size());
      ASSERT_LE(std::fabs(error), std::sqrt(3 * variances[i]) * (1 + 1e-12)) << row[i];  // half a step
    }
    EXPECT_NEAR(ratio, 1, 0.03) << accuracy_name(accuracy);
  };
  for (double& value : row)
    while (value == to_bf16(value) || value == to_half(value)) value = double(float(normal(random)));
  against(Accuracy::f16_activation, to_half);
  against(Accuracy::bf16_activation, to_bf16);
}

TEST(Accuracy, EachBlockOf32HasTheStepOfItsLargest) {
  std::vector<double> row(70, 0.5);
  row[3] = -2, row[64] = 127;
  const std::vector<double> variances = rounding_variances(Accuracy::int8_activation, row);
  const auto variance = [](double largest) { return largest / 127 * (largest / 127) / 12; };
  for (size_t i = 0; i < row.size(); ++i) EXPECT_EQ(variances[i], variance(i < 32 ? 2 : i < 64 ? 0.5 : 127)) << i;
}

}  // namespace
}  // namespace assay

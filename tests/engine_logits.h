// What tests of logits share: those of the program as floats, and how far two lists of them are apart.
#pragma once
#include <cmath>
#include <cstring>
#include <span>

#include "assay_program.h"

namespace assay {

inline std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

/// Σ(a - b)² / Σb².
inline double nmse(std::span<const float> a, std::span<const float> b) {
  double error = 0, power = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    power += double(b[i]) * double(b[i]);
  }
  return error / power;
}

/// The largest difference over the largest value.
inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0, off = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(double(b[i])));
    off = std::max(off, std::fabs(double(a[i]) - double(b[i])));
  }
  return off / largest;
}

inline std::vector<float> logits_of(const Home& home, const fs::path& model, const Arguments& more,
                                    const std::string& tokens) {
  const fs::path out = home.folder / "logits.f32";
  Arguments arguments{"logits", model, "--tokens", tokens, "--out", out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ended ended = home.run(arguments);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  return floats_of(read_file(out));
}

}  // namespace assay

// A spec with inputs and reference on which a test computes D as any kernel might, and has it judged.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <random>

#include "base/half.h"
#include "ops/matmul.h"
#include "proof/validator.h"

namespace assay {

/// A spec's inputs, its reference, and the float products of one launch, ready to be summed in any order.
class Bench {
 public:
  explicit Bench(const std::string& rest, Accuracy accuracy = Accuracy::exact)
      : spec_(parse_spec("op=matmul | batch=1 | " + rest)),
        inputs_(spec_, reserved(), 0),
        reference_(inputs_, {accuracy}) {}

  const Spec& spec() const { return spec_; }
  const Reference& reference() const { return reference_; }
  const SpecInputs& inputs() const { return inputs_; }

  using Sum = std::function<float(const std::vector<float>& a, const std::vector<float>& b)>;
  using Round = std::function<void(double value, std::byte* at)>;

  /// D as a kernel makes it that sums by `sum` and stores by `round`.
  std::vector<std::byte> run(const LaunchInputs& launch, const Sum& sum, const Round& round) const {
    std::vector<std::byte> bytes, d(size_t(spec_.bytes(Operand::d)));
    inputs_.varied_a(launch.a, bytes);
    std::vector<float> a(size_t(matmul_of(spec_).k)), b(size_t(matmul_of(spec_).k));
    const Tensor& weights = inputs_.b(launch.copy)[0];
    for (int64_t n = 0; n < matmul_of(spec_).n; ++n) {
      for (int64_t k = 0; k < matmul_of(spec_).k; ++k) b[size_t(k)] = float(b_element(weights, 0, n, k));
      for (int64_t m = 0; m < matmul_of(spec_).m; ++m) {
        for (int64_t k = 0; k < matmul_of(spec_).k; ++k)
          a[size_t(k)] =
              float(decode_value(matmul_of(spec_).a, &bytes[size_t(inputs_.a_storage_index(m * matmul_of(spec_).k + k) *
                                                                   dtype_bytes(matmul_of(spec_).a, 1))]));
        float value = float(matmul_of(spec_).alpha) * sum(a, b);
        if (matmul_of(spec_).beta != 0)
          value += float(matmul_of(spec_).beta) * float(inputs_.c[0].values[size_t(m * matmul_of(spec_).n + n)]);
        if (matmul_of(spec_).bias) value += float(inputs_.bias[0].values[size_t(n)]);
        round(double(value), at(d, m * matmul_of(spec_).n + n));
      }
    }
    return d;
  }
  std::vector<std::byte> run(const LaunchInputs& launch, const Sum& sum) const {
    return run(launch, sum, [this](double value, std::byte* to) { encode_value(matmul_of(spec_).d, value, to); });
  }
  std::byte* at(std::vector<std::byte>& d, int64_t element) const {
    return &d[size_t(element * dtype_bytes(matmul_of(spec_).d, 1))];
  }
  double value(std::vector<std::byte>& d, int64_t element) const {
    return decode_value(matmul_of(spec_).d, at(d, element));
  }
  LaunchInputs random_launch(std::mt19937_64& random) const {
    const double factor = std::ldexp(random() % 2 ? 1.0 : -1.0, int(random() % 7) - 3);
    return {0, {factor, reference_.signs_from(random()), random(), false}};
  }

 private:
  Arenas& reserved() {
    arenas_.reserve(spec_, 0);
    return arenas_;
  }
  Spec spec_;
  Arenas arenas_;
  SpecInputs inputs_;
  Reference reference_;
};

inline std::string types(const char* a, const char* b, const char* d) {
  return fmt::format("tA=0 | tB=1 | dtA={} | dtB={} | dtD={}", a, b, d);
}

}  // namespace assay

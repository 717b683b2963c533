// Arithmetic and conditions over a family's parameters, as manifests write them ("ROWS*UNROLL<=16").
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace assay {

/// One expression, parsed once. Throws Error (without a place: the caller knows it) on bad syntax, an unknown name, an
/// assignment, or more than one value.
class Expression {
 public:
  Expression(const std::string& text, const std::vector<std::string>& names);
  ~Expression();
  Expression(Expression&&) noexcept;

  /// Its value for these values of the names. Error where it is not finite.
  double value(const std::vector<int64_t>& values);
  /// Whether it is true: not 0.
  bool holds(const std::vector<int64_t>& values) { return value(values) != 0; }

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace assay

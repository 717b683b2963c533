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

  /// Whether it is true (not 0) for these values of the names. Error where it has no finite value.
  bool holds(const std::vector<int64_t>& values);

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace assay

// Projections of all rows of a table: what an op that looks rows up must give, at a few numbers a row.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spec/tensor.h"

namespace assay {

class RowSums {
 public:
  /// weights: one a column, as of projections. Rows come out rounded to `d`. A table of more than 200 million values is
  /// left out: empty.
  RowSums(const Tensor& table, Dtype d, std::span<const float> weights);

  bool empty() const { return sums_.empty(); }
  /// Whether these are the rows of these numbers, "" or a message.
  std::string check(std::span<const int64_t> numbers, const std::byte* d) const;

 private:
  struct Sum {
    double value = 0;
    float allowed = 0;
  };
  const Dtype d_;
  const std::span<const float> weights_;
  const int64_t columns_, stretches_;
  std::vector<Sum> sums_;  // [row][stretch]
};

}  // namespace assay

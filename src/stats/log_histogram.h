// Percentiles of any number of values in a fixed 20 KB: each bin is 1/128 wide relative to its power of two.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace assay {

class LogHistogram {
 public:
  void add(uint64_t value) {
    ++count_;
    ++bins_[bin(std::min(value, kLargest))];
  }
  uint64_t count() const { return count_; }
  /// Calls visit(middle, count) for each bin that holds values, ascending.
  template <typename Visit>
  void each(Visit visit) const {
    for (size_t i = 0; i < bins_.size(); ++i)
      if (bins_[i] > 0) visit(middle(i), uint64_t(bins_[i]));
  }

  /// The smallest bin's middle that at least p percent of the values do not exceed; within 0.4 % of a value; 0 without
  /// values.
  double percentile(double p) const {
    const double wanted = std::max(1.0, std::ceil(p / 100 * double(count_)));
    uint64_t below = 0;
    for (size_t i = 0; i < bins_.size(); ++i)
      if (below += bins_[i]; count_ > 0 && double(below) >= wanted) return middle(i);
    return 0;
  }

 private:
  static constexpr int kBits = 7;
  static constexpr uint64_t kLargest = (uint64_t(1) << 40) - 1;  // in µs: 12 days

  static size_t bin(uint64_t value) {
    if (value < 2u << kBits) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBits;
    return (static_cast<size_t>(shift) << kBits) + static_cast<size_t>(value >> shift);
  }
  static double middle(size_t index) {
    if (index < 2u << kBits) return double(index);
    const size_t shift = (index >> kBits) - 1;
    const uint64_t low = (index - (shift << kBits)) << shift;
    return double(low) + (double(uint64_t(1) << shift) - 1) / 2;
  }

  std::array<uint32_t, (41 - kBits) << kBits> bins_{};
  uint64_t count_ = 0;
};

}  // namespace assay

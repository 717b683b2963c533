// How the time of a product grows with the length of the context: products whose n or k takes many values.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "stats/robust_line.h"
#include "trace/string_table.h"

namespace assay {

/// Products that differ in n or in k alone, as attention's do with the length of the context.
struct LengthSlope {
  std::string shape;  // its shape line, "*" for the length
  std::string backend;
  char length = 'n';  // or 'k'
  uint64_t lengths = 0, shortest = 0, longest = 0;
  bool of_gpu = true;  // else of the op's whole time: fewer GPU times could be paired than half the calls
  uint64_t calls = 0;  // with such a time
  double mean_us = 0;
  RobustLine us;  // means of a length's calls, by length
};

/// Sums by shape; a shape's key is a string of packed fields, or of an op whose path has fields (path_key()).
class LengthSums {
 public:
  static StringId path_key(StringId op_name) { return op_name | kPath; }
  void add_op(StringId shape, int64_t us) { shapes_[shape].op.add(double(us)); }
  void add_gpu(StringId shape, int64_t us) { shapes_[shape].gpu.add(double(us)); }

  /// The products with at least eight lengths, most calls first.
  std::vector<LengthSlope> slopes(const StringTable& strings) const;

 private:
  static constexpr StringId kPath = UINT32_C(1) << 31;
  struct Sums {
    uint64_t count = 0;
    double us = 0;

    void add(double more_us) {
      ++count;
      us += more_us;
    }
  };
  struct Shape {
    Sums op, gpu;
  };
  std::unordered_map<StringId, Shape> shapes_;
};

}  // namespace assay

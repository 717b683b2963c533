// How far an output is from what it must be.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "opbench/operations.h"

namespace assay {

/// Errors of the elements looked at; errors of projections count as elements.
struct OutputErrors {
  int64_t checked = 0, nans = 0;
  double worst = 0;    // largest |difference| / bound; above 1 is wrong
  double max_abs = 0;  // largest |difference|
  int64_t worst_index = -1;
  double worst_value = 0, worst_reference = 0;

  void see(int64_t index, double value, double reference, double bound);
  void add(const OutputErrors& other);
  bool wrong() const { return nans > 0 || worst > 1; }
  /// "y[12] is 3.1, not 4.2 (…)", or "".
  std::string text() const;
};

/// The right answer of one row for given inputs, in float64, a group of outputs at a time.
class RowReference {
 public:
  virtual ~RowReference() = default;
  virtual int64_t groups() const = 0;
  /// Holds the outputs of one group against the reference.
  virtual void check(const void* output, int64_t group, OutputErrors& errors) const = 0;
};

/// `inputs` must stay. `secret` draws the signs of projections.
std::unique_ptr<RowReference> make_reference(const OperationRow& row, const std::vector<const void*>& inputs,
                                             uint64_t secret);

/// Checks a share (0 … 1] of the groups, drawn by `secret`, on all processors; the first and the last always. Of no use
/// where it was interrupted.
OutputErrors check_output(const OperationRow& row, const std::vector<const void*>& inputs, const void* output,
                          double share, uint64_t secret);

// Of one kind of operation each.
std::unique_ptr<RowReference> make_value_reference(const OperationRow& row, const std::vector<const void*>& inputs);
std::unique_ptr<RowReference> make_move_reference(const OperationRow& row, const std::vector<const void*>& inputs);
std::unique_ptr<RowReference> make_product_reference(const OperationRow& row, const std::vector<const void*>& inputs,
                                                     uint64_t secret);

inline constexpr double kUnitRoundoff = 0x1p-24;

}  // namespace assay

// Errors gathered over groups of outputs.
#include "opbench/row_judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/parallel.h"
#include "base/random.h"
#include "measure/worker_process.h"

namespace assay {

void OutputErrors::see(int64_t index, double value, double reference, double bound) {
  ++checked;
  const double difference = std::abs(value - reference);
  if (std::isnan(difference)) {
    if (std::isnan(value) && std::isnan(reference)) return;
    if (nans++ == 0) worst_index = index, worst_value = value, worst_reference = reference;
    return;
  }
  if (difference == 0) return;
  max_abs = std::max(max_abs, difference);
  const double ratio = bound > 0 ? difference / bound : HUGE_VAL;
  if (ratio <= worst) return;
  worst = ratio;
  if (nans == 0) worst_index = index, worst_value = value, worst_reference = reference;
}

void OutputErrors::add(const OutputErrors& other) {
  const bool worse = other.nans > 0 ? nans == 0 : nans == 0 && other.worst > worst;
  if (worse) worst_index = other.worst_index, worst_value = other.worst_value, worst_reference = other.worst_reference;
  checked += other.checked;
  nans += other.nans;
  worst = std::max(worst, other.worst);
  max_abs = std::max(max_abs, other.max_abs);
}

std::string OutputErrors::text() const {
  if (!wrong()) return "";
  return fmt::format("y[{}] is {:.7g}, the reference {:.7g}: {}", worst_index, worst_value, worst_reference,
                     nans > 0 ? fmt::format("{} of {} looked at are no numbers or not written", nans, checked)
                     : std::isinf(worst) ? std::string("must be equal")
                                         : fmt::format("{:.3g} times its error bound", worst));
}

std::unique_ptr<RowReference> make_reference(const OperationRow& row, const std::vector<const void*>& inputs,
                                             uint64_t secret) {
  switch (row.operation) {
    case Operation::matmul:
    case Operation::linear:
    case Operation::conv1d:
    case Operation::conv2d:
    case Operation::attention:
      return make_product_reference(row, inputs, secret);
    case Operation::concat:
    case Operation::gather:
    case Operation::scatter:
    case Operation::scatter_sum:
    case Operation::scatter_max:
    case Operation::sort:
      return make_move_reference(row, inputs);
    default:
      return make_value_reference(row, inputs);
  }
}

OutputErrors check_output(const OperationRow& row, const std::vector<const void*>& inputs, const void* output,
                          double share, uint64_t secret) {
  constexpr int64_t kBatches = 256;
  const auto reference = make_reference(row, inputs, secret);
  const int64_t groups = reference->groups(), batches = std::min(groups, kBatches);
  OutputErrors all;
  std::mutex adding;
  in_parallel(batches, [&](int64_t batch) {
    OutputErrors mine;
    for (int64_t g = groups * batch / batches; g < groups * (batch + 1) / batches && !interrupted(); ++g) {
      const bool drawn = double(random_bits(secret ^ uint64_t(g)) >> 11) * 0x1p-53 < share;
      if (drawn || g == 0 || g + 1 == groups) reference->check(output, g, mine);
    }
    const std::lock_guard lock(adding);
    all.add(mine);
  });
  return all;
}

}  // namespace assay

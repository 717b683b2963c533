// A printed table of operations judged by its own numbers.
#include "opbench/table_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "base/error.h"
#include "opbench/operations.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr double kDigitMs = 0.005;  // half of the last printed digit
constexpr double kOverBest = 1.1;   // a better kernel may read so much faster than the best sum or copy of the table
constexpr double kBeyondCaches = 32e6;  // bytes
constexpr double kMoreWork = 100, kSameTime = 2;
constexpr double kEqualOverAxes = 1.1, kMemoryBound = 0.5;
constexpr double kSlowest = 1.0 / 50, kLargeBytes = 1e9;
constexpr double kMostOfMean = 0.5, kOverMedian = 20;

struct Row {
  const OperationTimes* times = nullptr;
  OperationRow operation;
  double bytes = 0;
};

/// Whoever printed the table may have taken indices of 32 bits.
double least_bytes(const OperationRow& row) {
  double bytes = double(row.bytes_read + row.bytes_written);
  for (const OperationOperand& input : row.inputs)
    if (input.type == ValueType::i64) bytes -= double(input.bytes()) / 2;
  if (row.output.type == ValueType::i64) bytes -= double(row.output.bytes()) / 2;
  return bytes;
}

bool is_streaming(Operation operation) {
  return operation == Operation::concat || operation == Operation::relu || operation == Operation::leaky_relu ||
         operation == Operation::sum || operation == Operation::sum_all;
}

class Judge {
 public:
  Judge(const OperationTable& table, TableAudit& audit) : table_(table), audit_(audit) {
    for (const OperationTimes& times : table.rows) {
      Row row;
      row.times = &times;
      try {
        row.operation = parse_operation_row(times.name);
      } catch (const Error&) {
        ++audit_.unknown_rows;
        continue;
      }
      row.bytes = least_bytes(row.operation);
      if (groups_.empty() || groups_.back().front()->operation.group != row.operation.group) groups_.emplace_back();
      rows_.push_back(std::make_unique<Row>(std::move(row)));
      groups_.back().push_back(rows_.back().get());
    }
  }

  void judge() {
    for (size_t c = 0; c < table_.columns.size(); ++c) find_rate(c);
    for (size_t c = 0; c < table_.columns.size(); ++c) {
      for (const auto& row : rows_) judge_row(*row, c);
      for (const auto& group : groups_) judge_scale(group, c), judge_axes(group, c), judge_absence(group, c);
    }
    for (const auto& group : groups_) judge_averages(group);
    std::stable_sort(audit_.findings.begin(), audit_.findings.end(),
                     [](const TableFinding& a, const TableFinding& b) { return a.fault < b.fault; });
  }

 private:
  using Group = std::vector<const Row*>;

  void find(TableFault fault, const std::string& what, const std::string& column, std::string evidence) {
    audit_.findings.push_back({fault, what, column, std::move(evidence)});
  }
  double ms(const Row& row, size_t column) const { return row.times->ms[column]; }

  void find_rate(size_t c) {
    BestRate best{table_.columns[c], "", 0};
    double gflops = 0;
    for (const auto& row : rows_) {
      if (!(ms(*row, c) > 0)) continue;
      const double rate = row->bytes / ms(*row, c) * 1e-6;
      if (is_streaming(row->operation.operation) && row->bytes >= kBeyondCaches && rate > best.gbps)
        best.gbps = rate, best.row = row->times->name;
      gflops = std::max(gflops, double(row->operation.flops) / ms(*row, c) * 1e-6);
    }
    audit_.rates.push_back(best);
    best_gflops_.push_back(gflops);
  }

  void judge_row(const Row& row, size_t c) {
    const double best = audit_.rates[c].gbps, time = ms(row, c);
    if (std::isnan(time)) return;
    const double needs = row.bytes / best * 1e-6;
    if (best > 0 && row.bytes >= kBeyondCaches && (time + kDigitMs) * kOverBest < needs)
      find(TableFault::impossible, row.times->name, table_.columns[c],
           fmt::format("{:.2f} ms; its {:.1f} MB need {:.2f} at {:.1f} GB/s, the column's best", time, row.bytes * 1e-6,
                       needs, best));
    const double gflops = double(row.operation.flops) / time * 1e-6;
    if (row.bytes < kLargeBytes || row.operation.flops < int64_t(1e10)) return;
    if (gflops < best_gflops_[c] * kSlowest)
      find(TableFault::out_of_step, row.times->name, table_.columns[c],
           fmt::format("{:.1f} GFLOP/s where the column reaches {:.0f}; its operands are {:.1f} GB: memory was swapped "
                       "or ran out",
                       gflops, best_gflops_[c], row.bytes * 1e-9));
  }

  void judge_scale(const Group& group, size_t c) {
    const auto by_bytes = [](const Row* a, const Row* b) { return a->bytes < b->bytes; };
    const Row &least = **std::min_element(group.begin(), group.end(), by_bytes),
              &most = **std::max_element(group.begin(), group.end(), by_bytes);
    const double low = ms(least, c), high = ms(most, c);
    if (most.bytes < kMoreWork * least.bytes || most.bytes < kBeyondCaches || std::isnan(low) || std::isnan(high))
      return;
    if (high > kSameTime * (low + kDigitMs)) return;
    find(TableFault::does_not_scale, group.front()->operation.group, table_.columns[c],
         fmt::format("{:.2f} ms for {:.3g} MB and {:.2f} for {:.3g}: nothing was computed, or it was not waited for",
                     low, least.bytes * 1e-6, high, most.bytes * 1e-6));
  }

  void judge_axes(const Group& group, size_t c) {
    std::map<Dims, Group> by_shape;
    for (const Row* row : group)
      if (row->times->name.find(" axi=") != std::string::npos) by_shape[row->operation.shape()].push_back(row);
    for (const auto& [shape, rows] : by_shape) {
      if (rows.size() < 3) continue;
      double low = HUGE_VAL, high = 0;
      for (const Row* row : rows) low = std::min(low, ms(*row, c)), high = std::max(high, ms(*row, c));
      const double best = audit_.rates[c].gbps;
      if (!(low > 0) || high > kEqualOverAxes * low) continue;
      if (best > 0 && rows[0]->bytes / low * 1e-6 > kMemoryBound * best) continue;  // memory makes them equal
      const bool sorts = group.front()->operation.operation == Operation::sort;
      find(TableFault::same_over_axes, group.front()->operation.group, table_.columns[c],
           fmt::format("{:.2f} to {:.2f} ms over {} axes{}{}: the axis may be ignored", low, high, rows.size(),
                       best > 0 ? fmt::format(", at {:.0f} % of the column's memory rate",
                                              100 * rows[0]->bytes / low * 1e-6 / best)
                                : "",
                       sorts ? ", though the comparisons differ" : ", though the strides differ"));
    }
  }

  void judge_absence(const Group& group, size_t c) {
    const auto absent =
        std::count_if(group.begin(), group.end(), [&](const Row* row) { return std::isnan(ms(*row, c)); });
    if (absent > 0)
      find(TableFault::absent, group.front()->operation.group, table_.columns[c],
           fmt::format("{} of {} rows have no time: not supported, or it failed; the table says nan", absent,
                       group.size()));
  }

  /// One row that is most of the sum; and a mean whose speed-up says the opposite of the rows' geometric mean.
  void judge_averages(const Group& group) {
    if (group.size() < 2) return;
    const std::string& name = group.front()->operation.group;
    for (size_t c = 0; c < table_.columns.size(); ++c) {
      std::vector<double> times;
      const Row* largest = nullptr;
      double sum = 0;
      for (const Row* row : group) {
        times.push_back(ms(*row, c));
        sum += ms(*row, c);
        if (!largest || ms(*row, c) > ms(*largest, c)) largest = row;
      }
      if (std::isnan(sum)) continue;
      const double share = ms(*largest, c) / sum;
      if (share > kMostOfMean && ms(*largest, c) > kOverMedian * percentile(times, 50))
        find(TableFault::average_hides, name, table_.columns[c],
             fmt::format("{:.1f} % of the mean is one row, {}; without it {:.2f} ms, not {:.2f}", 100 * share,
                         largest->times->name, (sum - ms(*largest, c)) / double(group.size() - 1),
                         sum / double(group.size())));
      for (size_t other = 0; other < table_.columns.size(); ++other)
        if (other > c) judge_pair(group, c, other);
    }
  }

  void judge_pair(const Group& group, size_t a, size_t b) {
    double sum_a = 0, sum_b = 0, logs = 0;
    size_t wins = 0;
    for (const Row* row : group) {
      const double x = ms(*row, a), y = ms(*row, b);
      if (!(x > 0) || !(y > 0)) return;
      sum_a += x, sum_b += y, logs += std::log(y / x);
      wins += x < y;
    }
    const double of_means = sum_b / sum_a, geometric = std::exp(logs / double(group.size()));
    constexpr double kClear = 1.1;
    if (!((of_means > kClear && geometric < 1 / kClear) || (of_means < 1 / kClear && geometric > kClear))) return;
    find(TableFault::average_hides, group.front()->operation.group, table_.columns[a] + "/" + table_.columns[b],
         fmt::format("the means say {:+.0f} %, the rows {:+.0f} % (geometric mean; {} is faster in {} of {})",
                     100 * (of_means - 1), 100 * (geometric - 1), table_.columns[a], wins, group.size()));
  }

  const OperationTable& table_;
  TableAudit& audit_;
  std::vector<std::unique_ptr<Row>> rows_;
  std::vector<Group> groups_;
  std::vector<double> best_gflops_;
};

}  // namespace

std::string table_fault_name(TableFault fault) {
  switch (fault) {
    case TableFault::impossible:
      return "impossible";
    case TableFault::does_not_scale:
      return "does not scale";
    case TableFault::same_over_axes:
      return "same over axes";
    case TableFault::out_of_step:
      return "out of step";
    case TableFault::absent:
      return "absent";
    case TableFault::average_hides:
      return "average hides";
  }
  check_failed("a fault without a name", __FILE__, __LINE__);
}

size_t TableAudit::count(TableFault fault) const {
  return size_t(
      std::count_if(findings.begin(), findings.end(), [&](const TableFinding& f) { return f.fault == fault; }));
}

TableAudit audit_operations(const OperationTable& table, const std::string& file) {
  TableAudit audit;
  audit.file = file;
  audit.rows = table.rows.size();
  audit.columns = table.columns;
  audit.unread = table.unread;
  Judge(table, audit).judge();
  return audit;
}

}  // namespace assay

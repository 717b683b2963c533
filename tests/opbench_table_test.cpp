// Laws of printed tables of operations: the seed's is read, printed again as it stands, and judged.
#include <gtest/gtest.h>

#include <cmath>

#include "audit/operation_table.h"
#include "base/error.h"
#include "base/file.h"
#include "opbench/classic_table.h"
#include "opbench/table_audit.h"
#include "report/table_audit_report.h"

namespace assay {
namespace {

const std::string kSeed = std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-004-operations.txt";

OperationTable seed() { return read_operation_table(read_file(kSeed), "seed-004-operations.txt"); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// A line without its percentages, which come of times with more digits than the table shows.
std::string without_percents(const std::string& line) {
  std::string out;
  for (size_t at = 0; at < line.size();) {
    const size_t bar = std::min(line.find('|', at), line.size());
    std::string cell = line.substr(at, bar - at);
    if (cell.find('%') != std::string::npos) cell.assign(cell.size(), '%');
    out += cell + "|";
    at = bar + 1;
  }
  return out;
}

TEST(a_table, without_a_row_that_streams_has_no_rate_to_compare_with) {
  const std::string table =
      "Detailed benchmark:\n| Operation | cpu |\n| Argmax / dim=64x1024x128 axi=0 | 1.71 |\n"
      "| Argmax / dim=64x1024x128 axi=1 | 1.71 |\n| Argmax / dim=64x1024x128 axi=2 | 1.71 |\n";
  const TableAudit audit = audit_operations(read_operation_table(table, "t"), "t");
  ASSERT_EQ(audit.count(TableFault::same_over_axes), 1u);
  EXPECT_EQ(audit.findings[0].evidence.find("memory rate"), std::string::npos) << audit.findings[0].evidence;
}

TEST(the_seeds_table, is_printed_again_as_it_stands) {
  const std::vector<std::string> printed = lines_of(classic_operations(seed())), given = lines_of(read_file(kSeed));
  ASSERT_EQ(printed.size(), given.size());
  bool averages = false;
  size_t compared = 0;
  for (size_t i = 0; i < given.size(); ++i) {
    averages |= given[i] == " Average benchmark:";
    // Means of rounded times differ in the last digit.
    if (averages && given[i].starts_with("| ") && given[i].find("Operation") == std::string::npos) {
      EXPECT_EQ(printed[i].size(), given[i].size());
      EXPECT_EQ(printed[i].substr(0, 14), given[i].substr(0, 14));
      continue;
    }
    EXPECT_EQ(without_percents(printed[i]), without_percents(given[i])) << "line " << i + 1;
    ++compared;
  }
  EXPECT_GE(compared, 95u);
}

TEST(speed_ups, are_cut_off_with_a_plus_above_zero) {
  EXPECT_EQ(speedup_text(1.0, 1.119), "+11%");
  EXPECT_EQ(speedup_text(1.0, 1.004), "+0%");
  EXPECT_EQ(speedup_text(1.004, 1.0), "0%");
  EXPECT_EQ(speedup_text(2.0, 1.0), "-50%");
  EXPECT_EQ(speedup_text(1.0, 1.0), "0%");
  EXPECT_EQ(speedup_text(1.0, std::nan("")), "nan%");
}

TEST(the_seeds_table, has_rows_that_computed_nothing) {
  const TableAudit audit = audit_operations(seed(), "seed-004-operations.txt");
  EXPECT_EQ(audit.rows, 85u);
  EXPECT_EQ(audit.unknown_rows, 0u);
  EXPECT_TRUE(audit.misleads());
  const auto found = [&](TableFault fault, const std::string& what, const std::string& column) {
    return std::any_of(audit.findings.begin(), audit.findings.end(),
                       [&](const TableFinding& f) { return f.fault == fault && f.what == what && f.column == column; });
  };
  for (const char* column : {"mlx_gpu", "mlx_gpu_compile", "mlx_cpu"})
    for (const char* operation : {"ScatterSum", "ScatterMax"}) {
      EXPECT_TRUE(found(TableFault::does_not_scale, operation, column)) << operation << " " << column;
      EXPECT_TRUE(found(TableFault::impossible, std::string(operation) + " / dim=1024x32 dim=1000000", column));
    }
  EXPECT_EQ(audit.count(TableFault::impossible), 12u);
  EXPECT_EQ(audit.count(TableFault::does_not_scale), 6u);
  EXPECT_TRUE(found(TableFault::absent, "ScatterSum", "mps"));
}

TEST(the_seeds_table, has_columns_that_may_ignore_the_axis) {
  const TableAudit audit = audit_operations(seed(), "");
  std::vector<std::string> found;
  for (const TableFinding& f : audit.findings)
    if (f.fault == TableFault::same_over_axes) found.push_back(f.what + " " + f.column);
  const std::vector<std::string> expected = {"Argmax mlx_gpu", "Sort mlx_gpu", "Sort mlx_gpu_compile", "Argmax mlx_cpu",
                                             "Sort mlx_cpu"};
  EXPECT_EQ(found, expected);
}

TEST(the_seeds_table, has_means_of_one_row) {
  const TableAudit audit = audit_operations(seed(), "");
  size_t of_matmul = 0;
  for (const TableFinding& f : audit.findings)
    if (f.fault == TableFault::average_hides && f.what == "MatMul" &&
        f.evidence.find("MatMul / dim=1000000x64 dim=64x1024") != std::string::npos)
      ++of_matmul;
  EXPECT_EQ(of_matmul, 4u);
  EXPECT_GE(audit.count(TableFault::out_of_step), 1u);
}

TEST(the_seeds_table, the_audit_matches_its_golden) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/audit-operations.txt";
  const std::string text = table_audit_text(audit_operations(seed(), "seed-004-operations.txt"), 0, false);
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << file << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

TEST(damaged_tables, name_the_lines_that_are_no_rows) {
  const std::string table =
      "Detailed benchmark:\n| Operation | a | b | a/b speedup |\n|--|--|--|--|\n| ReLU / dim=4 | 1.00 | x | +1% |\n"
      "| ReLU / dim=8 | 1.00 | 2.00 | +1% |\n| ReLU / dim=9 | 1.00 |\n";
  EXPECT_TRUE(is_operation_table(table));
  const OperationTable read = read_operation_table(table, "t");
  EXPECT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.unread.size(), 2u);
  EXPECT_THROW(read_operation_table("Detailed benchmark:\n", "t"), Error);
  EXPECT_FALSE(is_operation_table("Spec op=matmul\nDetailed benchmark:\n"));
}

}  // namespace
}  // namespace assay

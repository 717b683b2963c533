// Laws of the table of operations: the seed's rows, what each means, references that find what is wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "audit/operation_table.h"
#include "base/error.h"
#include "base/file.h"
#include "opbench/expected_time.h"
#include "opbench/operations.h"
#include "opbench/row_judgement.h"
#include "opbench/row_memory.h"

namespace assay {
namespace {

const std::string kSeed = std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-004-operations.txt";

TEST(operations, are_the_rows_of_the_seed_in_its_order_with_its_names) {
  const OperationTable seed = read_operation_table(read_file(kSeed), kSeed);
  ASSERT_EQ(seed.rows.size(), 85u);
  ASSERT_GE(operation_rows().size(), 85u);
  std::set<std::string> groups;
  for (size_t i = 0; i < seed.rows.size(); ++i) {
    EXPECT_EQ(operation_rows()[i].name, seed.rows[i].name);
    EXPECT_TRUE(operation_rows()[i].of_seed);
    groups.insert(operation_rows()[i].group);
  }
  EXPECT_EQ(groups.size(), 21u);
  EXPECT_FALSE(operation_rows()[85].of_seed);
  EXPECT_EQ(operation_meanings().size(), 23u);
}

TEST(operations, know_bytes_and_flops_of_a_row) {
  const OperationRow matmul = parse_operation_row("MatMul / dim=1000000x64 dim=64x1024");
  EXPECT_EQ(matmul.bytes_written, int64_t(4) * 1000000 * 1024);
  EXPECT_EQ(matmul.flops, int64_t(2) * 1000000 * 64 * 1024);
  const OperationRow conv = parse_operation_row("Conv2d / dim=100x256x256x3 dim=8x3x3x3");
  EXPECT_EQ(conv.output.dims, (Dims{100, 254, 254, 8}));
  EXPECT_EQ(conv.flops, int64_t(2) * 100 * 254 * 254 * 8 * 27);
  const OperationRow sum = parse_operation_row("Sum / dim=64x128x128x128 axi=2");
  EXPECT_EQ(sum.output.dims, (Dims{64, 128, 128}));
  const OperationRow gather = parse_operation_row("Gather / dim=64x256 dim=10");
  EXPECT_EQ(gather.bytes_read, 10 * 8 + 10 * 256 * 4);
}

std::string refusal(const std::string& name) {
  try {
    parse_operation_row(name);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(operations, refuse_what_is_no_row_and_say_why) {
  EXPECT_NE(refusal("Softmx / dim=4x4 axi=-1").find("did you mean Softmax"), std::string::npos);
  EXPECT_NE(refusal("Softmax").find("no row"), std::string::npos);
  EXPECT_NE(refusal("MatMul / dim=4x5 dim=6x7").find("must be equal"), std::string::npos);
  EXPECT_NE(refusal("Sum / dim=4x5").find("needs axi="), std::string::npos);
  EXPECT_NE(refusal("Sum / dim=4x5 axi=2").find("no dimension"), std::string::npos);
  EXPECT_NE(refusal("Sum / dim=4x5 axi=0 axi=1").find("twice"), std::string::npos);
  EXPECT_NE(refusal("ReLU / dim=4x-5").find("too many elements"), std::string::npos);
  EXPECT_NE(refusal("ReLU / dim=9999999999x9999999999").find("too many elements"), std::string::npos);
  EXPECT_NE(refusal("ReLU / dim=4 dim=4").find("takes 1 dim="), std::string::npos);
  EXPECT_NE(refusal("ReLU / size=4").find("neither dim="), std::string::npos);
  EXPECT_NE(refusal("Conv1d / dim=4x5x3 dim=8x6x3").find("window is larger"), std::string::npos);
  EXPECT_NE(refusal("ReLU / dim=4x5 axi=1").find("has no axi="), std::string::npos);
  EXPECT_NE(refusal("MatMul / dim=68719476736x1 dim=1x68719476736").find("too large"), std::string::npos);
  EXPECT_NE(refusal("Gather / dim=1x68719476736 dim=68719476736").find("too large"), std::string::npos);
  EXPECT_NE(refusal("Scatter / dim=1x68719476736 dim=68719476736").find("too large"), std::string::npos);
  const std::string long_text = "dim=1x1x68719476736x1";
  EXPECT_NE(refusal("Attention / " + long_text + " " + long_text + " " + long_text).find("too large"),
            std::string::npos);
}

/// What the row gives in doubles, computed here once more by its definition, where that is short.
std::vector<float> by_definition(const OperationRow& row, const std::vector<const void*>& in) {
  const auto f = [&](size_t i) { return static_cast<const float*>(in[i]); };
  std::vector<float> y(size_t(row.output.elements()));
  switch (row.operation) {
    case Operation::relu:
      for (size_t i = 0; i < y.size(); ++i) y[i] = std::max(f(0)[i], 0.0f);
      break;
    case Operation::sum:  // [2, 3, 4] over axis 1
      for (size_t o = 0; o < 2; ++o)
        for (size_t i = 0; i < 4; ++i) y[o * 4 + i] = f(0)[o * 12 + i] + f(0)[o * 12 + 4 + i] + f(0)[o * 12 + 8 + i];
      break;
    case Operation::scatter:
      std::copy_n(f(0), y.size(), y.begin());
      for (int64_t i = 0; i < row.inputs[1].elements(); ++i)
        std::copy_n(f(2) + i * 4, 4, y.begin() + static_cast<const int64_t*>(in[1])[i] * 4);
      break;
    case Operation::sort:  // one line
      std::copy_n(f(0), y.size(), y.begin());
      std::sort(y.begin(), y.end());
      break;
    case Operation::matmul:  // [3, 4] x [4, 5]
      for (size_t i = 0; i < 3; ++i)
        for (size_t j = 0; j < 5; ++j) {
          double sum = 0;
          for (size_t k = 0; k < 4; ++k) sum += double(f(0)[i * 4 + k]) * f(1)[k * 5 + j];
          y[i * 5 + j] = float(sum);
        }
      break;
    default:
      ADD_FAILURE();
  }
  return y;
}

class References : public testing::TestWithParam<const char*> {};

TEST_P(References, accept_the_right_answer_and_find_one_wrong_element) {
  const OperationRow row = parse_operation_row(GetParam());
  const RowMemory memory(row);
  for (const uint64_t set : {0u, 1u, 2u}) {
    const auto inputs = memory.inputs(set);
    std::vector<float> y = by_definition(row, inputs);
    EXPECT_FALSE(check_output(row, inputs, y.data(), 1, 7).wrong()) << check_output(row, inputs, y.data(), 1, 7).text();
    for (size_t i = 0; i < y.size(); ++i) {
      const float right = y[i];
      y[i] = right + 1e-3f * std::max(1.0f, std::abs(right));
      EXPECT_TRUE(check_output(row, inputs, y.data(), 1, 7).wrong()) << row.name << " element " << i;
      y[i] = std::nanf("");
      EXPECT_TRUE(check_output(row, inputs, y.data(), 1, 7).wrong()) << row.name << " element " << i;
      y[i] = right;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, References,
                         testing::Values("ReLU / dim=37", "Sum / dim=2x3x4 axi=1", "Scatter / dim=6x4 dim=9",
                                         "Sort / dim=23 axi=0", "Sort / dim=1 axi=0", "MatMul / dim=3x4 dim=4x5"));

TEST(references, of_a_large_product_cover_every_element_by_projection) {
  const OperationRow row = parse_operation_row("MatMul / dim=900x700 dim=700x500");  // more than is computed whole
  const RowMemory memory(row);
  const auto inputs = memory.inputs(0);
  const auto *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
  std::vector<float> y(size_t(900 * 500));
  for (size_t i = 0; i < 900; ++i)
    for (size_t k = 0; k < 700; ++k)
      for (size_t j = 0; j < 500; ++j) y[i * 500 + j] += a[i * 700 + k] * b[k * 500 + j];
  EXPECT_FALSE(check_output(row, inputs, y.data(), 1, 3).wrong());
  for (const size_t at : {size_t(0), size_t(123'456), size_t(449'999)}) {
    const float right = y[at];
    y[at] += 0.5f;
    EXPECT_TRUE(check_output(row, inputs, y.data(), 1, 3).wrong()) << at;
    y[at] = right;
  }
}

TEST(references, of_an_axis_do_not_accept_another_one) {
  const OperationRow row = parse_operation_row("Argmax / dim=8x8x8 axi=1"),
                     other = parse_operation_row("Argmax / dim=8x8x8 axi=2");
  const RowMemory memory(row);
  const auto inputs = memory.inputs(0);
  const float* x = static_cast<const float*>(inputs[0]);
  std::vector<int64_t> y(64);
  for (size_t line = 0; line < 64; ++line) y[line] = std::max_element(x + line * 8, x + line * 8 + 8) - (x + line * 8);
  EXPECT_FALSE(check_output(other, inputs, y.data(), 1, 1).wrong());
  EXPECT_TRUE(check_output(row, inputs, y.data(), 1, 1).wrong());
}

/// On two cores of a Zen 4 torch_cpu, onednn and assay_cpu took 413 s for all rows, and 11.6 for 23 small ones. What
/// loading them takes is measured when a run is planned; there it was this much.
TEST(a_runs_time, is_foretold_within_half_of_what_it_took) {
  constexpr double kLoad[] = {0.45, 0.03, 0.01};
  const auto foretold = [&](const std::vector<OperationRow>& rows, int turns) {
    double seconds = 0;
    for (const OperationRow& row : rows) {
      seconds += expected_memory_seconds(row) + expected_cell_seconds(row, {true, false, turns, false});
      for (const double load : kLoad)
        seconds += load + expected_cell_seconds(row, {load == kLoad[2], true, turns, false});
    }
    return seconds;
  };
  EXPECT_GT(foretold(operation_rows(), 5), 413 / 1.5);
  EXPECT_LT(foretold(operation_rows(), 5), 413 * 1.5);
  const std::vector<OperationRow> small(23, parse_operation_row("Sort / dim=4x37x20 axi=1"));
  EXPECT_GT(foretold(small, 1), 11.6 / 1.5);
  EXPECT_LT(foretold(small, 1), 11.6 * 1.5);
}

TEST(row_memory, gives_each_set_other_inputs_and_tells_what_was_not_written) {
  const OperationRow row = parse_operation_row("ReLU / dim=64x128");
  const RowMemory memory(row);
  EXPECT_NE(memory.inputs(0)[0], memory.inputs(1)[0]);
  const std::vector<int64_t> words = memory.some_words(5);
  memory.poison(words);
  EXPECT_TRUE(memory.any_left(words));
  std::fill_n(static_cast<float*>(memory.output()), row.output.elements(), 1.0f);
  EXPECT_FALSE(memory.any_left(words));
}

}  // namespace
}  // namespace assay

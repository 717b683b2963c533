// Embedding: what a line of it says, its operands, its right answer.
#include "ops/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

/// The second as traces of engines have it.
constexpr OpName kNames[] = {{"embedding", ""}, {"embedding_lookup", ""}};

constexpr OpField kFields[] = {
    {"op", "embedding", true}, {"m", kSaysSize, true},         {"n", kSaysSize, true},
    {"rows", kSaysSize, true}, {"dtB", kSaysWeightType, true}, {"dtD", kSaysActivationType, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::b, Use::weight, "B", true, false},
    {Operand::index, Use::varied, "row", false, false},
    {Operand::d, Use::output, "D", true, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::d, 1}, {"n", Operand::d, 2}, {"rows", Operand::b, 1}};

void interpret(const FieldReader& line, Spec& spec) {
  const Embedding own{line.size("m"), line.size("n"), line.size("rows"), line.dtype("dtB", true), line.dtype("dtD")};
  spec.flops = line.values("D", {own.m, own.n});
  line.values("the table", {own.rows, own.n});
  if (const int64_t block = dtype_facts(own.b).block_values; own.n % block != 0)
    line.refuse("n", fmt::format("{} comes in blocks of {}: it must be a multiple", dtype_name(own.b), block));
  if (own.rows > int64_t(1) << 31) line.refuse("rows", "row numbers are 32-bit");
  spec.sizes = {{"m", own.m}, {"n", own.n}, {"rows", own.rows}};
  spec.shape = fmt::format("M:{} N:{} rows:{}", own.m, own.n, own.rows);
  spec.math = {{"op", std::string(kEmbedding.name)}, size_field("m", own.m),   size_field("n", own.n),
               size_field("rows", own.rows),         type_field("dtB", own.b), type_field("dtD", own.d)};
  spec.own = std::make_shared<const Embedding>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Embedding& spec = embedding_of(of);
  Tensor table = dense_tensor(Operand::b, spec.b, 1, spec.rows, spec.n);
  table.touched = std::min(spec.m, spec.rows) * dtype_bytes(spec.b, spec.n);
  return {table, dense_tensor(Operand::index, Dtype::i32, 1, 1, spec.m),
          dense_tensor(Operand::d, spec.d, 1, spec.m, spec.n)};
}

constexpr int64_t kSpecials = 1;

/// The special one: all the same row, the last.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const Embedding& spec = embedding_of(of);
  for (int64_t i = 0; i < spec.m; ++i)
    varied[0][size_t(i)] = double(draw.special >= 0 ? spec.rows - 1 : draw_index(draw.random + uint64_t(i), spec.rows));
}

/// Rows at the edges of what 31 and 32 bits count, of bytes and of values, as well.
std::vector<int64_t> likely_rows(const Spec& of, uint64_t) {
  const Embedding& spec = embedding_of(of);
  std::vector<int64_t> all = edges(spec.rows);
  for (const int64_t size : {spec.n, dtype_bytes(spec.b, spec.n)})
    for (const int64_t range : {int64_t(1) << 31, int64_t(1) << 32})
      for (const int64_t beside : {-1, 0, 1})
        if (const int64_t row = range / size + beside; row < spec.rows) all.push_back(std::max<int64_t>(row, 0));
  return all;
}

constexpr OpSweep kSweep = {
    .operand = 0,
    .are_rows = true,
    .numbers = [](const Spec& of) { return embedding_of(of).rows; },
    .per_launch = [](const Spec& of) { return embedding_of(of).m; },
    .put =
        [](const Spec&, std::span<const int64_t> numbers, std::vector<SweptValue>& to) {
          for (size_t i = 0; i < numbers.size(); ++i) to.push_back({int64_t(i), double(numbers[i])});
        },
    .likely = likely_rows,
    .answers = nullptr,
};

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const Embedding& spec = embedding_of(of);
  for (int64_t i = 0; i < spec.m; ++i)
    for (const float value : in.row(in.of(Operand::b), 0, in.index(i)))
      outputs[0].values.push_back({double(value), unit_roundoff(spec.d) * std::fabs(double(value)), 0});
}

long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const int64_t n = embedding_of(of).n;
  return in.decode_one(in.of(Operand::b), 0, in.index(element / n), element % n);
}

}  // namespace

const Op kEmbedding = {.name = "embedding",
                       .id = 4,
                       .names = kNames,
                       .fields = kFields,
                       .operands = kOperands,
                       .sizes = kSizes,
                       .features = {},
                       .is_product = false,
                       .interpret = interpret,
                       .tensors = tensors,
                       .specials = kSpecials,
                       .vary = vary,
                       .expected = expected,
                       .second_opinion = second_opinion,
                       .sweep = &kSweep};

const Embedding& embedding_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kEmbedding);
  return *static_cast<const Embedding*>(spec.own.get());
}

}  // namespace assay

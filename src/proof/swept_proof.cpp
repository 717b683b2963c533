// Launches that differ in numbers alone.
#include "proof/swept_proof.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "proof/element_judge.h"
#include "proof/rounding_model.h"

namespace assay {
namespace {

constexpr int64_t kMany = 16'384;  // numbers; fewer are no share and a rest
constexpr int64_t kNeighbours = 16, kMostPeriod = 4'096;

/// [0, count) in as many passes as there are neighbours: each pass has one of each aligned 16. In the next period of
/// the row it is the next one in a drawn order of the 16, so that 16 periods have every remainder by the period.
std::vector<int64_t> in_passes(int64_t count, std::mt19937_64& random) {
  const auto period = int64_t(std::bit_floor(uint64_t(std::min(kMostPeriod, count / kNeighbours))));
  const int64_t runs_of_period = period / kNeighbours, runs = (count + kNeighbours - 1) / kNeighbours;
  std::vector<int64_t> order(size_t{kNeighbours}), begins(static_cast<size_t>(runs_of_period)), all;
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  for (int64_t& begin : begins) begin = int64_t(random() % uint64_t(kNeighbours));
  all.reserve(size_t(count));
  for (int64_t pass = 0; pass < kNeighbours; ++pass) {
    const std::ptrdiff_t before = std::ssize(all);
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t turn = pass + run / runs_of_period + begins[size_t(run % runs_of_period)];
      const int64_t number = run * kNeighbours + order[size_t(turn % kNeighbours)];
      if (number < count) all.push_back(number);
    }
    std::shuffle(all.begin() + before, all.end(), random);
  }
  return all;
}

}  // namespace

SweptProof::SweptProof(const Proof& proof, const Spec& spec, const LaunchInputs& base, Accuracy accuracy,
                       const RowSums* rows)
    : spec_(spec),
      sweep_(*spec.op->sweep),
      host_(proof, base, accuracy),
      base_(host_.varied()),
      answers_(sweep_.answers ? sweep_.answers(spec, host_.values()) : nullptr),
      rows_(sweep_.are_rows && rows && !rows->empty() && base.copy == 0 ? rows : nullptr) {
  size_t varied = 0;
  for (const Tensor& t : spec.tensors) {
    if (t.use == Use::output) outputs_.push_back(t);
    if (t.use == Use::varied && varied++ == sweep_.operand) changed_ = t;
  }
}

SweptProof::Order SweptProof::in_drawn_order(std::mt19937_64& random, int64_t most) const {
  const int64_t count = numbers();
  std::vector<int64_t> all = sweep_.likely(spec_, random()), rest;
  std::shuffle(all.begin(), all.end(), random);
  if (count >= kMany && count <= most) {
    rest = in_passes(count, random);
  } else {
    for (int64_t i = 0; i < std::min(count, most); ++i)
      rest.push_back(count <= most ? i : int64_t(random() % uint64_t(count)));
    std::shuffle(rest.begin(), rest.end(), random);
  }
  const auto share_end = count >= kMany && count <= most ? std::ssize(all) + (count + kNeighbours - 1) / kNeighbours
                                                         : std::ssize(all) + std::ssize(rest);
  all.insert(all.end(), rest.begin(), rest.end());
  Order order;
  const auto take = [&](auto is_new) {
    for (std::ptrdiff_t i = 0; i < std::ssize(all); ++i) {
      if (is_new(all[size_t(i)])) order.numbers.push_back(all[size_t(i)]);
      if (i < share_end) order.share = std::ssize(order.numbers);
    }
  };
  if (count <= most) {
    std::vector<bool> met(static_cast<size_t>(count));
    take([&](int64_t number) { return !met[size_t(number)] && (met[size_t(number)] = true); });
  } else {
    std::unordered_set<int64_t> met;
    take([&](int64_t number) { return met.insert(number).second; });
  }
  return order;
}

std::span<const SweptProof::Change> SweptProof::changes(std::span<const int64_t> numbers) {
  values_.clear(), changes_.clear();
  sweep_.put(spec_, numbers, values_);
  for (const SweptValue& value : values_) {
    Change change{dtype_bytes(changed_.dtype, value.element), dtype_bytes(changed_.dtype, 1), {}};
    encode_value(changed_.dtype, value.value, change.bytes.data());
    changes_.push_back(change);
  }
  return changes_;
}

void SweptProof::expect(std::span<const int64_t> numbers) {
  expected_numbers_.assign(numbers.begin(), numbers.end());
  if (rows_) return;
  expected_.resize(outputs_.size());
  for (ExpectedOutput& output : expected_) output.values.clear(), output.written.clear();
  if (answers_) return answers_->expected(numbers, expected_);
  std::vector<std::byte>& bytes = host_.varied()[sweep_.operand];
  const std::span<const Change> all = changes(numbers);
  for (const Change& change : all) std::copy_n(change.bytes.begin(), change.size, bytes.begin() + change.at);
  spec_.op->expected(spec_, host_.values(), expected_);
  const std::vector<std::byte>& base = base_[sweep_.operand];
  for (const Change& change : all) std::copy_n(base.begin() + change.at, change.size, bytes.begin() + change.at);
}

std::string SweptProof::check(size_t output, std::span<const std::byte> d) const {
  if (rows_) return rows_->check(expected_numbers_, d.data());
  return compare(output, 0, outputs_[output].values(), expected_[output].values.data(), d);
}

std::string SweptProof::check_written(size_t output, size_t range, std::span<const std::byte> bytes) const {
  const ExpectedOutput& of = expected_[output];
  const ExpectedValue* values = of.values.data();
  for (size_t i = 0; i < range; ++i) values += of.written[i].second - of.written[i].first;
  const auto& [first, end] = of.written[range];
  return compare(output, first, end - first, values, bytes);
}

std::string SweptProof::compare(size_t output, int64_t first, int64_t count, const ExpectedValue* values,
                                std::span<const std::byte> d) const {
  const Tensor& t = outputs_[output];
  const double least = least_subnormal(t.dtype);
  const auto is_right = [&](int64_t i, double got) {
    return std::fabs(got - values[i].value) <= values[i].fixed + least + kToleranceC * values[i].free;
  };
  int64_t wrong = 0;
  if (t.dtype == Dtype::f32) {
    const auto* got = reinterpret_cast<const float*>(d.data());
    for (int64_t i = 0; i < count; ++i) wrong += !is_right(i, double(got[i]));
  } else {
    for (int64_t i = 0; i < count; ++i) wrong += !is_right(i, output_value(t.dtype, d, i));
  }
  if (wrong == 0) return "";
  int64_t i = 0;
  while (is_right(i, output_value(t.dtype, d, i))) ++i;
  const int64_t element = first + i, row = element / t.dims[2];
  const double got = output_value(t.dtype, d, i), error = std::fabs(got - values[i].value);
  return fmt::format("with {}: {}[{},{}] is {:.6g}, should be {:.6g}: off by {:.3g}, allowed {:.3g}", text_of_numbers(),
                     operand_text(spec_, t), row % t.dims[1], element % t.dims[2], got, values[i].value, error,
                     values[i].fixed + least + kToleranceC * values[i].free);
}

std::string SweptProof::text_of_numbers() const {
  std::string text = sweep_.are_rows ? "row" : changed_.operand == Operand::index ? "position" : "the largest value at";
  for (size_t i = 0; i < std::min<size_t>(expected_numbers_.size(), 4); ++i)
    text += fmt::format("{}{}", i ? ", " : " ", expected_numbers_[i]);
  return text + (expected_numbers_.size() > 4 ? ", …" : "");
}

}  // namespace assay

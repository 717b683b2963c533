// Test vectors of an exported kernel.
#include "tune/test_vector.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "proof/expected_values.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kMostPoolBytes = 2048, kLeastPoolUnits = 16, kMostPoolUnits = 256;
constexpr int64_t kMostPoints = 64;  // all elements where there are no more
constexpr int64_t kLeastStretch = 256, kMostSums = 512;
// A sum's bound in root-sum-squares of its elements' bounds, each of which is many deviations already.
constexpr double kSumBound = 4;
constexpr double kPrinted = 1e-11;  // of what is added up: what digits leave out

Pool pool_of(const std::byte* from, int64_t bytes, int64_t unit) {
  const int64_t most = std::clamp(kMostPoolBytes / unit, kLeastPoolUnits, kMostPoolUnits);
  const auto units = int64_t(std::bit_floor(uint64_t(std::min(most, bytes / unit))));
  return {{from, from + units * unit}, unit};
}

int index_of(Pool pool, std::vector<Pool>& pools) {
  const auto found = std::find(pools.begin(), pools.end(), pool);
  if (found != pools.end()) return int(found - pools.begin());
  pools.push_back(std::move(pool));
  return int(pools.size()) - 1;
}

/// Bytes of an element, or of a block.
int64_t unit_of(const Tensor& t) {
  if (t.storage == Storage::q8_0_split) return 1;
  return t.storage == Storage::blocks ? dtype_facts(t.dtype).block_bytes : dtype_bytes(t.dtype, 1);
}

/// Positions and row numbers mean something: they are as the op draws them, the pool is all of them.
void draw_whole_numbers(SpecInputs& inputs, uint64_t seed) {
  std::vector<std::vector<double>> values;
  for (const auto& [place, host] : inputs.varied) values.push_back(host.values);
  inputs.spec().op->vary(inputs.spec(), {random_bits(seed), -1}, values);
  size_t number = 0;
  for (auto& [place, host] : inputs.varied) {
    const Dtype dtype = inputs.spec().tensors[place].dtype;
    const std::vector<double>& drawn = values[number++];
    if (dtype != Dtype::i32) continue;
    host.values = drawn;
    for (size_t i = 0; i < drawn.size(); ++i) encode_value(dtype, drawn[i], &host.bytes[4 * i]);
  }
}

/// A host tensor becomes what the seed says.
void refill(HostTensor& host, const Tensor& t, Fill& fill, std::vector<Pool>& pools) {
  const bool is_whole = t.dtype == Dtype::i32;
  fill.data = index_of(pool_of(host.bytes.data(), t.bytes, is_whole ? t.bytes : unit_of(t)), pools);
  if (is_whole) return;
  pools[size_t(fill.data)].fill(host.bytes, fill.seed);
  for (int64_t i = 0; i < std::ssize(host.values); ++i)
    host.values[size_t(i)] = decode_value(t.dtype, &host.bytes[size_t(dtype_bytes(t.dtype, i))]);
}

/// What a launch reads becomes what the seed says; returns how. The first words of what was there are the pools.
std::vector<Fill> draw_inputs(SpecInputs& inputs, uint64_t seed, std::vector<Pool>& pools) {
  const Spec& spec = inputs.spec();
  const bool is_product = spec.op->is_product;
  std::vector<Fill> fills(spec.tensors.size());
  size_t weight = 0, bias = 0, c = 0;
  if (!is_product) draw_whole_numbers(inputs, seed);
  for (size_t i = 0; i < fills.size(); ++i) {
    const Tensor& t = spec.tensors[i];
    Fill& fill = fills[i];
    fill.seed = random_bits(seed + i) >> 8;
    if (t.use == Use::weight) {
      const Tensor& b = inputs.b(0)[weight++];
      fill.data = index_of(pool_of(b.data, b.bytes, unit_of(b)), pools);
      pools[size_t(fill.data)].fill({b.data, size_t(b.bytes)}, fill.seed);
      if (b.scale_bytes == 0) continue;
      fill.scales = index_of(pool_of(b.scales, b.scale_bytes, dtype_bytes(Dtype::f16, 1)), pools);
      pools[size_t(fill.scales)].fill({b.scales, size_t(b.scale_bytes)}, ~fill.seed);
      continue;
    }
    if (t.use == Use::output) continue;
    HostTensor& host = !is_product                  ? (t.use == Use::varied ? inputs.varied : inputs.constants).at(i)
                       : t.use == Use::varied       ? inputs.a
                       : t.operand == Operand::bias ? inputs.bias[bias++]
                                                    : inputs.c[c++];
    if (t.is_read) refill(host, t, fill, pools);
  }
  for (int64_t i = 0; i < std::ssize(inputs.a_logical); ++i)
    inputs.a_logical[size_t(i)] = inputs.a.values[size_t(inputs.a_storage_index(i))];
  return fills;
}

std::vector<TestPoint> choose_points(const std::vector<BoundedValue>& d, uint64_t seed) {
  std::set<int64_t> elements{0, std::ssize(d) - 1};
  for (int64_t i = 0; std::ssize(elements) < std::min(kMostPoints, std::ssize(d)); ++i)
    elements.insert(std::ssize(d) <= kMostPoints ? i : int64_t(random_bits(seed + uint64_t(i)) % d.size()));
  std::vector<TestPoint> points;
  for (const int64_t element : elements)
    points.push_back({element, d[size_t(element)].value, d[size_t(element)].bound});
  return points;
}

std::vector<TestPoint> add_up(const std::vector<BoundedValue>& d, int64_t stretch, uint64_t seed) {
  std::vector<TestPoint> sums;
  for (int64_t first = 0; first < std::ssize(d); first += stretch) {
    TestPoint sum{first, 0, 0};
    double magnitude = 0;
    for (int64_t i = first; i < std::min(first + stretch, std::ssize(d)); ++i) {
      const double weight = weight_of_sum(seed, i);
      sum.value += weight * d[size_t(i)].value;
      magnitude += std::fabs(weight * d[size_t(i)].value);
      sum.bound += weight * weight * d[size_t(i)].bound * d[size_t(i)].bound;
    }
    sum.bound = kSumBound * std::sqrt(sum.bound) + kPrinted * magnitude;
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace

void Pool::fill(std::span<std::byte> to, uint64_t seed) const {
  const uint64_t mask = uint64_t(count()) - 1;
  const auto all = [&](auto size) {
    for (size_t i = 0; i < to.size() / size; ++i)
      std::memcpy(&to[i * size], &bytes[((random_bits(seed + i) >> 33) & mask) * size], size);
  };
  if (unit == 2) return all(std::integral_constant<size_t, 2>());  // the usual case, at full speed
  all(size_t(unit));
}

std::string untestable(const Spec& spec) {
  for (const Tensor& t : spec.tensors) {
    if (t.use != Use::output) continue;
    if (t.storage != Storage::strided || t.by_columns || t.strides[2] != 1 || t.strides[1] != t.dims[2])
      return "its output is not dense, and the test of an export reads dense ones";
  }
  return "";
}

double weight_of_sum(uint64_t seed, int64_t element) {
  return double(random_bits(seed + uint64_t(element)) >> 11) * 0x1p-52 - 1;
}

TestVector make_test_vector(const Spec& spec, Accuracy accuracy, uint64_t seed, std::vector<Pool>& pools) {
  TestVector vector;
  vector.spec = spec;
  Arenas arenas;
  arenas.reserve(spec, 0);
  SpecInputs inputs(spec, arenas, 0);
  vector.fills = draw_inputs(inputs, seed, pools);
  const BoundedOutputs outputs = bounded_values(inputs, accuracy);
  const std::vector<BoundedValue>& d = outputs.values;
  vector.written = outputs.written;
  vector.points = choose_points(d, seed);
  vector.sum_seed = random_bits(seed) >> 8;
  vector.stretch = std::max(kLeastStretch, (std::ssize(d) + kMostSums - 1) / kMostSums);
  vector.sums = add_up(d, vector.stretch, vector.sum_seed);
  return vector;
}

}  // namespace assay

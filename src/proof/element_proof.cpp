// The proof of an op that is no product.
#include "proof/element_proof.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "proof/element_judge.h"
#include "proof/host_launch.h"
#include "proof/projections.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr int64_t kSamples = 64, kFewSamples = 6;  // of the outputs, that a second opinion is asked about
constexpr int64_t kSampledFlops = 200'000'000;     // what all of them may take
constexpr double kAgree = 1e-12;                   // relative to what is added up
constexpr double kKeptAgree = 0x1p-20;             // … where the sums of groups are kept as floats
constexpr int64_t kKeptValues = 1 << 20;           // right answers of all special launches
constexpr uint64_t kFreeOf = 4;                    // of so many sequences of launches one is free

/// With its own bits: a conversion makes it a quiet one.
void put_nan(double value, float* to) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto single = uint32_t(bits >> 63 << 31 | 0x7f800000 | (bits >> 29 & 0x7fffff));
  std::memcpy(to, &single, sizeof single);
}

}  // namespace

void vary_operands(const SpecInputs& inputs, const Spec& spec, const OpDraw& draw,
                   std::vector<std::vector<std::byte>>& bytes) {
  // Kept: memory that is got anew for each launch took longer than what is written there.
  thread_local std::vector<std::vector<double>> values;
  values.resize(inputs.varied.size());
  size_t number = 0;
  for (const auto& [place, host] : inputs.varied) values[number++] = host.values;
  spec.op->vary(spec, draw, values);
  bytes.resize(values.size());
  number = 0;
  for (const auto& [place, host] : inputs.varied) {
    const Dtype dtype = spec.tensors[place].dtype;
    const std::vector<double>& of = values[number];
    std::vector<std::byte>& to = bytes[number++];
    to.resize(host.bytes.size());
    const int64_t size = dtype_bytes(dtype, 1);
    if (dtype == Dtype::f32) {  // many, in argmax
      auto* const floats = reinterpret_cast<float*>(to.data());
      for (size_t i = 0; i < of.size(); ++i) floats[i] = float(of[i]);
      if (!spec.op->may_be_infinite(draw.special)) continue;
      for (size_t i = 0; i < of.size(); ++i)
        if (std::isnan(of[i])) put_nan(of[i], &floats[i]);
      continue;
    }
    for (int64_t i = 0; i < std::ssize(of); ++i) encode_value(dtype, of[size_t(i)], &to[size_t(i * size)]);
  }
}

ElementProof::ElementProof(const SpecInputs& inputs, const std::vector<Accuracy>& classes)
    : inputs_(inputs), other_numbers_(with_other_numbers(inputs.spec())) {
  for (const Accuracy accuracy : std::set<Accuracy>(classes.begin(), classes.end()))
    if (accuracy != Accuracy::exact) classes_.push_back(accuracy);
  std::mt19937_64 random{std::random_device{}()};
  for (const Tensor& t : inputs.spec().tensors) {
    if (t.use != Use::output) continue;
    outputs_.push_back(t);
    columns_.push_back(is_projected(t) ? random_weights(t.dims[2], random) : std::vector<float>());
  }
  if (inputs.spec().op->groups) add_up_groups();
  if (const OpSweep* sweep = inputs.spec().op->sweep; sweep && sweep->are_rows)
    row_sums_ = std::make_unique<RowSums>(inputs.b(0)[0], outputs_[0].dtype, columns_[0]);
  compare_opinions();
}

void ElementProof::add_up_groups() {
  const Spec& spec = inputs_.spec();
  std::vector<std::vector<float>> sums(static_cast<size_t>(inputs_.copies()));
  sums_.resize(1);  // so that draws are grouped
  in_parallel(inputs_.copies(), [&](int64_t copy) {
    const HostLaunch launch(*this, {copy, Variation()}, Accuracy::exact);
    sums[size_t(copy)] = spec.op->groups->add_up(spec, launch.values(), classes_);
  });
  sums_ = std::move(sums);
}

void ElementProof::compare_opinions() {
  const Spec& spec = inputs_.spec();
  std::mt19937_64 random{std::random_device{}()};
  const int64_t samples = std::clamp(kSampledFlops / std::max<int64_t>(spec.flops, 1), kFewSamples, kSamples);
  const auto compare = [&](const Variation& variation, int64_t of) {
    compare_opinions(variation, work_out({0, variation}, Accuracy::exact), of);
  };
  compare(draw(random, 1, true), samples);
  if (spec.op->groups) compare(draw(random, 1, false), kFewSamples);
  draw_specials();
  for (const Special& special : specials_)
    compare_opinions(special.variation, expected({0, special.variation}, Accuracy::exact), kFewSamples);
}

/// All cases of a spec get the same, so that what is right there is worked out once, unless it is too much to keep.
void ElementProof::draw_specials() {
  std::mt19937_64 random{std::random_device{}()};
  specials_.resize(size_t(inputs_.spec().op->specials));
  std::vector<Accuracy> classes = classes_;
  classes.push_back(Accuracy::exact);
  int64_t values = 0;
  for (const Tensor& t : outputs_) values += t.values();
  for (int64_t number = 0; number < specials(); ++number) {
    Variation& variation = specials_[size_t(number)].variation;
    variation = draw(random, 1, /*comparable=*/true);
    variation.special = int(number);
    variation.other_numbers = other_numbers_ && number % 2 == 1;
  }
  if (values * specials() * std::ssize(classes) > kKeptValues) return;
  in_parallel(specials(), [&](int64_t number) {
    Special& special = specials_[size_t(number)];
    for (const Accuracy accuracy : classes)
      special.on_first_copy[accuracy] = work_out({0, special.variation}, accuracy);
  });
}

void ElementProof::compare_opinions(const Variation& variation, const std::vector<ExpectedOutput>& all,
                                    int64_t samples) const {
  const Spec& spec = spec_of(variation);
  std::mt19937_64 random{std::random_device{}()};
  int64_t elements = 0;
  for (const Tensor& t : outputs_) elements += t.values();
  const HostLaunch launch(*this, {0, variation}, Accuracy::exact);
  const double agree = is_grouped(variation) ? kKeptAgree : kAgree;
  for (int64_t sample = 0; sample < std::min(samples, 4 * elements); ++sample) {
    const size_t output = size_t(random() % all.size());
    const ExpectedOutput& of = all[output];
    auto at = int64_t(random() % of.values.size()), element = at;
    const ExpectedValue& first = of.values[size_t(at)];
    for (const auto& [begin, end] : of.written) {
      element = begin + at;
      if (element < end) break;
      at -= end - begin;
    }
    const auto other = double(spec.op->second_opinion(spec, launch.values(), output, element));
    // Of what no float holds they may think apart: a double's range ends where a long double's does not.
    const double size =
        std::max({std::fabs(first.value), first.free / unit_roundoff(Dtype::f32), least_subnormal(Dtype::f32)});
    if (std::isinf(other) && first.value == other) continue;
    if (std::isnan(other) && std::isnan(first.value)) continue;
    if (!(std::fabs(first.value - other) <= agree * size))
      fail("suspect the reference: its two implementations disagree at element {} of output {} of {} ({} and {})",
           element, output, spec.line(), first.value, other);
  }
}

/// Where launches come one by one, most have signs that are free: nothing remembered is of use. A sequence's are
/// projected many at once.
Variation ElementProof::draw(std::mt19937_64& random, int64_t launches, bool comparable) const {
  const bool may_be_free = inputs_.spec().op->groups && !comparable;
  const uint64_t drawn = random();
  return {1, drawn, 0, may_be_free && (launches == 1 || random() % kFreeOf == 0), -1};
}

Variation ElementProof::draw_late(std::mt19937_64& random, bool is_small, Accuracy) const {
  Variation variation = draw(random, 1, /*comparable=*/true);
  if (!is_small || specials() == 0 || inputs_.spec().op->groups) return variation;  // these would take long
  const int of = int(random() % uint64_t(specials()));                              // infinite answers are scanned for
  if (!inputs_.spec().op->may_be_infinite(of)) variation.special = of;
  return variation;
}

bool ElementProof::is_grouped(const Variation& variation) const {
  return !sums_.empty() && !variation.is_free && variation.special < 0;
}

OpDraw ElementProof::draw_of(const Variation& variation) const {
  return {variation.signs, variation.special, is_grouped(variation)};
}

void ElementProof::varied(const Variation& variation, std::vector<std::vector<std::byte>>& bytes) const {
  vary_operands(inputs_, spec_of(variation), draw_of(variation), bytes);
}

std::vector<ExpectedOutput> ElementProof::expected(const LaunchInputs& launch, Accuracy accuracy) const {
  const int64_t number = launch.copy == 0 ? launch.a.special : -1;
  if (number >= 0 && number < specials() && launch.a == special(number)) {
    const auto& known = specials_[size_t(number)].on_first_copy;
    if (const auto found = known.find(accuracy); found != known.end()) return found->second;
  }
  return work_out(launch, accuracy);
}

std::vector<ExpectedOutput> ElementProof::work_out(const LaunchInputs& launch, Accuracy accuracy) const {
  const Spec& spec = spec_of(launch.a);
  std::vector<ExpectedOutput> outputs(outputs_.size());
  const bool has_class =
      accuracy == Accuracy::exact || std::find(classes_.begin(), classes_.end(), accuracy) != classes_.end();
  if (is_grouped(launch.a) && has_class) {
    spec.op->groups->expected(spec, draw_of(launch.a), sums_[size_t(launch.copy)], classes_, accuracy, outputs);
  } else {
    const HostLaunch host(*this, launch, accuracy);
    spec.op->expected(spec, host.values(), outputs);
  }
  return outputs;
}

std::vector<ExpectedValue> ElementProof::expected_some(const LaunchInputs& launch, Accuracy accuracy,
                                                       std::span<const int64_t> elements) const {
  const HostLaunch host(*this, launch, accuracy);
  return inputs_.spec().op->groups->expected_some(inputs_.spec(), host.values(), elements);
}

std::vector<std::span<const float>> ElementProof::projection_weights() const {
  return {columns_.begin(), columns_.end()};
}

std::unique_ptr<Judge> ElementProof::judge(Accuracy accuracy) const {
  return std::make_unique<ElementJudge>(*this, accuracy);
}

}  // namespace assay

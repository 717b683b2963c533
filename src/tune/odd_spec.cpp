// Another shape for a variant: sizes tried from the oddest to the roundest, until it supports all of them.
#include "tune/odd_spec.h"

#include <algorithm>

#include "base/error.h"
#include "probe/plan.h"
#include "spec/op.h"

namespace assay {
namespace {

// Primes first; then what loads of 16 bytes, blocks of 32 and of 256, and longest tiles ask for; then long ones.
constexpr int64_t kOdd[] = {53, 37 * 8, 11 * 32, 7 * 64, 3 * 256, 9 * 256, 67 * 43};
constexpr int64_t kOddFew[] = {3};  // of a size that the spec has below 16: rows, heads, a batch
constexpr int64_t kFew = 16;
constexpr size_t kMostTries = 4096;

struct Size {
  size_t field;  // of the spec's fields
  std::vector<int64_t> values;
};

/// The fields of a spec that are sizes, with what to try in their place; what they are comes last.
std::vector<Size> sizes_of(const Spec& spec) {
  std::vector<Size> sizes;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const auto& [name, value] = spec.fields[i];
    const bool is_size =
        std::any_of(spec.op->sizes.begin(), spec.op->sizes.end(), [&](const OpSize& s) { return s.name == name; }) ||
        std::any_of(spec.segments.begin(), spec.segments.end(), [&](const Segment& s) { return s.name == name; });
    if (!is_size || value == "?") continue;
    const int64_t now = std::stoll(value);
    Size size{i, {}};
    if (now >= kFew)
      size.values.assign(std::begin(kOdd), std::end(kOdd));
    else if (now > 1)
      size.values.assign(std::begin(kOddFew), std::end(kOddFew));
    size.values.push_back(now);
    // Fused outputs of unequal lengths.
    if (now >= kFew && !sizes.empty() && !spec.segments.empty() && name != "k") size.values[0] += 2 * int64_t(i);
    sizes.push_back(std::move(size));
  }
  return sizes;
}

bool can_run(const Spec& spec, const Variant& variant, const DeviceInfo& device) {
  Selection selection;
  selection.variants = {variant.id()};
  const Plan plan = make_plan({spec}, {&variant}, device, selection);
  return !plan.specs.empty() && !plan.specs[0].cases.empty() && plan.specs[0].cases[0].over_limit.empty();
}

}  // namespace

std::optional<Spec> odd_spec(const Spec& spec, const Variant& variant, const DeviceInfo& device) {
  const std::vector<Size> sizes = sizes_of(spec);
  // Choices by how round they are together, so that one size that must be round leaves the others odd.
  std::vector<std::vector<size_t>> choices{{}};
  for (const Size& size : sizes) {
    std::vector<std::vector<size_t>> longer;
    for (const std::vector<size_t>& choice : choices)
      for (size_t v = 0; v < size.values.size() && longer.size() < kMostTries; ++v) {
        longer.push_back(choice);
        longer.back().push_back(v);
      }
    choices = std::move(longer);
  }
  const auto roundness = [](const std::vector<size_t>& choice) {
    size_t sum = 0;
    for (const size_t v : choice) sum += v;
    return sum;
  };
  std::stable_sort(choices.begin(), choices.end(),
                   [&](const auto& a, const auto& b) { return roundness(a) < roundness(b); });
  for (const std::vector<size_t>& choice : choices) {
    SpecFields fields = spec.fields;
    for (size_t i = 0; i < sizes.size(); ++i)
      fields[sizes[i].field].second = std::to_string(sizes[i].values[choice[i]]);
    try {
      Spec odd = make_spec(fields, "odd shape");
      if (odd.math_line() != spec.math_line() && can_run(odd, variant, device)) return odd;
    } catch (const Error&) {  // a size that its types cannot have
    }
  }
  return std::nullopt;
}

}  // namespace assay

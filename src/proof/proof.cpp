// The search for left-over poison, and the choice of a proof.
#include "proof/proof.h"

#include <algorithm>

#include "base/error.h"
#include "proof/element_proof.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"
#include "spec/op.h"

namespace assay {
namespace {

/// Elements whose bits without the sign are those of infinity or above.
template <class Bits>
int64_t count_not_finite(std::span<const std::byte> d, int64_t count, Bits infinity) {
  const auto* values = reinterpret_cast<const Bits*>(d.data());
  constexpr int64_t kBlock =
      4096;  // its count fits Bits, so that the compiler compares and counts in lanes of their width
  int64_t nans = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    Bits in_block = 0;
    for (int64_t i = begin; i < std::min(begin + kBlock, count); ++i)
      in_block = Bits(in_block + (Bits(values[i] << 1) >= Bits(infinity << 1)));
    nans += in_block;
  }
  return nans;
}

int64_t count_not_finite(Dtype dtype, std::span<const std::byte> d, int64_t count) {
  if (dtype == Dtype::f32) return count_not_finite<uint32_t>(d, count, 0x7f800000u);
  if (dtype == Dtype::i32) {
    const auto* values = reinterpret_cast<const int32_t*>(d.data());
    return std::count_if(values, values + count, [](int32_t value) { return value < 0; });
  }
  return count_not_finite<uint16_t>(d, count, dtype == Dtype::f16 ? 0x7c00u : 0x7f80u);
}

bool is_poison(Dtype dtype, const std::byte* at) {
  for (int64_t i = 0; i < dtype_bytes(dtype, 1); ++i)
    if (at[i] != std::byte{kPoison}) return false;
  return true;
}

}  // namespace

Judge::Judge(std::vector<Part> parts) : parts_(std::move(parts)) {
  stats_.bound_c = kToleranceC;
  for (const Part& part : parts_) elements_ += part.elements;
}

std::string Judge::scan(std::span<const std::byte> d) {
  ++stats_.launches_scanned;
  int64_t element = 0;
  for (const auto& [dtype, elements, is_sparse] : parts_) {
    const int64_t count = is_sparse ? 0 : count_not_finite(dtype, d, elements);
    if (count == 0) {
      d = d.subspan(size_t(dtype_bytes(dtype, elements))), element += elements;
      continue;
    }
    const int64_t size = dtype_bytes(dtype, 1);
    stats_.nan_count += count;
    int64_t first = 0;
    while (count_not_finite(dtype, d.subspan(size_t(first * size)), 1) == 0) ++first;
    const bool untouched = is_poison(dtype, &d[size_t(first * size)]);
    return fmt::format("{} of {} elements {}, first {}", count, elements,
                       untouched             ? "never written"
                       : dtype == Dtype::i32 ? "are negative"
                                             : "are NaN or infinite",
                       where(element + first));
  }
  return "";
}

std::unique_ptr<Proof> make_proof(const SpecInputs& inputs, const std::vector<Accuracy>& classes) {
  if (inputs.spec().op->is_product) return std::make_unique<Reference>(inputs, classes);
  return std::make_unique<ElementProof>(inputs, classes);
}

}  // namespace assay

// The table of element types.
#include "spec/dtype.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

constexpr DtypeFacts kTypes[] = {
    {Dtype::f32, "f32", 1, 4, 0x1p-24}, {Dtype::f16, "f16", 1, 2, 0x1p-11}, {Dtype::bf16, "bf16", 1, 2, 0x1p-8},
    {Dtype::q8_0, "q8_0", 32, 34, 0},   {Dtype::q4_0, "q4_0", 32, 18, 0},   {Dtype::q4_1, "q4_1", 32, 20, 0},
    {Dtype::q5_0, "q5_0", 32, 22, 0},   {Dtype::q5_1, "q5_1", 32, 24, 0},   {Dtype::q4_k, "q4_k", 256, 144, 0},
    {Dtype::q5_k, "q5_k", 256, 176, 0}, {Dtype::q6_k, "q6_k", 256, 210, 0}, {Dtype::i32, "i32", 1, 4, 0},
};
constexpr std::span<const DtypeFacts> kValueTypes(kTypes, std::size(kTypes) - 1);

/// Where a type stands in the table, by its number.
constexpr auto kPlaces = [] {
  std::array<size_t, std::size(kTypes)> places{};
  for (size_t i = 0; i < std::size(kTypes); ++i) places[size_t(kTypes[i].dtype)] = i;
  return places;
}();

}  // namespace

std::span<const DtypeFacts> all_dtypes() { return kValueTypes; }

const DtypeFacts& dtype_facts(Dtype dtype) {
  ASSAY_CHECK(size_t(dtype) < kPlaces.size());
  return kTypes[kPlaces[size_t(dtype)]];
}

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (const DtypeFacts& type : kValueTypes)
    if (type.name == name) return type.dtype;
  return std::nullopt;
}

const std::vector<std::string>& dtype_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const DtypeFacts& type : kValueTypes) all.emplace_back(type.name);
    return all;
  }();
  return names;
}

std::optional<ProductTypes> parse_product_types(std::string_view text) {
  const size_t colon = text.find(':');
  const auto weights = parse_dtype(colon == text.npos ? text : text.substr(colon + 1));
  if (!weights) return std::nullopt;
  if (colon == text.npos) return ProductTypes{*weights, is_quantized(*weights) ? Dtype::f16 : *weights};
  const auto around = parse_dtype(text.substr(0, colon));
  if (!around || is_quantized(*around)) return std::nullopt;
  return ProductTypes{*weights, *around};
}

ProductTypes product_types_of_option(const std::string& text) {
  const auto types = parse_product_types(text);
  if (!types)
    fail("--dtype {}: not among {}{}; f32:q4_0 is F32 activations around q4_0 weights", text,
         joined(dtype_names(), ", "), did_you_mean(text, dtype_names()));
  return *types;
}

int64_t dtype_bytes(Dtype dtype, int64_t count) {
  const DtypeFacts& type = dtype_facts(dtype);
  ASSAY_CHECK(count % type.block_values == 0);
  return count / type.block_values * type.block_bytes;
}

}  // namespace assay

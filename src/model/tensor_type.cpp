// The tensor types of GGUF files: number, name, values and bytes of a block, and which of them assay decodes.
#include "model/tensor_type.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace assay {
namespace {

using T = TensorType;

// Format facts of ggml (github.com/ggml-org/ggml, ggml-common.h), in the order of their numbers.
constexpr std::array kTypes = {
    TensorTypeFacts{T::f32, "F32", 1, 4, true},
    TensorTypeFacts{T::f16, "F16", 1, 2, true},
    TensorTypeFacts{T::q4_0, "Q4_0", 32, 18, true},
    TensorTypeFacts{T::q4_1, "Q4_1", 32, 20, true},
    TensorTypeFacts{T::q5_0, "Q5_0", 32, 22, true},
    TensorTypeFacts{T::q5_1, "Q5_1", 32, 24, true},
    TensorTypeFacts{T::q8_0, "Q8_0", 32, 34, true},
    TensorTypeFacts{T::q8_1, "Q8_1", 32, 36},
    TensorTypeFacts{T::q2_k, "Q2_K", 256, 84},
    TensorTypeFacts{T::q3_k, "Q3_K", 256, 110},
    TensorTypeFacts{T::q4_k, "Q4_K", 256, 144, true},
    TensorTypeFacts{T::q5_k, "Q5_K", 256, 176, true},
    TensorTypeFacts{T::q6_k, "Q6_K", 256, 210, true},
    TensorTypeFacts{T::q8_k, "Q8_K", 256, 292},
    TensorTypeFacts{T(16), "IQ2_XXS", 256, 66},
    TensorTypeFacts{T(17), "IQ2_XS", 256, 74},
    TensorTypeFacts{T(18), "IQ3_XXS", 256, 98},
    TensorTypeFacts{T(19), "IQ1_S", 256, 50},
    TensorTypeFacts{T(20), "IQ4_NL", 32, 18},
    TensorTypeFacts{T(21), "IQ3_S", 256, 110},
    TensorTypeFacts{T(22), "IQ2_S", 256, 82},
    TensorTypeFacts{T(23), "IQ4_XS", 256, 136},
    TensorTypeFacts{T::i8, "I8", 1, 1},
    TensorTypeFacts{T::i16, "I16", 1, 2},
    TensorTypeFacts{T::i32, "I32", 1, 4},
    TensorTypeFacts{T::i64, "I64", 1, 8},
    TensorTypeFacts{T::f64, "F64", 1, 8},
    TensorTypeFacts{T(29), "IQ1_M", 256, 56},
    TensorTypeFacts{T::bf16, "BF16", 1, 2, true},
    TensorTypeFacts{T(34), "TQ1_0", 256, 54},
    TensorTypeFacts{T(35), "TQ2_0", 256, 66},
    TensorTypeFacts{T(39), "MXFP4", 32, 17},
    TensorTypeFacts{T(40), "NVFP4", 64, 36},
    TensorTypeFacts{T(41), "Q1_0", 128, 18},
    TensorTypeFacts{T(42), "Q2_0", 64, 18},
};

struct RemovedType {
  uint32_t number;
  std::string_view name;
};
constexpr std::array kRemoved = {
    RemovedType{4, "Q4_2"},        RemovedType{5, "Q4_3"},        RemovedType{31, "Q4_0_4_4"},
    RemovedType{32, "Q4_0_4_8"},   RemovedType{33, "Q4_0_8_8"},   RemovedType{36, "IQ4_NL_4_4"},
    RemovedType{37, "IQ4_NL_4_8"}, RemovedType{38, "IQ4_NL_8_8"},
};

template <typename Wanted>
std::string names_of(Wanted wanted) {
  std::string names;
  for (const TensorTypeFacts& facts : kTypes)
    if (wanted(facts)) names += (names.empty() ? "" : ", ") + std::string(facts.name);
  return names;
}

}  // namespace

const TensorTypeFacts* find_tensor_type(uint32_t number) {
  const auto found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& facts) { return uint32_t(facts.type) == number; });
  return found == kTypes.end() ? nullptr : &*found;
}

const TensorTypeFacts& tensor_type_facts(TensorType type) {
  const TensorTypeFacts* facts = find_tensor_type(uint32_t(type));
  ASSAY_CHECK(facts);
  return *facts;
}

std::optional<TensorType> parse_tensor_type(std::string_view name) {
  const auto alike = [](char a, char b) { return std::tolower(uint8_t(a)) == std::tolower(uint8_t(b)); };
  for (const TensorTypeFacts& facts : kTypes)
    if (std::equal(name.begin(), name.end(), facts.name.begin(), facts.name.end(), alike)) return facts.type;
  return std::nullopt;
}

std::string decoded_type_names() {
  return names_of([](const TensorTypeFacts& facts) { return facts.is_decoded; });
}

std::string known_type_names() {
  return names_of([](const TensorTypeFacts&) { return true; });
}

std::string_view removed_type_name(uint32_t number) {
  for (const RemovedType& removed : kRemoved)
    if (removed.number == number) return removed.name;
  return "";
}

int64_t tensor_bytes(TensorType type, int64_t values) {
  const TensorTypeFacts& facts = tensor_type_facts(type);
  ASSAY_CHECK(values >= 0 && values % facts.block_values == 0);
  return values / facts.block_values * facts.block_bytes;
}

}  // namespace assay

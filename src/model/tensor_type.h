// The tensor types of GGUF files: number, name, values and bytes of a block, and which of them assay decodes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Numbers as they stand in a file.
enum class TensorType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q8_1 = 9,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  q8_k = 15,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
};

struct TensorTypeFacts {
  TensorType type;
  std::string_view name;  // as files and quantizers write it: "Q4_K"
  int64_t block_values;   // along the first dimension, which is a multiple of it
  int64_t block_bytes;
  bool is_decoded = false;  // block_decoder.h turns it into floats
};

/// Nothing for a number that no type has. IQ, TQ and MXFP types are known here, too, though TensorType does not name
/// them.
const TensorTypeFacts* find_tensor_type(uint32_t number);
/// ASSAY_CHECK that it is known.
const TensorTypeFacts& tensor_type_facts(TensorType type);
inline std::string_view tensor_type_name(TensorType type) { return tensor_type_facts(type).name; }
/// By name, "q4_k" and "Q4_K" alike.
std::optional<TensorType> parse_tensor_type(std::string_view name);

/// "F32, F16, …": those with that property, in the order of their numbers.
std::string decoded_type_names();
std::string known_type_names();
/// Why a number has no type: "Q4_2, removed from the format", or "" where it is simply unknown.
std::string_view removed_type_name(uint32_t number);

/// Bytes of so many values, a multiple of the block's.
int64_t tensor_bytes(TensorType type, int64_t values);

}  // namespace assay

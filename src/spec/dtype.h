// Element types: number, name, how many values lie in a block, what a block takes in memory.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Numbers are those of the kernel ABIs (assay_dtype). i32: positions, row numbers and answers, no type of values. The
/// q types are GGUF's blocks.
enum class Dtype : uint32_t {
  f32 = 0,
  f16 = 1,
  bf16 = 2,
  q8_0 = 3,
  i32 = 4,
  q4_0 = 5,
  q5_0 = 6,
  q4_k = 7,
  q6_k = 8,
  q4_1 = 9,
  q5_1 = 10,
  q5_k = 11
};

struct DtypeFacts {
  Dtype dtype;
  std::string_view name;
  int64_t block_values, block_bytes;  // a block's values follow each other along k; of dense types it is one value
  double roundoff;                    // unit roundoff; blocks have none (0)
};

/// The table of all types of values (no i32): what they are to specs, manifests, arenas and kernels. block_decoder.h
/// decodes blocks.
std::span<const DtypeFacts> all_dtypes();
const DtypeFacts& dtype_facts(Dtype dtype);

inline std::string_view dtype_name(Dtype dtype) { return dtype_facts(dtype).name; }
/// Of a type of values.
std::optional<Dtype> parse_dtype(std::string_view name);
/// In the table's order.
const std::vector<std::string>& dtype_names();

inline bool is_quantized(Dtype dtype) { return dtype_facts(dtype).block_values > 1; }

/// The types of a product as --dtype says them: of the weights, and of activations and outputs.
struct ProductTypes {
  Dtype weights, around;
  std::string_view of(std::string_view field) const { return dtype_name(field == "dtB" ? weights : around); }
};
/// "f16" (all alike), "q4_0" (f16 around quantized weights) or "f32:q4_0" (F32 around them).
std::optional<ProductTypes> parse_product_types(std::string_view text);
/// Error "--dtype X: …" if it is none.
ProductTypes product_types_of_option(const std::string& text);

/// Bytes of `count` values, a multiple of the type's block.
int64_t dtype_bytes(Dtype dtype, int64_t count);
/// 2^-24, 2^-11, 2^-8; 0 of blocks.
inline double unit_roundoff(Dtype dtype) { return dtype_facts(dtype).roundoff; }
/// Of a float type: the largest number that is finite.
inline double largest_value(Dtype dtype) {
  return dtype == Dtype::f16 ? 65'504 : dtype == Dtype::bf16 ? 0x1.fep127 : 0x1.fffffep127;
}

}  // namespace assay

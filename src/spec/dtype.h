// Element types and how many bytes their values take in memory.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// i32: positions, row numbers and answers; no type of values. q8_0: GGUF blocks of 32 values along k: one f16 scale,
/// then 32 int8 (34 bytes). value = scale * int8.
enum class Dtype : uint32_t { f32 = 0, f16 = 1, bf16 = 2, q8_0 = 3, i32 = 4 };

std::string_view dtype_name(Dtype dtype);
std::optional<Dtype> parse_dtype(std::string_view name);
const std::vector<std::string>& dtype_names();

/// Bytes of `count` values; for q8_0 `count` must be a multiple of 32.
int64_t dtype_bytes(Dtype dtype, int64_t count);

/// Unit roundoff of the type (2^-24, 2^-11, 2^-8); q8_0 has none (0).
double unit_roundoff(Dtype dtype);

}  // namespace assay

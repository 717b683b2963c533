// Content hashes for keys; the readable text that was hashed is always kept beside them.
#pragma once
#include <string>
#include <string_view>

namespace assay {

/// 128-bit XXH3 of the bytes as 32 hex digits.
std::string hash_hex(std::string_view bytes);

}  // namespace assay

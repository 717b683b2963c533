// UTF-8 byte by byte: where characters begin and end, and what is none.
#pragma once
#include <cstddef>
#include <string_view>

namespace assay {

constexpr bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Bytes of the UTF-8 code point at the front of the text, which is not empty; 0 where none is: also of overlong forms
/// and surrogates.
size_t code_point_bytes(std::string_view text);

/// Bytes at the front of the text that are UTF-8, whole code points.
size_t utf8_front(std::string_view text);

/// Bytes at the end of the text that begin a code point and lack its rest; 0 to 3.
size_t unfinished_code_point(std::string_view text);

}  // namespace assay

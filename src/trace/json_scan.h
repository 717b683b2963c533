// Steps over plain JSON without judging it: each function returns where it ended, or nullptr at what it does not
// expect. The text ends in '\n', which ends every loop, and 64 more bytes are readable.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace assay {

/// JSON's blanks but the line end, which ends every loop here.
inline const char* skip_blanks(const char* p) {
  while (*p == ' ' || *p == '\t' || *p == '\r') ++p;
  return p;
}

/// The quote that ends a string of plain ASCII; nullptr if an escape, a control character or another byte comes first.
inline const char* string_end(const char* p) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(' ');
  for (;; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i plain_end = _mm_cmpeq_epi8(bytes, quote);
    const __m128i unusual =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, backslash), _mm_cmplt_epi8(bytes, blank));  // signed: beyond ASCII too
    const int found = _mm_movemask_epi8(_mm_or_si128(plain_end, unusual));
    if (found == 0) continue;
    p += __builtin_ctz(static_cast<unsigned>(found));
    return *p == '"' ? p : nullptr;
  }
#else
  for (;; ++p) {
    if (*p == '"') return p;
    if (*p == '\\' || static_cast<signed char>(*p) < ' ') return nullptr;
  }
#endif
}

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

/// The value of eight digits, or false. Adjacent digits are joined pairwise: to 4 two-digit numbers, to 2, to 1.
inline bool eight_digits(const char* p, uint64_t& value) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  const uint64_t high_halves = 0xF0F0F0F0F0F0F0F0;
  if (((v & high_halves) | (((v + 0x0606060606060606) & high_halves) >> 4)) != 0x3333333333333333) return false;
  v &= 0x0F0F0F0F0F0F0F0F;
  v = (v * 10 + (v >> 8)) & 0x00FF00FF00FF00FF;
  v = (v * 100 + (v >> 16)) & 0x0000FFFF0000FFFF;
  value = (v * 10000 + (v >> 32)) & 0xFFFFFFFF;
  return true;
}

/// A JSON integer without its sign, up to 64 bits. nullptr if it is larger, has a leading zero or no digits.
inline const char* read_digits(const char* p, uint64_t& value) {
  value = 0;
  const char* const begin = p;
  if constexpr (std::endian::native == std::endian::little)
    for (uint64_t eight; p - begin < 16 && eight_digits(p, eight); p += 8) value = value * 100'000'000 + eight;
  for (; is_digit(*p) && p - begin < 19; ++p) value = value * 10 + static_cast<uint64_t>(*p - '0');
  if (p == begin || (*begin == '0' && p - begin > 1)) return nullptr;
  if (!is_digit(*p)) return p;
  if (__builtin_mul_overflow(value, uint64_t(10), &value) || __builtin_add_overflow(value, uint64_t(*p - '0'), &value))
    return nullptr;
  ++p;
  return is_digit(*p) ? nullptr : p;
}

inline bool ends_integer(char c) { return c != '.' && c != 'e' && c != 'E'; }

template <size_t N>
inline const char* skip_literal(const char* p, const char (&literal)[N]) {
  return std::memcmp(p, literal, N - 1) == 0 ? p + N - 1 : nullptr;
}

/// Calls `member` with each key's first byte; it returns the byte after the value, or nullptr.
template <typename Member>
inline const char* each_member(const char* p, Member member) {
  p = skip_blanks(p + 1);
  if (*p == '}') return p + 1;
  for (;;) {
    if (*p != '"') return nullptr;
    p = member(p + 1);
    if (!p) return nullptr;
    p = skip_blanks(p);
    if (*p == '}') return p + 1;
    if (*p != ',') return nullptr;
    p = skip_blanks(p + 1);
  }
}

inline const char* value_after_key(const char* key_end) {  // at the key's closing quote
  const char* p = skip_blanks(key_end + 1);
  return *p == ':' ? skip_blanks(p + 1) : nullptr;
}

/// Any value, wholly checked. `depth`: the containers that it stands in; from 32 on they are not expected.
const char* skip_value(const char* p, int depth);
/// From a key's first byte to the end of its value.
const char* skip_member(const char* key, int depth);

}  // namespace assay

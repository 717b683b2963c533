// The table of well-formed UTF-8 (Unicode 15, table 3-7) as comparisons.
#include "base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace assay {
namespace {

/// How many bytes the code point has that the first byte begins; 0 for a byte that begins none.
size_t announced_bytes(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

/// Whether the second byte may follow the first: no overlong form, no surrogate, nothing beyond U+10FFFF.
bool may_follow(unsigned char first, unsigned char second) {
  const int least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const int most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most;
}

/// How many bytes of the text's front are of one code point, whole or not; `length` of them make it whole.
size_t code_point_part(std::string_view text, size_t length) {
  if (length < 2 || text.size() < 2) return std::min<size_t>(length, 1);
  if (!may_follow(static_cast<unsigned char>(text[0]), static_cast<unsigned char>(text[1]))) return 1;
  size_t bytes = 2;
  while (bytes < std::min(length, text.size()) && continues_code_point(text[bytes])) ++bytes;
  return bytes;
}

}  // namespace

size_t code_point_bytes(std::string_view text) {
  const size_t length = announced_bytes(static_cast<unsigned char>(text[0]));
  return code_point_part(text, length) == length ? length : 0;
}

size_t utf8_front(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    uint64_t eight;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const size_t bytes = code_point_bytes(text.substr(at));
    if (bytes == 0) break;
    at += bytes;
  }
  return at;
}

size_t unfinished_code_point(std::string_view text) {
  for (size_t tail = 1; tail <= std::min<size_t>(3, text.size()); ++tail) {
    const std::string_view end = text.substr(text.size() - tail);
    if (continues_code_point(end[0])) continue;
    const size_t length = announced_bytes(static_cast<unsigned char>(end[0]));
    return length > tail && code_point_part(end, length) == tail ? tail : 0;
  }
  return 0;
}

}  // namespace assay

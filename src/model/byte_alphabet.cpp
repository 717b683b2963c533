// A printable byte of Latin-1 is its own letter; the 68 others are U+0100 and on, in order.
#include "model/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace assay {
namespace {

constexpr size_t kLetters = 256 + 68;

constexpr bool is_its_own_letter(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<uint16_t, 256> kLetterOfByte = [] {
  std::array<uint16_t, 256> letters{};
  uint16_t next = 256;
  for (int byte = 0; byte < 256; ++byte)
    letters[size_t(byte)] = is_its_own_letter(byte) ? static_cast<uint16_t>(byte) : next++;
  return letters;
}();

constexpr std::array<int16_t, kLetters> kByteOfLetter = [] {
  std::array<int16_t, kLetters> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (size_t byte = 0; byte < 256; ++byte) bytes[kLetterOfByte[byte]] = static_cast<int16_t>(byte);
  return bytes;
}();

}  // namespace

bool append_bytes_of_letters(std::string_view text, std::string& bytes) {
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const size_t length = first < 0x80 ? 1 : code_point_bytes(text.substr(at));
    if (length != 1 && length != 2) return false;
    const size_t letter = length == 1 ? first : size_t((first & 0x1f) << 6 | (text[at + 1] & 0x3f));
    if (letter >= kLetters || kByteOfLetter[letter] < 0) return false;
    bytes += static_cast<char>(kByteOfLetter[letter]);
    at += length;
  }
  return true;
}

std::string letters_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const uint16_t letter = kLetterOfByte[static_cast<unsigned char>(byte)];
    if (letter >= 0x80) text += static_cast<char>(0xc0 | letter >> 6);
    text += static_cast<char>(letter >= 0x80 ? 0x80 | (letter & 0x3f) : letter);
  }
  return text;
}

}  // namespace assay

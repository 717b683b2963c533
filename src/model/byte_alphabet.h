// The letters in which vocabularies of byte-level BPE write bytes: U+0021 for '!', U+0120 for a blank.
#pragma once
#include <string>
#include <string_view>

namespace assay {

/// Appends the bytes that the letters stand for; false at a character that is no such letter.
bool append_bytes_of_letters(std::string_view text, std::string& bytes);

/// The way back.
std::string letters_of_bytes(std::string_view bytes);

}  // namespace assay

// Bytes as tokens.
#include "model/word_coder.h"

#include "base/error.h"

namespace assay {

void ByteTokens::append(std::string_view bytes, std::vector<Token>& tokens) const {
  bool is_told = false;
  for (const char c : bytes) {
    const std::vector<Token>& stand_in = of[static_cast<unsigned char>(c)];
    if (stand_in.empty())
      fail(
          "the text has the byte 0x{:02x}, for which this vocabulary has no token, nor one for unknown text; "
          "take it out of the text",
          static_cast<unsigned char>(c));
    const bool is_unknown = unknown && stand_in.front() == *unknown;
    if (!is_unknown || !is_told) tokens.insert(tokens.end(), stand_in.begin(), stand_in.end());
    is_told = is_told || is_unknown;
  }
}

void ByteTokens::append_merged(std::string_view word, const std::vector<Symbol>& symbols,
                               std::vector<Token>& tokens) const {
  for (const Symbol& symbol : symbols)
    if (symbol.token != kNoToken)
      tokens.push_back(symbol.token);
    else
      append(word.substr(symbol.begin, symbol.size), tokens);
}

}  // namespace assay

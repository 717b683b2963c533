// Ranks from scores, the cut into words, and a word's merging.
#include "model/sentence_pieces.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/utf8.h"

namespace assay {

SentencePieces::SentencePieces(const Vocabulary& vocabulary, const TokenTexts& texts, const ByteTokens& bytes)
    : texts_(texts), bytes_(bytes), ranks_(texts.size()) {
  if (!vocabulary.scores.empty()) {
    const std::vector<float>& scores = vocabulary.scores;
    for (size_t token = 0; token < scores.size(); ++token)
      if (std::isnan(scores[token]))
        fail("{}: the score of token {} is no number; convert the model anew", vocabulary.source, token);
    std::vector<Token> best_first(texts.size());
    std::iota(best_first.begin(), best_first.end(), 0u);
    std::sort(best_first.begin(), best_first.end(), [&](Token a, Token b) { return scores[a] > scores[b]; });
    for (size_t i = 1; i < best_first.size(); ++i)
      ranks_[best_first[i]] = ranks_[best_first[i - 1]] + (scores[best_first[i]] != scores[best_first[i - 1]]);
  }
  for (Token token = 0; token < texts.size(); ++token) {
    const std::string_view text = texts.text(token);
    for (size_t at = text.find(' ', 1); at != std::string_view::npos; at = text.find(' ', at + 1))
      before_a_blank_.set(static_cast<unsigned char>(text[at - 1]));
  }
}

size_t SentencePieces::word_end(std::string_view text, size_t begin) const {
  size_t at = text.find(' ', begin + 1);
  while (at != std::string_view::npos && before_a_blank_.test(static_cast<unsigned char>(text[at - 1])))
    at = text.find(' ', at + 1);
  return std::min(at, text.size());
}

void SentencePieces::append(std::string_view word, SymbolMerger& merger, std::vector<Token>& tokens) const {
  merger.symbols.clear();
  for (size_t at = 0; at < word.size();) {
    const size_t length = std::max<size_t>(code_point_bytes(word.substr(at)), 1);
    merger.symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(length),
                              texts_.find(word.substr(at, length)).value_or(kNoToken)});
    at += length;
  }
  merger.run([&](const Symbol& left, const Symbol& right) -> Merge {
    const auto token = texts_.find(word.substr(left.begin, size_t(left.size) + right.size));
    return token ? Merge{ranks_[*token], *token} : Merge{};
  });
  bytes_.append_merged(word, merger.symbols, tokens);
}

}  // namespace assay

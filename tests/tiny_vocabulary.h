// Vocabularies made in a test: small, of both kinds, with all 256 bytes.
#pragma once
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "model/byte_alphabet.h"
#include "model/tokenizer.h"

namespace assay {

/// Owns the text that its Vocabulary views. Change `vocabulary` as a test needs.
class TinyVocabulary {
 public:
  TinyVocabulary() = default;
  TinyVocabulary(const TinyVocabulary&) = delete;
  TinyVocabulary& operator=(const TinyVocabulary&) = delete;

  Token add(const std::string& text, TokenType type = TokenType::normal, float score = 0) {
    vocabulary.tokens.push_back(texts_.emplace_back(text));
    vocabulary.types.push_back(int32_t(type));
    if (vocabulary.model == "llama") vocabulary.scores.push_back(score);
    return Token(vocabulary.tokens.size() - 1);
  }
  /// Of two texts as bytes; their joined text becomes a token.
  void merge(const std::string& left, const std::string& right) {
    vocabulary.merges.push_back(texts_.emplace_back(letters_of_bytes(left) + " " + letters_of_bytes(right)));
    add(letters_of_bytes(left + right));
  }
  Token find(const std::string& text) const {
    for (Token token = 0; token < vocabulary.tokens.size(); ++token)
      if (vocabulary.tokens[token] == text) return token;
    return kNoToken;
  }

  Vocabulary vocabulary;

 private:
  std::deque<std::string> texts_;
};

using MergeList = std::vector<std::pair<std::string, std::string>>;  // of bytes
using PieceList = std::vector<std::pair<std::string, float>>;        // '_' writes a blank; scores

/// Byte b is token b; then the merges' tokens, then <|end|> (control, also bos) and <tag> (user-defined).
struct TinyBpe : TinyVocabulary {
  explicit TinyBpe(const MergeList& merges = {}) {
    vocabulary.model = "gpt2";
    vocabulary.pre = "qwen2";
    for (int byte = 0; byte < 256; ++byte) add(letters_of_bytes(std::string(1, char(byte))));
    for (const auto& [left, right] : merges) merge(left, right);
    end = add("<|end|>", TokenType::control);
    tag = add("<tag>", TokenType::user_defined);
    vocabulary.bos = vocabulary.eos = end;
  }
  Token end, tag;
};

/// <unk>, <s>, </s>, bytes from token 3 on, then pieces, <|end|> and <tag>.
struct TinyPieces : TinyVocabulary {
  explicit TinyPieces(const PieceList& pieces = {}) {
    vocabulary.model = "llama";
    add("<unk>", TokenType::unknown);
    add("<s>", TokenType::control);
    add("</s>", TokenType::control);
    for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), TokenType::byte);
    for (const auto& [text, score] : pieces) {
      std::string marked;
      for (const char c : text) marked += c == '_' ? "\xe2\x96\x81" : std::string(1, c);
      add(marked, TokenType::normal, score);
    }
    end = add("<|end|>", TokenType::control);
    tag = add("<tag>", TokenType::user_defined);
    vocabulary.unknown = 0;
    vocabulary.bos = 1;
    vocabulary.eos = 2;
  }
  Token end, tag;
};

}  // namespace assay

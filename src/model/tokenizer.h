// A model's tokenizer: what its vocabulary says, checked and ready. TokenEncoder and TokenDecoder work on it.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/byte_pairs.h"
#include "model/sentence_pieces.h"
#include "model/special_tokens.h"
#include "model/token_texts.h"
#include "model/word_splitter.h"

namespace assay {

/// Never changes; threads share it.
class Tokenizer {
 public:
  /// Error for a vocabulary that contradicts itself or is of a kind that is not supported. It may go afterwards.
  explicit Tokenizer(const Vocabulary& vocabulary);
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  size_t size() const { return texts_.size(); }
  /// What the token stands for in a text; of a control token, its name. Any bytes, also half a character.
  std::string_view bytes(Token token) const { return texts_.text(token); }
  /// Steers the model and is no text: a user's text becomes one only where that is asked for.
  bool is_control(Token token) const { return roles_[token] == Role::control; }
  /// Stands for a text of its own, which is always found (a tag, a run of blanks).
  bool is_user_defined(Token token) const { return roles_[token] == Role::user_defined; }
  std::optional<Token> bos() const { return bos_; }
  std::optional<Token> eos() const { return eos_; }
  /// Whether the file wants the token before, or after, every text.
  bool adds_bos() const { return adds_bos_; }
  bool adds_eos() const { return adds_eos_; }
  /// A blank is put before a text, and before one that follows a control or user-defined token.
  bool adds_blank() const { return adds_blank_; }
  /// What a reader of results should know of the vocabulary, a line each.
  const std::vector<std::string>& remarks() const { return remarks_; }

  /// The parts that encoding is made of. Patterns: of byte-level BPE; pieces: of the SentencePiece kind; one is null.
  const SpecialTokens& specials(bool with_control) const { return with_control ? all_specials_ : user_defined_; }
  const WordPatterns* patterns() const { return patterns_.get(); }
  const SentencePieces* pieces() const { return pieces_.get(); }
  const WordCoder& coder() const { return pairs_ ? static_cast<const WordCoder&>(*pairs_) : *pieces_; }

 private:
  enum class Role : uint8_t { text, byte, user_defined, control };
  Role role_of(const Vocabulary& vocabulary, Token token) const;
  void add_texts(const Vocabulary& vocabulary);
  void find_byte_tokens(const Vocabulary& vocabulary);
  void add_specials(const Vocabulary& vocabulary);
  void index_texts();

  bool is_bpe_ = false, adds_bos_ = false, adds_eos_ = false, adds_blank_ = false;
  std::optional<Token> bos_, eos_, unknown_;
  std::vector<Role> roles_;
  TokenTexts texts_;
  std::vector<Token> unreadable_;
  ByteTokens byte_tokens_;
  SpecialTokens user_defined_, all_specials_;
  std::unique_ptr<WordPatterns> patterns_;
  std::unique_ptr<BytePairs> pairs_;
  std::unique_ptr<SentencePieces> pieces_;
  std::vector<std::string> remarks_;
};

}  // namespace assay

// A vocabulary judged: what each token is, which texts are found, which bytes have a token.
#include "model/tokenizer.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "model/byte_alphabet.h"

namespace assay {
namespace {

constexpr std::string_view kBlankMark = "\xe2\x96\x81";  // U+2581: a blank, in tokens of the SentencePiece kind
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// The byte that "<0x0A>" names.
std::optional<unsigned char> named_byte(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
    value = value * 16 + (c <= '9' ? c - '0' : (c & 7) + 9);
  }
  return static_cast<unsigned char>(value);
}

/// "<|im_end|>", also in the full-width bars of DeepSeek: some files call such tokens user-defined.
bool looks_like_control(std::string_view text) {
  return (text.starts_with("<|") && text.ends_with("|>") && text.size() > 4) ||
         (text.starts_with("<\xef\xbd\x9c") && text.ends_with("\xef\xbd\x9c>") && text.size() > 8);
}

/// Whether some character of UTF-8 has the byte.
bool occurs_in_utf8(size_t byte) { return byte != 0xc0 && byte != 0xc1 && byte < 0xf5; }

void check(const Vocabulary& v) {
  const size_t count = v.tokens.size();
  if (v.model != "gpt2" && v.model != "llama")
    fail("{}: tokenizer.ggml.model is \"{}\"; supported: gpt2 (byte-level BPE), llama (SentencePiece)", v.source,
         v.model);
  if (count == 0) fail("{}: the vocabulary has no token (tokenizer.ggml.tokens); take a file that has one", v.source);
  if (!v.types.empty() && v.types.size() != count)
    fail("{}: {} tokens but {} token types (tokenizer.ggml.token_type); convert the model anew", v.source, count,
         v.types.size());
  if (!v.scores.empty() && v.scores.size() != count)
    fail("{}: {} tokens but {} scores (tokenizer.ggml.scores); convert the model anew", v.source, count,
         v.scores.size());
  if (v.model == "llama" && v.scores.empty())
    fail("{}: the SentencePiece kind needs scores (tokenizer.ggml.scores); convert the model anew", v.source);
  for (const auto& [name, token] : {std::pair("bos", v.bos), std::pair("eos", v.eos), std::pair("unknown", v.unknown)})
    if (token && *token >= count)
      fail("{}: tokenizer.ggml.{}_token_id is {}, but there are {} tokens; convert the model anew", v.source, name,
           *token, count);
  for (size_t token = 0; token < count; ++token)
    if (const size_t good = utf8_front(v.tokens[token]); good != v.tokens[token].size())
      fail("{}: token {} (\"{}\") is not UTF-8 from its byte {} on; convert the model anew", v.source, token,
           one_line(v.tokens[token]), good);
}

std::string lowercase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return text;
}

}  // namespace

Tokenizer::Tokenizer(const Vocabulary& v) : is_bpe_(v.model == "gpt2"), bos_(v.bos), eos_(v.eos), unknown_(v.unknown) {
  check(v);
  const SplitRule* rule = nullptr;
  if (is_bpe_) {
    if (!v.pre)
      remarks_.push_back(
          "tokenizer.ggml.pre is missing: text is split by the rule \"default\"; the model's own may "
          "differ");
    rule = &split_rule(v.pre.value_or("default"), v.source);
  }
  adds_bos_ = v.add_bos.value_or(is_bpe_ ? rule->add_bos : true) && bos_;
  adds_eos_ = v.add_eos.value_or(false) && eos_;
  adds_blank_ = !is_bpe_ && v.add_space_prefix.value_or(true);
  for (Token token = 0; token < v.tokens.size(); ++token) roles_.push_back(role_of(v, token));
  add_texts(v);
  index_texts();
  find_byte_tokens(v);
  add_specials(v);
  if (is_bpe_) {
    patterns_ = std::make_unique<WordPatterns>(*rule);
    pairs_ = std::make_unique<BytePairs>(v, texts_, byte_tokens_, rule->ignore_merges);
    if (pairs_->left_out() > 0)
      remarks_.push_back(
          fmt::format("{} merges are left out: they name control or user-defined tokens, which text "
                      "must not become by merging",
                      pairs_->left_out()));
  } else {
    pieces_ = std::make_unique<SentencePieces>(v, texts_, byte_tokens_);
  }
}

Tokenizer::Role Tokenizer::role_of(const Vocabulary& v, Token token) const {
  const bool is_named = token == bos_ || token == eos_ || token == unknown_;
  if (v.types.empty() && is_named) return Role::control;
  const auto type = v.types.empty() ? TokenType::normal : TokenType(v.types[token]);
  if (type == TokenType::control || type == TokenType::unknown) return Role::control;
  if (type == TokenType::user_defined)
    return is_named || looks_like_control(v.tokens[token]) ? Role::control : Role::user_defined;
  if (is_bpe_) return Role::text;
  if (named_byte(v.tokens[token])) return Role::byte;
  if (type == TokenType::byte)
    fail("{}: token {} is of the type byte, but \"{}\" names none (\"<0x0A>\" would); convert the model anew", v.source,
         token, one_line(v.tokens[token]));
  return Role::text;
}

void Tokenizer::add_texts(const Vocabulary& v) {
  for (Token token = 0; token < v.tokens.size(); ++token) {
    std::string text(v.tokens[token]);
    if (roles_[token] == Role::byte) {
      text = static_cast<char>(*named_byte(text));
    } else if (roles_[token] == Role::text && is_bpe_) {
      std::string bytes;
      if (append_bytes_of_letters(text, bytes))
        text = std::move(bytes);
      else
        unreadable_.push_back(token);
    } else if (roles_[token] == Role::text) {
      if (text.find(' ') != std::string::npos) unreadable_.push_back(token);
      for (size_t at = text.find(kBlankMark); at != std::string::npos; at = text.find(kBlankMark, at))
        text.replace(at, kBlankMark.size(), " ");
    }
    texts_.add(text);
  }
  if (!unreadable_.empty())
    remarks_.push_back(
        fmt::format("{} tokens have characters that stand for nothing in a text (the first is {}: "
                    "\"{}\"): no text becomes them",
                    unreadable_.size(), unreadable_[0], one_line(v.tokens[unreadable_[0]])));
}

void Tokenizer::index_texts() {
  size_t duplicates = 0;
  Token first = 0;
  for (Token token = 0; token < texts_.size(); ++token) {
    if (roles_[token] != Role::text || texts_.text(token).empty()) continue;
    if (std::binary_search(unreadable_.begin(), unreadable_.end(), token)) continue;
    if (!texts_.index(token) && duplicates++ == 0) first = token;
  }
  if (duplicates > 0)
    remarks_.push_back(
        fmt::format("{} tokens repeat an earlier one (the first is {}, \"{}\" like token {}): text "
                    "becomes the earlier",
                    duplicates, first, one_line(texts_.text(first)), *texts_.find(texts_.text(first))));
}

void Tokenizer::find_byte_tokens(const Vocabulary& v) {
  auto& of = byte_tokens_.of;
  if (is_bpe_) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const char text = static_cast<char>(byte);
      if (const auto token = texts_.find({&text, 1})) of[byte] = {*token};
    }
  } else {
    for (Token token = 0; token < v.tokens.size(); ++token)
      if (roles_[token] == Role::byte) {
        auto& tokens = of[static_cast<unsigned char>(texts_.text(token)[0])];
        if (tokens.empty()) tokens = {token};
      }
  }
  std::vector<Token> stand_in;
  for (const char c : kReplacement)
    if (const auto& tokens = of[static_cast<unsigned char>(c)]; !tokens.empty()) stand_in.push_back(tokens[0]);
  if (stand_in.size() != kReplacement.size() && unknown_ && unknown_ != bos_ && unknown_ != eos_)
    stand_in = {*unknown_}, byte_tokens_.unknown = unknown_;
  else if (stand_in.size() != kReplacement.size())
    stand_in.clear();
  size_t missing = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (!of[byte].empty()) continue;
    missing += occurs_in_utf8(byte);
    of[byte] = stand_in;
  }
  if (missing > 0)
    remarks_.push_back(fmt::format(
        "{} of the 256 bytes have no token: {}", missing,
        stand_in.empty() ? "text that needs them is refused" : "text that needs them does not come back as it was"));
}

void Tokenizer::add_specials(const Vocabulary& v) {
  const std::string name = lowercase(v.name);
  const bool is_phi3 = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
  for (Token token = 0; token < texts_.size(); ++token) {
    const std::string_view text = texts_.text(token);
    if (text.empty() || (roles_[token] != Role::control && roles_[token] != Role::user_defined)) continue;
    if (roles_[token] == Role::user_defined) user_defined_.add(token, text);
    // The template of Phi-3 writes line ends after its tags that the model was not trained to see.
    all_specials_.add(token, text, is_phi3 && text != "<unk>" && text != "<s>" && text != "<|endoftext|>");
  }
}

}  // namespace assay

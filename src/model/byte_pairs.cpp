// The list of merges as a table, and words through it.
#include "model/byte_pairs.h"

#include <bit>
#include <unordered_set>

#include "base/error.h"
#include "base/terminal.h"
#include "model/byte_alphabet.h"

namespace assay {

PairTable::PairTable(size_t merges) {
  const size_t bits = size_t(std::bit_width(merges * 2 + 1));
  shift_ = static_cast<int>(64 - bits);
  slots_.resize(size_t(1) << bits);
}

void PairTable::add(Token left, Token right, const Merge& merge) {
  const uint64_t key = uint64_t(left) << 32 | right;
  size_t at = slot_of(key);
  while (slots_[at].merge.rank != Merge::kNever) {
    if (slots_[at].key == key) return;
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {key, merge};
}

namespace {

/// A merge's two parts as bytes.
struct Parts {
  std::string joined;
  size_t left_size = 0;
};

/// "left right" in letters; the blank between is never the first character.
void read_parts(const Vocabulary& vocabulary, size_t number, Parts& parts) {
  const std::string_view merge = vocabulary.merges[number];
  const size_t blank = merge.find(' ', 1);
  if (blank == std::string_view::npos || blank + 1 == merge.size())
    fail("{}: merge {} is \"{}\"; it must be two tokens with a blank between; convert the model anew",
         vocabulary.source, number, one_line(merge));
  parts.joined.clear();
  bool readable = append_bytes_of_letters(merge.substr(0, blank), parts.joined);
  parts.left_size = parts.joined.size();
  readable = readable && append_bytes_of_letters(merge.substr(blank + 1), parts.joined);
  if (!readable)
    fail("{}: merge {} is \"{}\", which has a character that stands for no byte; convert the model anew",
         vocabulary.source, number, one_line(merge));
}

}  // namespace

BytePairs::BytePairs(const Vocabulary& vocabulary, const TokenTexts& texts, const ByteTokens& bytes, bool ignore_merges)
    : texts_(texts), bytes_(bytes), ignore_merges_(ignore_merges), pairs_(vocabulary.merges.size()) {
  for (size_t byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    token_of_byte_[byte] = texts.find({&text, 1}).value_or(kNoToken);
  }
  // A merge may also name tokens that text must not become: it is left out. Only what is no token at all is an error.
  std::unordered_set<std::string_view> names;
  const auto token_of = [&](std::string_view part, size_t number) -> Token {
    if (const auto token = texts.find(part)) return *token;
    if (names.empty()) names.insert(vocabulary.tokens.begin(), vocabulary.tokens.end());
    const std::string letters = letters_of_bytes(part);
    if (!names.contains(letters))
      fail("{}: merge {} is \"{}\", but \"{}\" is no token of the vocabulary; convert the model anew",
           vocabulary.source, number, vocabulary.merges[number], letters);
    return kNoToken;
  };
  Parts parts;
  for (size_t number = 0; number < vocabulary.merges.size(); ++number) {
    read_parts(vocabulary, number, parts);
    const std::string_view joined = parts.joined;
    const Token left = token_of(joined.substr(0, parts.left_size), number),
                right = token_of(joined.substr(parts.left_size), number), whole = token_of(joined, number);
    if (left != kNoToken && right != kNoToken && whole != kNoToken)
      pairs_.add(left, right, {static_cast<uint32_t>(number), whole});
    else
      ++left_out_;
  }
}

void BytePairs::append(std::string_view word, SymbolMerger& merger, std::vector<Token>& tokens) const {
  if (ignore_merges_)
    if (const auto token = texts_.find(word)) return tokens.push_back(*token);
  merger.symbols.clear();
  for (uint32_t at = 0; at < word.size(); ++at)
    merger.symbols.push_back({at, 1, token_of_byte_[static_cast<unsigned char>(word[at])]});
  merger.run([this](const Symbol& left, const Symbol& right) { return pairs_.find(left.token, right.token); });
  bytes_.append_merged(word, merger.symbols, tokens);
}

}  // namespace assay

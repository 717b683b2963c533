// Laws of both kinds of tokenizer, on vocabularies made here: merging as it is defined, exact ways back, safe texts.
#include "model/tokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "model/token_decoder.h"
#include "model/token_encoder.h"
#include "tiny_vocabulary.h"

namespace assay {
namespace {

using Tokens = std::vector<Token>;

const MergeList kMerges = {{"a", "b"}, {"b", "a"}, {"ab", "a"}, {"a", "a"},   {"aa", "aa"},     {"aba", "b"},
                           {" ", " "}, {"b", "c"}, {" ", "a"},  {" a", "ba"}, {"\xc3", "\xa9"}, {"\r", "\n"}};
const PieceList kPieces = {{"_", -1},  {"a", -2},    {"b", -3},       {"ab", -4}, {"ba", -4},
                           {"_a", -5}, {"aba", -6},  {"abab", -5},    {"__", -7}, {"____", -7},
                           {"aa", -8}, {"aaaa", -9}, {"\xc3\xa9", -9}};

/// Random text that merges often: letters of the tables above, and any bytes.
std::string random_text(std::mt19937& random, size_t bytes) {
  static const std::vector<std::string> parts = {"a", "b",  "ab", "c", " ",  "  ", "\n",           "\xc3\xa9",
                                                 "7", "'s", ".",  "<", "|>", "\t", "\xe2\x96\x81", "<tag>"};
  std::string text;
  while (text.size() < bytes) {
    const size_t choice = random() % (parts.size() + 2);
    text += choice < parts.size() ? parts[choice] : std::string(1, char(random()));
  }
  return text;
}

/// The definition: as long as a pair merges, the one of the lowest number, the leftmost of it.
Tokens merged_by_definition(const TinyVocabulary& vocabulary, const MergeList& merges, const std::string& word) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.push_back(std::string(1, c));
  for (;;) {
    size_t best = merges.size(), where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      for (size_t number = 0; number < best; ++number)
        if (merges[number].first == symbols[i] && merges[number].second == symbols[i + 1]) best = number, where = i;
    if (best == merges.size()) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + ptrdiff_t(where) + 1);
  }
  Tokens tokens;
  for (const std::string& symbol : symbols) tokens.push_back(vocabulary.find(letters_of_bytes(symbol)));
  return tokens;
}

TEST(byte_pairs, words_short_and_long_merge_as_the_definition_says) {
  const TinyBpe tiny(kMerges);
  const Tokenizer tokenizer(tiny.vocabulary);
  SymbolMerger merger;
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    std::string word;
    for (size_t bytes = 1 + random() % 300; word.size() < bytes;) word += "abca b"[random() % 6];
    Tokens tokens;
    tokenizer.coder().append(word, merger, tokens);
    ASSERT_EQ(tokens, merged_by_definition(tiny, kMerges, word)) << word;
  }
}

/// Likewise: the pair of the best score, the leftmost of it.
Tokens pieced_by_definition(const TinyVocabulary& vocabulary, const PieceList& pieces, const std::string& text) {
  const auto score_of = [&](std::string piece) {
    for (char& c : piece) c = c == ' ' ? '_' : c;
    for (const auto& [known, score] : pieces)
      if (known == piece) return score;
    return -INFINITY;
  };
  std::vector<std::string> symbols;
  for (const char c : text) symbols.push_back(std::string(1, c));
  for (;;) {
    float best = -INFINITY;
    size_t where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      if (const float score = score_of(symbols[i] + symbols[i + 1]); score > best) best = score, where = i;
    if (best == -INFINITY) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + ptrdiff_t(where) + 1);
  }
  Tokens tokens;
  for (std::string symbol : symbols) {
    for (size_t at = symbol.find(' '); at != std::string::npos; at = symbol.find(' '))
      symbol.replace(at, 1, "\xe2\x96\x81");
    tokens.push_back(vocabulary.find(symbol));
  }
  return tokens;
}

TEST(sentence_pieces, texts_short_and_long_merge_as_the_definition_says_though_they_are_cut_into_words) {
  TinyPieces tiny(kPieces);
  tiny.vocabulary.add_space_prefix = false;
  const Tokenizer tokenizer(tiny.vocabulary);
  TokenEncoder encoder(tokenizer);
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    std::string text;
    for (size_t bytes = 1 + random() % 300; text.size() < bytes;) text += "abab a  "[random() % 8];
    ASSERT_EQ(encoder.encode(text), pieced_by_definition(tiny, kPieces, text)) << text;
  }
}

TEST(round_trip, every_text_of_any_bytes_comes_back_from_either_kind) {
  const TinyBpe bpe(kMerges);
  const TinyPieces pieces(kPieces);
  std::mt19937 random(11);
  for (const TinyVocabulary* tiny :
       {static_cast<const TinyVocabulary*>(&bpe), static_cast<const TinyVocabulary*>(&pieces)}) {
    const Tokenizer tokenizer(tiny->vocabulary);
    TokenEncoder encoder(tokenizer);
    for (int i = 0; i < 3000; ++i) {
      const std::string text = random_text(random, random() % 100);
      const Tokens tokens = encoder.encode(text);
      ASSERT_EQ(decode(tokenizer, tokens), text) << i;
      ASSERT_EQ(decode(tokenizer, encoder.encode(text, {.special = true}), {.special = true}), text) << i;
    }
    EXPECT_EQ(encoder.encode(""), Tokens());
  }
}

TEST(round_trip, an_encoder_gives_the_same_tokens_again_and_a_fresh_one_does) {
  const TinyBpe tiny(kMerges);
  const Tokenizer tokenizer(tiny.vocabulary);
  TokenEncoder encoder(tokenizer);
  std::mt19937 random(13);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(random, 60);
    const Tokens tokens = encoder.encode(text);
    ASSERT_EQ(encoder.encode(text), tokens);
    ASSERT_EQ(TokenEncoder(tokenizer).encode(text), tokens);
  }
}

TEST(invalid_text, each_byte_that_is_no_character_is_a_word_of_its_own) {
  const TinyBpe tiny(MergeList{{"\xff", "\xff"}, {"\xe4", "\xbd"}});
  const Tokenizer tokenizer(tiny.vocabulary);
  EXPECT_EQ(TokenEncoder(tokenizer).encode("\xff\xff"), (Tokens{0xff, 0xff}));
  EXPECT_EQ(TokenEncoder(tokenizer).encode("\xe4\xbd"), (Tokens{0xe4, 0xbd})) << "half a character";
  EXPECT_EQ(TokenEncoder(tokenizer).encode("\xe4\xbd\xa0").front(), tiny.find(letters_of_bytes("\xe4\xbd")));
}

TEST(invalid_text, a_byte_without_a_token_becomes_the_replacement_character_the_unknown_token_or_an_error) {
  TinyBpe tiny;
  tiny.vocabulary.types[0xff] = int32_t(TokenType::control);  // no text becomes it
  const Tokenizer tokenizer(tiny.vocabulary);
  EXPECT_EQ(TokenEncoder(tokenizer).encode("a\xff"), (Tokens{'a', 0xef, 0xbf, 0xbd}));
  EXPECT_TRUE(tokenizer.remarks().empty()) << "no character of UTF-8 has that byte";

  TinyVocabulary few;
  few.vocabulary.model = "llama";
  few.add("a");
  EXPECT_THROW(TokenEncoder(Tokenizer(few.vocabulary)).encode("b"), Error);
  few.vocabulary.unknown = few.add("<unk>", TokenType::unknown);
  few.vocabulary.add_space_prefix = false;
  const Tokenizer with_unknown(few.vocabulary);
  EXPECT_EQ(TokenEncoder(with_unknown)
                .encode("a\xc3\xa9"
                        "a"),
            (Tokens{0, 1, 0}))
      << "once for a character";
  EXPECT_EQ(with_unknown.remarks().size(), 1u);
}

TEST(special, a_text_becomes_a_control_token_only_where_that_is_asked_for) {
  const TinyBpe bpe(MergeList{{"<", "|"}, {"|", ">"}});
  const TinyPieces pieces(PieceList{{"</", -1}, {"s>", -1}, {"<s", -1}, {"<", -2}, {"/", -2}, {"s", -2}, {">", -2}});
  for (const TinyVocabulary* tiny :
       {static_cast<const TinyVocabulary*>(&bpe), static_cast<const TinyVocabulary*>(&pieces)}) {
    const Tokenizer tokenizer(tiny->vocabulary);
    TokenEncoder encoder(tokenizer);
    for (Token token = 0; token < tokenizer.size(); ++token) {
      if (!tokenizer.is_control(token)) continue;
      const std::string name(tiny->vocabulary.tokens[token]);
      for (const Token typed : encoder.encode(name)) EXPECT_FALSE(tokenizer.is_control(typed)) << name;
      EXPECT_EQ(encoder.encode(name, {.special = true}), Tokens{token});
      EXPECT_EQ(decode(tokenizer, Tokens{token}), "");
      EXPECT_EQ(decode(tokenizer, Tokens{token}, {.special = true}), name);
    }
    for (const Token typed : encoder.encode("<0x0A>"))
      EXPECT_NE(tokenizer.bytes(typed), "\n") << "the name of a byte is text, too";
  }
}

TEST(special, merges_and_words_that_are_tokens_never_make_one) {
  TinyBpe tiny(MergeList{{"e", "n"}, {"en", "d"}});
  tiny.vocabulary.pre = "llama-bpe";  // a word that is a token is that token
  tiny.vocabulary.types[tiny.find("end")] = int32_t(TokenType::control);
  const Tokenizer tokenizer(tiny.vocabulary);
  EXPECT_EQ(TokenEncoder(tokenizer).encode("end"), (Tokens{tiny.find("en"), 'd'}));
  ASSERT_EQ(tokenizer.remarks().size(), 1u);
  EXPECT_NE(tokenizer.remarks()[0].find("1 merges are left out"), std::string::npos);
}

TEST(special, user_defined_tokens_are_always_found_but_not_those_that_look_like_control) {
  TinyBpe tiny;
  const Token looks = tiny.add("<|im_end|>", TokenType::user_defined);
  const Tokenizer tokenizer(tiny.vocabulary);
  EXPECT_EQ(TokenEncoder(tokenizer).encode("a<tag>b"), (Tokens{'a', tiny.tag, 'b'}));
  EXPECT_EQ(TokenEncoder(tokenizer).encode("<|im_end|>").size(), 10u);
  EXPECT_EQ(TokenEncoder(tokenizer).encode("<|im_end|>", {.special = true}), Tokens{looks});
}

TEST(special, longer_tokens_take_their_place_first_and_of_equal_ones_the_leftmost) {
  SpecialTokens specials;
  const std::vector<std::string> texts = {"ab", "bcd", "cdcd", "x", "aa"};
  for (Token token = 0; token < texts.size(); ++token) specials.add(token, texts[token]);
  const auto split = [&](std::string_view text) {
    std::string parts;
    for (const SpecialTokens::Part& part : specials.split(text))
      parts += (part.token == kNoToken ? "" : std::to_string(part.token) + ":") +
               std::string(text.substr(part.begin, part.size)) + " ";
    return parts;
  };
  EXPECT_EQ(split(""), "");
  EXPECT_EQ(split("abcd"), "a 1:bcd ");
  EXPECT_EQ(split("abcdcd"), "0:ab 2:cdcd ");
  EXPECT_EQ(split("aaa"), "4:aa a ");
  EXPECT_EQ(split("xx yx"), "3:x 3:x  y 3:x ");
  EXPECT_EQ(split("cdcdcdcd"), "2:cdcd 2:cdcd ");
  EXPECT_EQ(split("none of them"), "none of them ");
}

TEST(special, after_the_tags_of_phi_3_white_space_vanishes_where_tags_are_asked_for) {
  TinyPieces tiny;
  tiny.vocabulary.name = "Phi-3 mini";
  const Tokenizer tokenizer(tiny.vocabulary);
  TokenEncoder encoder(tokenizer);
  EXPECT_EQ(encoder.encode("<|end|>\n\n <|end|>", {.special = true}), (Tokens{tiny.end, tiny.end}));
  EXPECT_EQ(encoder.encode("<s> <s>", {.special = true}).size(), 4u) << "not after this one: a blank, one put before";
  EXPECT_EQ(decode(tokenizer, encoder.encode("<tag> <|end|>\n")), "<tag> <|end|>\n");
}

TEST(blank_before, is_put_before_a_text_and_after_tags_and_taken_away_again) {
  const TinyPieces tiny(kPieces);
  const Tokenizer tokenizer(tiny.vocabulary);
  TokenEncoder encoder(tokenizer);
  const Token a = tiny.find(
                  "\xe2\x96\x81"
                  "a"),
              blank = tiny.find("\xe2\x96\x81");
  EXPECT_EQ(encoder.encode("a"), Tokens{a});
  EXPECT_EQ(encoder.encode("a<tag>a"), (Tokens{a, tiny.tag, a}));
  EXPECT_EQ(encoder.encode("<tag>"), Tokens{tiny.tag});
  EXPECT_EQ(encoder.encode("a", {.bos = true, .eos = true}), (Tokens{1, a, 2}));
  EXPECT_EQ(decode(tokenizer, Tokens{1, a, a, 2}), "a a");
  EXPECT_EQ(decode(tokenizer, Tokens{blank, a}), " a");
}

TEST(blank_before, a_blanks_mark_that_stands_in_the_text_stays_one) {
  const TinyPieces tiny(kPieces);
  const Tokenizer tokenizer(tiny.vocabulary);
  const std::string text =
      "a\xe2\x96\x81"
      "a";
  const Tokens tokens = TokenEncoder(tokenizer).encode(text);
  EXPECT_EQ(tokens, (Tokens{tiny.find("\xe2\x96\x81"
                                      "a"),
                            3 + 0xe2, 3 + 0x96, 3 + 0x81, tiny.find("a")}));
  EXPECT_EQ(decode(tokenizer, tokens), text);
}

TEST(streaming, what_comes_out_is_whole_characters_and_together_the_text) {
  const TinyBpe tiny(kMerges);
  const Tokenizer tokenizer(tiny.vocabulary);
  std::mt19937 random(17);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (int n = 0; n < 20; ++n)
      text += std::vector<std::string>{"a", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\xa6\x99"}[random() % 4];
    TokenDecoder decoder(tokenizer);
    std::string shown;
    for (const Token token : TokenEncoder(tokenizer).encode(text)) {
      const std::string part = decoder.add(token);
      ASSERT_EQ(utf8_front(part), part.size());
      shown += part;
    }
    ASSERT_EQ(decoder.finish(), "");
    ASSERT_EQ(shown, text);
  }
}

TEST(streaming, what_is_no_character_comes_out_as_it_is_and_is_displayed_as_one_mark_each) {
  const TinyBpe tiny;
  const Tokenizer tokenizer(tiny.vocabulary);
  const std::string mark = "\xef\xbf\xbd";
  for (const auto& [bytes, displayed] :
       std::vector<std::pair<std::string, std::string>>{{"a\xff"
                                                         "b",
                                                         "a" + mark + "b"},
                                                        {"\xe4\xbd"
                                                         "b",
                                                         mark + "b"},
                                                        {"\xe4\xbd", mark},
                                                        {"\xf0\x9f\xa6\x99", "\xf0\x9f\xa6\x99"},
                                                        {"\xed\xa0\x80", mark + mark + mark},
                                                        {"\x80\x80", mark + mark}}) {
    const Tokens tokens = TokenEncoder(tokenizer).encode(bytes);
    EXPECT_EQ(decode(tokenizer, tokens), bytes);
    EXPECT_EQ(decode(tokenizer, tokens, {.display = true}), displayed) << bytes;
  }
  TokenDecoder decoder(tokenizer, {.display = true});
  EXPECT_EQ(decoder.add(0xe4), "");
  EXPECT_EQ(decoder.add(0xbd), "");
  EXPECT_EQ(decoder.add('b'), mark + "b");
  EXPECT_THROW(decoder.add(Token(tokenizer.size())), Error);
}

TEST(speed, a_megabyte_of_one_letter_of_blanks_and_of_any_bytes_takes_no_more_than_seconds) {
  const TinyBpe bpe(kMerges);
  const TinyPieces pieces(kPieces);
  std::mt19937 random(19);
  std::string any(1 << 20, ' ');
  for (char& c : any) c = char(random());
  for (const TinyVocabulary* tiny :
       {static_cast<const TinyVocabulary*>(&bpe), static_cast<const TinyVocabulary*>(&pieces)}) {
    const Tokenizer tokenizer(tiny->vocabulary);
    for (const std::string& text : {std::string(1 << 20, 'a'), std::string(1 << 20, ' '),
                                    std::string(1 << 20, ' ') + "x", std::string(1 << 20, '\n') + "x", any}) {
      const int64_t began = now_ns();
      const Tokens tokens = TokenEncoder(tokenizer).encode(text);
      EXPECT_LT(double(now_ns() - began) / 1e9, 20) << "far above the 0.2 s it takes, for any machine";
      EXPECT_TRUE(decode(tokenizer, tokens) == text);
    }
  }
}

}  // namespace
}  // namespace assay

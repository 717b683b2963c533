// Vocabularies that contradict themselves are refused with the place and the remedy; odd ones are told of.
#include "model/vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/token_encoder.h"
#include "model/word_splitter.h"
#include "tiny_vocabulary.h"

namespace assay {
namespace {

/// One line that names the source and has every part.
void expect_refused(const Vocabulary& vocabulary, const std::vector<std::string>& parts) {
  std::string message = "accepted";
  try {
    const Tokenizer tokenizer(vocabulary);
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_EQ(message.rfind("vocabulary: ", 0), 0u) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << "\n" << message;
}

TEST(bad_vocabulary, kinds_that_are_not_supported_name_those_that_are) {
  TinyBpe tiny;
  tiny.vocabulary.model = "bert";
  expect_refused(tiny.vocabulary, {"\"bert\"", "gpt2", "llama"});
  tiny.vocabulary.model = "gpt2";
  tiny.vocabulary.pre = "qwen";
  expect_refused(tiny.vocabulary, {"tokenizer.ggml.pre is \"qwen\"", "did you mean", "qwen2?", "llama-bpe", "falcon"});
}

TEST(bad_vocabulary, no_tokens_and_lists_of_another_length) {
  const TinyBpe bpe;
  Vocabulary vocabulary = bpe.vocabulary;
  vocabulary.tokens.clear();
  expect_refused(vocabulary, {"no token"});
  vocabulary = bpe.vocabulary;
  vocabulary.types.pop_back();
  expect_refused(vocabulary, {"258 tokens but 257 token types"});
  const TinyPieces pieces;
  vocabulary = pieces.vocabulary;
  vocabulary.scores.push_back(0);
  expect_refused(vocabulary, {"261 tokens but 262 scores"});
  vocabulary.scores.clear();
  expect_refused(vocabulary, {"needs scores"});
  vocabulary = pieces.vocabulary;
  vocabulary.scores[7] = std::nanf("");
  expect_refused(vocabulary, {"score of token 7 is no number"});
}

TEST(bad_vocabulary, named_tokens_that_are_not_there) {
  TinyBpe tiny;
  tiny.vocabulary.eos = 258;
  expect_refused(tiny.vocabulary, {"eos_token_id is 258", "258 tokens"});
}

TEST(bad_vocabulary, tokens_that_are_not_utf8_or_name_no_byte) {
  TinyBpe bpe;
  bpe.add("ab\xff\ncd");
  expect_refused(bpe.vocabulary, {"token 258 (\"ab\\xff", "not UTF-8 from its byte 2 on"});
  TinyPieces pieces;
  pieces.add("<0xZZ>", TokenType::byte);
  expect_refused(pieces.vocabulary, {"token 261", "type byte", "<0xZZ>"});
}

TEST(bad_vocabulary, merges_of_unknown_tokens_or_of_no_pair) {
  for (const auto& [merge, parts] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"a xyz", {"merge 1 is \"a xyz\"", "\"xyz\" is no token"}},
           {"a b", {"merge 1", "\"ab\" is no token"}},
           {"ab", {"merge 1", "two tokens with a blank between"}},
           {"a ", {"merge 1", "two tokens"}},
           {"", {"merge 1", "two tokens"}},
           {"a \xe4\xbd\xa0", {"merge 1", "stands for no byte"}},
           {"a \xff", {"merge 1", "stands for no byte"}}}) {
    TinyBpe tiny(MergeList{{"b", "a"}});
    tiny.vocabulary.merges.push_back(merge);
    expect_refused(tiny.vocabulary, parts);
  }
}

TEST(odd_vocabulary, is_told_of_and_works) {
  TinyBpe tiny;
  tiny.vocabulary.pre.reset();
  tiny.add("a");
  tiny.add("\xe4\xbd\xa0");
  tiny.add("");
  const Tokenizer tokenizer(tiny.vocabulary);
  std::string remarks;
  for (const std::string& remark : tokenizer.remarks()) remarks += remark + "\n";
  for (const std::string part : {"tokenizer.ggml.pre is missing", "\"default\"", "1 tokens repeat an earlier one",
                                 "258, \"a\" like token 97", "259: \"\xe4\xbd\xa0\""})
    EXPECT_NE(remarks.find(part), std::string::npos) << part << "\n" << remarks;
  EXPECT_EQ(TokenEncoder(tokenizer).encode("a"), std::vector<Token>{'a'});
}

std::string words_of(const std::string& rule, std::string_view text) {
  const WordPatterns patterns(split_rule(rule, "test"));
  std::string words;
  WordSplitter(patterns).split(text, [&](std::string_view word) { words += "[" + std::string(word) + "]"; });
  return words;
}

TEST(split_rules, cut_as_the_models_own_patterns_do) {
  EXPECT_EQ(words_of("gpt-2", "Hello  world's 123!?\n\n x"), "[Hello][ ][ world]['s][ 123][!?][\n\n][ x]");
  EXPECT_EQ(words_of("qwen2", "don'T  go 12\n\n x"), "[don]['T][ ][ go][ ][1][2][\n\n][ x]");
  EXPECT_EQ(words_of("llama-bpe", "12345 a.b"), "[123][45][ a][.b]");
  EXPECT_EQ(words_of("smollm", "v10 x"), "[v][1][0][ x]");
  EXPECT_EQ(words_of("deepseek-coder", "f(x)\n 12"), "[f][(][x][)][\n][ ][1][2]");
  EXPECT_EQ(words_of("deepseek-llm", "Hi 1234 \xe4\xbd\xa0\xe5\xa5\xbd  "),
            "[Hi][ ][1234][ ][\xe4\xbd\xa0\xe5\xa5\xbd][  ]");
  EXPECT_EQ(words_of("deepseek-v3", "1234 abc"), "[123][4][ abc]");
  EXPECT_EQ(words_of("falcon", "a+b 12345"), "[a][+][b][ ][123][45]");
  EXPECT_EQ(words_of("gpt-4o", "HelloWorld's"), "[Hello][World's]");
}

TEST(split_rules, white_space_is_what_unicode_says) {
  EXPECT_EQ(words_of("gpt-2", "a\xc2\x85\xe3\x80\x80 b"), "[a][\xc2\x85\xe3\x80\x80][ b]");
  EXPECT_EQ(words_of("gpt-2",
                     "a\xe1\xa0\x8e"
                     "b"),
            "[a][\xe1\xa0\x8e][b]")
      << "U+180E is none";
  EXPECT_EQ(words_of("gpt-2", "\xe1\xa0\x8e."), "[\xe1\xa0\x8e.]");
}

TEST(split_rules, every_rule_compiles_and_keeps_every_byte_of_long_runs) {
  for (const std::string& name : split_rule_names())
    for (const std::string text : {"a", " ", "\n", "1", "A", ".", "\xe4\xbd\xa0", " \n", "aA", "'s"}) {
      std::string run;
      while (run.size() < 100'000) run += text;
      run += "x";
      const WordPatterns patterns(split_rule(name, "test"));
      std::string all;
      WordSplitter(patterns).split(run, [&](std::string_view word) { all += word; });
      ASSERT_TRUE(all == run) << name << " " << text;
    }
}

}  // namespace
}  // namespace assay

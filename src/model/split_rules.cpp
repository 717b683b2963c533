// The patterns, in the syntax of the models' own files. In them \s is Unicode's White_Space.
#include "model/split_rules.h"

#include <sstream>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

#define ASSAY_CONTRACTIONS R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|)"
#define ASSAY_PUNCTUATION_AND_BLANKS R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr std::string_view kLlama3 =
    ASSAY_CONTRACTIONS R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" ASSAY_PUNCTUATION_AND_BLANKS;
constexpr std::string_view kQwen2 = ASSAY_CONTRACTIONS R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" ASSAY_PUNCTUATION_AND_BLANKS;

#undef ASSAY_CONTRACTIONS
#undef ASSAY_PUNCTUATION_AND_BLANKS

#define ASSAY_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define ASSAY_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define ASSAY_SUFFIX R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?)"
#define ASSAY_PUNCTUATION_AND_BLANKS R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?)" ASSAY_UPPER "*" ASSAY_LOWER R"(+|[^\r\n\p{L}\p{N}]?)" ASSAY_UPPER "+" ASSAY_LOWER
    R"(*|\p{N})" ASSAY_PUNCTUATION_AND_BLANKS;
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?)" ASSAY_UPPER "*" ASSAY_LOWER "+" ASSAY_SUFFIX R"(|[^\r\n\p{L}\p{N}]?)" ASSAY_UPPER
    "+" ASSAY_LOWER "*" ASSAY_SUFFIX R"(|\p{N}{1,3})" ASSAY_PUNCTUATION_AND_BLANKS;

#undef ASSAY_UPPER
#undef ASSAY_LOWER
#undef ASSAY_SUFFIX
#undef ASSAY_PUNCTUATION_AND_BLANKS

/// The letters that deepseek-llm counts as such: cased ones of the scripts that have cases.
constexpr std::string_view kCasedLetters =
    R"(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1})"
    R"(\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5})"
    R"(\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a})"
    R"(\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b})"
    R"(\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc})"
    R"(\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107})"
    R"(\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139})"
    R"(\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4})"
    R"(\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787})"
    R"(\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a})"
    R"(\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2})"
    R"(\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)";
constexpr std::string_view kEastAsian = R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";

/// A run of white space at the text's end is looked for from its first character alone: from each it would be
/// quadratic.
constexpr std::string_view kBlanksAtTheEnd = R"((?<!\s)\s+$)";

const std::vector<SplitRule>& rules() {
  static const std::vector<SplitRule> all = {
      {"qwen2 deepseek-r1-qwen megrez stablelm2", {kQwen2}},
      {"llama-bpe llama3 llama-v3 falcon3", {kLlama3}, true, true},
      {"smaug-bpe dbrx chatglm-bpe", {kLlama3}},
      {"gpt-2 mpt olmo jais phi-2 gigachat jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe",
       {kGpt2}},
      {"smollm starcoder refact command-r codeshell exaone minerva-7b", {R"(\p{N})", kGpt2}},
      {"deepseek-llm",
       {R"([\r\n])", kCasedLetters,
        R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)", kBlanksAtTheEnd,
        kEastAsian, R"(\p{N}+)"}},
      {"deepseek-coder", {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kEastAsian, R"(\p{N})"}},
      {"deepseek-v3",
       {R"(\p{N}{1,3})", R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
      {"tekken", {kTekken}, true, true},
      {"gpt-4o llama4", {kGpt4o}},
      {"bloom poro-chat gpt3-finnish", {R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)"}},
      {"viking", {R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)", R"(\p{N})"}},
      {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
  };
  return all;
}

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

const SplitRule& split_rule(const std::string& name, const std::string& source) {
  for (const SplitRule& rule : rules())
    for (const std::string& known : words_of(rule.names))
      if (known == name) return rule;
  const std::vector<std::string> known = split_rule_names();
  fail("{}: tokenizer.ggml.pre is \"{}\"{}; supported: {}", source, name, did_you_mean(name, known),
       joined(known, ", "));
}

std::vector<std::string> split_rule_names() {
  std::vector<std::string> names;
  for (const SplitRule& rule : rules())
    for (std::string& name : words_of(rule.names)) names.push_back(std::move(name));
  return names;
}

}  // namespace assay

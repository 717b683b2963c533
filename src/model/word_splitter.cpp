// PCRE2: patterns compiled, by JIT where there is one, and matched.
#include "model/word_splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <new>
#include <string>

#include "base/error.h"

namespace assay {
namespace {

constexpr size_t kFirstStackBytes = size_t(32) << 10, kMostStackBytes = size_t(16) << 20;

/// Unicode's White_Space as members of a class. PCRE2's own \s has U+180E, too, which is none since Unicode 6.3.
constexpr std::string_view kWhiteSpace =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

/// The pattern with \s and \S spelt out.
std::string with_white_space(std::string_view pattern) {
  std::string spelt;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size(); ++at) {
    const std::string_view two = pattern.substr(at, 2);
    if (two == "\\s" || two == "\\S") {
      if (in_class)
        spelt += kWhiteSpace;
      else
        spelt += fmt::format("[{}{}]", two == "\\S" ? "^" : "", kWhiteSpace);
      ++at;
    } else if (pattern[at] == '\\') {
      spelt += two;
      ++at;
    } else {
      if (pattern[at] == '[') in_class = true;
      if (pattern[at] == ']') in_class = false;
      spelt += pattern[at];
    }
  }
  return spelt;
}

template <typename T>
T* or_no_memory(T* made) {
  if (!made) throw std::bad_alloc();
  return made;
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

void WordPatterns::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

WordPatterns::WordPatterns(const SplitRule& rule) {
  for (const std::string_view stage : rule.stages) {
    const std::string pattern = with_white_space(stage);
    int error = 0;
    PCRE2_SIZE where = 0;
    stages_.emplace_back(pcre2_compile(units(pattern), pattern.size(),
                                       PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_UTF_CHECK, &error,
                                       &where, nullptr));
    ASSAY_CHECK(stages_.back() != nullptr);
    // Without a JIT, or without a page that may be executed, matching interprets: slower, the same words.
    pcre2_jit_compile(stages_.back().get(), PCRE2_JIT_COMPLETE);
  }
}

void WordSplitter::Free::operator()(pcre2_real_match_data_8* data) const { pcre2_match_data_free(data); }
void WordSplitter::Free::operator()(pcre2_real_match_context_8* context) const { pcre2_match_context_free(context); }
void WordSplitter::Free::operator()(pcre2_real_jit_stack_8* stack) const { pcre2_jit_stack_free(stack); }

WordSplitter::WordSplitter(const WordPatterns& patterns)
    : patterns_(patterns),
      stack_(pcre2_jit_stack_create(kFirstStackBytes, kMostStackBytes, nullptr)),
      context_(or_no_memory(pcre2_match_context_create(nullptr))),
      found_(or_no_memory(pcre2_match_data_create(1, nullptr))) {
  pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
  // A long run of blanks takes a step each: no limit stands between a text and its words.
  pcre2_set_match_limit(context_.get(), UINT32_MAX);
  pcre2_set_depth_limit(context_.get(), UINT32_MAX);
}

WordSplitter::Match WordSplitter::next_match(size_t stage, std::string_view text, size_t from) {
  const int found = pcre2_match(patterns_.stages_[stage].get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                                found_.get(), context_.get());
  if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
  if (found == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  ASSAY_CHECK(found >= 0);
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(found_.get());
  ASSAY_CHECK(ends[0] >= from && ends[1] > ends[0]);
  return {ends[0], ends[1]};
}

}  // namespace assay

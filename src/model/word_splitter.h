// Text into words, by the patterns of a rule.
#pragma once
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "model/split_rules.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace assay {

/// A rule's patterns, compiled; threads share it.
class WordPatterns {
 public:
  explicit WordPatterns(const SplitRule& rule);

 private:
  friend class WordSplitter;
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::vector<std::unique_ptr<pcre2_real_code_8, FreeCode>> stages_;
};

/// What a thread needs beside the patterns.
class WordSplitter {
 public:
  explicit WordSplitter(const WordPatterns& patterns);

  /// Calls `word` with every word in turn; together they are the text. It is UTF-8. O(bytes) for each stage.
  template <typename OnWord>
  void split(std::string_view text, OnWord&& word) {
    split_from(0, text, word);
  }

 private:
  struct Match {
    size_t begin, end;
  };
  /// The stage's first match at `from` or later; at the text's end where there is none.
  Match next_match(size_t stage, std::string_view text, size_t from);

  template <typename OnWord>
  void split_from(size_t stage, std::string_view text, OnWord& word) {
    if (stage == patterns_.stages_.size()) return word(text);
    for (size_t done = 0; done < text.size();) {
      const Match match = next_match(stage, text, done);
      if (match.begin > done) split_from(stage + 1, text.substr(done, match.begin - done), word);
      if (match.end > match.begin) split_from(stage + 1, text.substr(match.begin, match.end - match.begin), word);
      done = match.end;
    }
  }

  struct Free {
    void operator()(pcre2_real_match_data_8* data) const;
    void operator()(pcre2_real_match_context_8* context) const;
    void operator()(pcre2_real_jit_stack_8* stack) const;
  };

  const WordPatterns& patterns_;
  std::unique_ptr<pcre2_real_jit_stack_8, Free> stack_;
  std::unique_ptr<pcre2_real_match_context_8, Free> context_;
  std::unique_ptr<pcre2_real_match_data_8, Free> found_;
};

}  // namespace assay

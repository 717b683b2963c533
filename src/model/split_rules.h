// How text is cut into words before byte-level BPE: the rules that tokenizer.ggml.pre names.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct SplitRule {
  std::string_view names;                // of tokenizer.ggml.pre, blanks between
  std::vector<std::string_view> stages;  // patterns; each cuts what the ones before left, matches and gaps alike
  bool ignore_merges = false;            // a word that is a token is that token, whatever the merges say
  bool add_bos = false;                  // where the file does not say
};

/// The rule of that name. Error, with all names, for one that is not there; `source` says where it stands.
const SplitRule& split_rule(const std::string& name, const std::string& source);

/// All names, in the order of the rules.
std::vector<std::string> split_rule_names();

}  // namespace assay

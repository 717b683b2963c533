// What may be said of a trace's lines that they do not say themselves. Each rule has its reason, which every report
// repeats.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "analysis/shapes.h"
#include "base/error.h"

namespace assay {
namespace {

void add_bias_rules(std::vector<CompletionRule>& rules) {
  for (const char* op : {"matmul_bias_add", "matmul_bias_add_cache"})
    rules.push_back({{{"op", op}}, {{"bias", "1"}}, "the op's name says that a bias is added"});
}

/// One rule a head size: scores are scaled by 1/sqrt(k), and k is part of the line.
void add_attention_rules(const std::vector<SpecFields>& lines, std::vector<CompletionRule>& rules) {
  std::set<std::pair<std::string, std::string>> scores;  // op and k
  for (const SpecFields& line : lines) {
    const std::string *tb = find_field(line, "tB"), *op = find_field(line, "op"), *k = find_field(line, "k");
    if (!tb || *tb != "1" || !op || !k || !op->starts_with("matmul_alpha_beta")) continue;
    const std::string* loader = find_field(line, "loader");
    if (loader && *loader == "dense") scores.emplace(*op, *k);
  }
  for (const auto& [op, k] : scores) {
    uint64_t size = 0;
    const auto [end, error] = std::from_chars(k.data(), k.data() + k.size(), size);
    if (error != std::errc() || end != k.data() + k.size() || size == 0) continue;
    rules.push_back({{{"op", op}, {"loader", "dense"}, {"tB", "1"}, {"k", k}},
                     {{"alpha", fmt::format("{}", 1 / std::sqrt(double(size)))}, {"beta", "0"}},
                     "attention scores over the cache are scaled by 1/sqrt(k), k being the head size"});
  }
  for (const char* op : {"matmul_alpha_beta", "matmul_alpha_beta_cache"})
    rules.push_back({{{"op", op}, {"loader", "dense"}, {"tB", "0"}},
                     {{"alpha", "1"}, {"beta", "0"}},
                     "attention values over the cache are a plain weighted sum"});
}

void add_dtype_rules(const std::string& dtype, std::vector<CompletionRule>& rules) {
  const ProductTypes types = product_types_of_option(dtype);
  const std::string weights(types.of("dtB")), around(types.of("dtA"));
  if (!is_quantized(types.weights)) {
    rules.push_back({{}, {{"dtA", around}, {"dtB", weights}, {"dtD", around}}, fmt::format("--dtype {}", dtype)});
    return;
  }
  const std::string words = around == "f16" ? "half" : around;
  rules.push_back({{},
                   {{"dtA", around}, {"dtD", around}},
                   fmt::format("--dtype {}: activations and outputs are {}", dtype, words)});
  rules.push_back({{{"loader", "dense"}},
                   {{"dtB", "f16"}},
                   fmt::format("--dtype {}: the loader says that nothing is quantized, so half", dtype)});
  for (const char* op : {"matmul", "matmul_cache", "matmul_bias_add", "matmul_bias_add_cache"})
    for (const char* tb : {"1", "true", "?"})  // other layouts cannot be quantized: blocks run along k
      rules.push_back({{{"op", op}, {"tB", tb}},
                       {{"dtB", weights}},
                       fmt::format("--dtype {}: a product with weights, stored n×k", dtype)});
}

}  // namespace

std::vector<CompletionRule> shape_rules(const std::string& dtype, const std::vector<SpecFields>& lines) {
  if (!dtype.empty()) product_types_of_option(dtype);
  std::vector<CompletionRule> rules = {{{{"loader", "q8nk_split"}}, {{"dtB", "q8_0"}}, "the loader reads Q8_0"}};
  add_bias_rules(rules);
  add_attention_rules(lines, rules);
  if (!dtype.empty()) add_dtype_rules(dtype, rules);
  return rules;
}

}  // namespace assay

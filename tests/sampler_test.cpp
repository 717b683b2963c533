// The sampler against a plain implementation in double that sorts everything; and what its options promise.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace assay {
namespace {

std::vector<float> drawn_logits(size_t count, uint64_t seed) {
  std::vector<float> logits(count);
  for (size_t i = 0; i < count; ++i) logits[i] = float(random_bits(seed * 1'000'003 + i) >> 40) * 0x1p-24f * 20 - 10;
  return logits;
}

/// Which tokens may be drawn, the most probable first, and how probable each is.
std::vector<std::pair<Token, double>> plain(const SamplingOptions& o, const std::vector<float>& logits,
                                            const std::vector<Token>& before) {
  std::vector<double> value(logits.begin(), logits.end());
  std::vector<bool> done(logits.size());
  for (size_t i = before.size() - std::min(before.size(), size_t(o.penalty_window)); i < before.size(); ++i) {
    const Token t = before[i];
    if (!done[t]) value[t] = value[t] > 0 ? value[t] / o.repetition_penalty : value[t] * o.repetition_penalty;
    done[t] = true;
  }
  std::vector<Token> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](Token a, Token b) { return value[a] > value[b]; });
  if (o.top_k) order.resize(std::min(order.size(), size_t(o.top_k)));
  std::vector<double> p;
  for (const Token t : order) p.push_back(std::exp((value[t] - value[order[0]]) / o.temperature));
  const double whole = std::accumulate(p.begin(), p.end(), 0.0);
  std::vector<std::pair<Token, double>> kept;
  double reached = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && o.top_p < 1 && reached >= o.top_p * whole) break;
    if (p[i] < o.min_p * p[0]) break;
    kept.emplace_back(order[i], p[i]);
    reached += p[i];
  }
  for (auto& [token, probability] : kept) probability /= reached;
  return kept;
}

/// Tokens stand in the order of their numbers.
Token plain_draw(std::vector<std::pair<Token, double>> kept, double uniform) {
  std::sort(kept.begin(), kept.end());
  double sum = 0;
  for (const auto& [token, probability] : kept)
    if ((sum += probability) > uniform) return token;
  return kept.back().first;
}

SamplingOptions options(double temperature, int64_t top_k, double top_p, double min_p, double penalty = 1) {
  SamplingOptions o;
  o.temperature = temperature, o.top_k = top_k, o.top_p = top_p, o.min_p = min_p, o.repetition_penalty = penalty;
  return o;
}

TEST(sampler, agrees_with_a_plain_one_that_sorts_everything) {
  const std::vector<SamplingOptions> all = {
      options(1, 0, 1, 0),        options(0.7, 40, 1, 0),           options(0.7, 0, 0.9, 0),
      options(1.5, 0, 1, 0.05),   options(3, 100, 0.95, 0),         options(2, 50, 0.8, 0.02),
      options(5, 0, 0.5, 0.3, 2), options(0.8, 0, 0.999, 0.0, 1.3), options(1, 1, 1, 0),
      options(1, 0, 0, 0),        options(30, 0, 0.99, 0.001),
  };
  for (size_t which = 0; which < all.size(); ++which) {
    SamplingOptions o = all[which];
    o.seed = 7 + which;
    Sampler sampler(o);
    std::vector<Token> before;
    for (uint64_t turn = 0; turn < 40; ++turn) {
      const std::vector<float> logits = drawn_logits(2'000, which * 100 + turn);
      const double uniform = double(random_bits(random_bits(o.seed) + turn) >> 11) * 0x1p-53;
      const Token token = sampler.sample(logits, before);
      EXPECT_EQ(token, plain_draw(plain(o, logits, before), uniform)) << which << ", " << turn;
      before.push_back(token);
    }
  }
}

TEST(sampler, is_greedy_without_temperature_and_takes_the_lower_of_equal_tokens) {
  Sampler sampler(SamplingOptions{});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 5, 2, 5}, {}), 1u);
  EXPECT_EQ(sampler.sample(std::vector<float>{-INFINITY, -3}, {}), 1u);
}

TEST(sampler, takes_the_largest_where_it_is_infinite_or_all_are) {
  Sampler drawing(options(1, 0, 1, 0));
  EXPECT_EQ(drawing.sample(std::vector<float>{1, INFINITY, 3}, {}), 1u);
  EXPECT_EQ(drawing.sample(std::vector<float>{-INFINITY, -INFINITY}, {}), 0u);
  for (int i = 0; i < 100; ++i)
    EXPECT_NE(drawing.sample(std::vector<float>{0, -INFINITY, 0}, {}), 1u) << "what has no probability";
}

TEST(sampler, takes_the_most_probable_at_temperatures_next_to_0) {
  for (const double temperature : {1e-3, 1e-300, 1e-310, 5e-324})
    for (const auto& [top_k, top_p, min_p] : {std::tuple(0, 1.0, 0.0), {2, 1.0, 0.0}, {0, 0.5, 0.0}, {0, 1.0, 0.5}}) {
      Sampler sampler(options(temperature, top_k, top_p, min_p));
      EXPECT_EQ(sampler.sample(std::vector<float>{-3, -INFINITY, 7, 6, -1}, {}), 2u) << temperature;
    }
}

TEST(sampler, keeps_as_many_of_equal_logits_as_asked_for) {
  for (const int64_t k : {1, 3, 100, 4'000}) {
    Sampler sampler(options(1, k, 1, 0));
    for (int i = 0; i < 50; ++i) EXPECT_LT(sampler.sample(std::vector<float>(10'000, 2.5f), {}), Token(k));
  }
  Sampler half(options(1, 0, 0.5, 0));
  for (int i = 0; i < 50; ++i) EXPECT_LT(half.sample(std::vector<float>(10'000, 2.5f), {}), 5'000u);
}

TEST(sampler, penalizes_recent_tokens_alone_and_each_once) {
  SamplingOptions o;
  o.repetition_penalty = 2, o.penalty_window = 2;
  Sampler sampler(o);
  EXPECT_EQ(sampler.sample(std::vector<float>{8, 5, 3}, std::vector<Token>{0, 0}), 1u);
  EXPECT_EQ(sampler.sample(std::vector<float>{8, 5, 3}, std::vector<Token>{0, 2, 2}), 0u) << "token 0 is not recent";
  EXPECT_EQ(sampler.sample(std::vector<float>{-1, -1.5f, -3}, std::vector<Token>{0}), 1u) << "below 0 it multiplies";
}

TEST(sampler, draws_each_token_as_often_as_its_probability_says) {
  SamplingOptions o = options(1, 0, 1, 0);
  Sampler sampler(o);
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  int counts[3] = {};
  for (int i = 0; i < 20'000; ++i) ++counts[sampler.sample(logits, {})];
  EXPECT_NEAR(counts[0], 10'000, 300);
  EXPECT_NEAR(counts[1], 6'000, 300);
  EXPECT_NEAR(counts[2], 4'000, 300);
}

TEST(sampler, gives_the_same_tokens_for_the_same_seed_and_others_for_another) {
  const auto text = [](uint64_t seed) {
    SamplingOptions o = options(2, 0, 0.95, 0);
    o.seed = seed;
    Sampler sampler(o);
    std::vector<Token> tokens;
    for (uint64_t i = 0; i < 30; ++i) tokens.push_back(sampler.sample(drawn_logits(500, i), tokens));
    return tokens;
  };
  EXPECT_EQ(text(3), text(3));
  EXPECT_NE(text(3), text(4));
}

TEST(sampler, refuses_nan_logits_and_options_out_of_range) {
  Sampler greedy(SamplingOptions{}), drawing(options(1, 0, 1, 0));
  const std::vector<float> logits = {1, NAN, 2};
  EXPECT_THROW(greedy.sample(logits, {}), Error);
  EXPECT_THROW(drawing.sample(logits, {}), Error);
  EXPECT_THROW(Sampler(options(-1, 0, 1, 0)), Error);
  EXPECT_THROW(Sampler(options(NAN, 0, 1, 0)), Error);
  EXPECT_THROW(Sampler(options(1, -1, 1, 0)), Error);
  EXPECT_THROW(Sampler(options(1, 0, 1.5, 0)), Error);
  EXPECT_THROW(Sampler(options(1, 0, 1, -0.1)), Error);
  EXPECT_THROW(Sampler(options(1, 0, 1, 0, 0)), Error);
}

}  // namespace
}  // namespace assay

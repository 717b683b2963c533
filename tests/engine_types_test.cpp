// Every weight type and architecture on models that tests/models/make_tiny.py draws, against the float64 logits of
// tests/models/tiny_logits.py; and each against itself: pieces, threads, a talk that goes on.
#include <gtest/gtest.h>

#include "engine/sampler.h"
#include "engine_logits.h"
#include "opened_session.h"
#include "refusals.h"

namespace assay {
namespace {

const fs::path kKnown = fs::path(ASSAY_SOURCE_DIR) / "tests/models";
const std::vector<Token> kTokens{3, 17, 101, 44, 200, 8, 9, 255, 77, 5, 6, 150, 31, 0, 261, 90, 91, 92, 93, 18};

std::string numbers(std::span<const Token> tokens) {
  std::string text;
  for (const Token token : tokens) text += fmt::format("{} ", token);
  return text;
}

std::vector<Token> many_tokens(Token count) {
  std::vector<Token> tokens;
  for (Token i = 0; i < count; ++i) tokens.push_back((i * 37 + 3) % 264);
  return tokens;
}

// NMSE. Blocks of 8 and 4 bits meet activations that were rounded to int8.
constexpr double kExact = 2e-7, kFloatActivations = 1e-6, kInt8Activations = 5e-4;

struct DrawnModel {
  std::string name;
  double promise = kFloatActivations;
};

class drawn_models : public testing::TestWithParam<DrawnModel> {
 protected:
  void SetUp() override {
#ifdef ASSAY_TINY_MODELS
    model = fs::path(ASSAY_TINY_MODELS) / (GetParam().name + ".gguf");
    known = floats_of(read_file(kKnown / (GetParam().name + ".f32")));
#else
    GTEST_SKIP() << "python3 was not here to make the models";
#endif
  }
  std::vector<float> of(std::span<const Token> tokens, const Arguments& more = {}) const {
    return logits_of(home, model, more, numbers(tokens));
  }

  Home home;
  fs::path model;
  std::vector<float> known;
};

TEST_P(drawn_models, give_the_known_logits) {
  const std::vector<float> shipped = of(kTokens);
  ASSERT_EQ(shipped.size(), known.size());
  EXPECT_LE(nmse(shipped, known), GetParam().promise);
  const std::vector<float> plain = of(kTokens, {"--kernel", "matmul=naive/loop"});
  ASSERT_EQ(plain.size(), known.size());
  EXPECT_LE(nmse(plain, known), std::min(GetParam().promise, kFloatActivations));
}

TEST_P(drawn_models, give_the_same_in_pieces_of_any_size) {
  const std::vector<Token> tokens = many_tokens(80);  // more than a tile of attention has rows
  const std::vector<float> at_once = of(tokens, {"--chunk", "128"});
  for (const char* chunk : {"1", "7", "64"}) {
    const std::vector<float> pieces = of(tokens, {"--chunk", chunk});
    ASSERT_EQ(pieces.size(), at_once.size());
    EXPECT_LE(largest_difference(pieces, at_once), 1e-5) << chunk;
  }
}

TEST_P(drawn_models, give_the_same_bits_for_any_number_of_threads) {
  const std::vector<Token> tokens = many_tokens(300);  // attention shares the positions of one head among threads
  for (const char* chunk : {"1", "64"})
    EXPECT_EQ(of(tokens, {"--threads", "1", "--chunk", chunk}), of(tokens, {"--threads", "2", "--chunk", chunk}))
        << chunk;
}

TEST_P(drawn_models, give_the_same_where_a_talk_goes_on) {
  OpenedSession opened(model);
  Session& session = opened.session();
  const std::vector<Token> first = many_tokens(80), second(first.rbegin(), first.rend());
  const std::span<const Token> whole(second);
  const auto last_of = [&](std::span<const Token> tokens) {
    const std::span<const float> row = session.append(tokens);
    return std::vector<float>(row.begin(), row.end());
  };
  const std::vector<float> alone = last_of(whole);
  session.truncate(0);
  last_of(first);       // another talk, which is forgotten but for nothing
  session.truncate(0);  // …
  last_of(whole.first(30));
  last_of(first);
  session.truncate(30);  // what both have in common
  for (const Token token : whole.subspan(30, 9)) last_of(std::span(&token, 1));
  EXPECT_LE(largest_difference(last_of(whole.subspan(39)), alone), 1e-5);
}

TEST_P(drawn_models, pick_the_token_that_a_sampler_takes) {
  OpenedSession opened(model, 2, {.picks = true});
  Session& session = opened.session();
  Sampler sampler({});
  ASSERT_TRUE(session.picks() && sampler.is_greedy());
  const std::vector<Token> tokens = many_tokens(70);
  for (const size_t count : {70, 1, 3, 1, 65}) {
    const std::span<const float> logits = session.append(std::span(tokens).first(count));
    EXPECT_EQ(session.picked(), sampler.sample(logits, session.tokens())) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(all, drawn_models,
                         testing::Values(DrawnModel{"qwen2-f32", kExact}, DrawnModel{"qwen2-mixed"},
                                         DrawnModel{"qwen2-mixed5", kInt8Activations}, DrawnModel{"qwen3-bf16", kExact},
                                         DrawnModel{"qwen3-f16", kExact}, DrawnModel{"qwen3-q4_0", kInt8Activations},
                                         DrawnModel{"qwen3-q4_1"}, DrawnModel{"qwen3-q5_0"}, DrawnModel{"qwen3-q4_k"},
                                         DrawnModel{"qwen3-q5_k"}, DrawnModel{"qwen3-q6_k"}, DrawnModel{"qwen3-mixed"},
                                         DrawnModel{"llama3-bf16", kExact}, DrawnModel{"llama3-q8_0", kInt8Activations},
                                         DrawnModel{"llama3-q5_0"}, DrawnModel{"llama3-q5_1"},
                                         DrawnModel{"llama3-q4_k"}, DrawnModel{"llama3-q5_k"},
                                         DrawnModel{"llama3-q6_k"}, DrawnModel{"llama3-mixed"}),
                         [](const auto& i) {
                           std::string name = i.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace assay
